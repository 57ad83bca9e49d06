"""Alerts on their way: what is said to whom, and what a refusal is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import responses
from responses import matchers
from standardwebhooks.webhooks import Webhook as Receiver

from services.notifier import rules
from services.notifier.messages import Kind, Message, as_json, as_slack, runbook
from services.notifier.outage import NAME
from services.notifier.targets import NotSent, Slack, Webhook, targets_of
from services.notifier.thresholds import NAMES, Thresholds, read_thresholds
from services.settings import Settings, load_settings
from tests.unit.test_alert_rules import OPERATIONS, anchors
from tests.unit.test_settings import GOOD

URL = "https://alerts.example.test/hooks/a-secret-path?key=another-secret"
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBhbGVydHMgb2YgYSB0ZXN0"
INCIDENT = {
    "id": "0b7e2f4e-5f0b-4f0c-9f0e-3a2b1c0d9e8f",
    "name": "error_rate:tavus",
    "severity": "critical",
    "title": "Calls of tavus fail",
    "detail": "12 of 80 calls of the last 10 minutes failed: 15.0%.",
    "figures": {"value": 0.15, "threshold": 0.05},
    "began_at": "2026-03-01T06:45:47.472+00:00",
    "ended_at": None,
}


def message(kind: Kind = "began", **incident: Any) -> Message:
    return Message(
        id="msg-1",
        kind=kind,
        at=datetime.now(UTC),
        incident={**INCIDENT, **incident},
        service_url="https://hooks.example.test",
    )


def settings(**texts: str) -> Settings:
    return load_settings({**GOOD, **texts})


def test_a_program_is_told_what_since_when_figures_and_what_to_do() -> None:
    told = as_json(message())

    assert (told["id"], told["type"]) == ("msg-1", "incident.began")
    assert told["data"] == {
        "incident_id": INCIDENT["id"],
        "name": "error_rate:tavus",
        "severity": "critical",
        "title": "Calls of tavus fail",
        "detail": INCIDENT["detail"],
        "value": 0.15,
        "threshold": 0.05,
        "began_at": INCIDENT["began_at"],
        "ended_at": None,
        "service_url": "https://hooks.example.test",
        "dashboard_url": "https://hooks.example.test/dashboard/operations",
        "runbook": "docs/operations.md#error-rate",
    }


def test_people_are_told_the_same() -> None:
    began = as_slack(message())["text"]
    ended = as_slack(message("ended", ended_at="2026-03-01T07:00:00+00:00"))["text"]

    assert began.splitlines() == [
        "*Critical: Calls of tavus fail*",
        INCIDENT["detail"],
        "Since 2026-03-01 06:45:47 UTC. Found 0.15; it is wrong from 0.05 on.",
        "What to do: docs/operations.md#error-rate"
        " · <https://hooks.example.test/dashboard/operations|Operations>",
    ]
    assert ended.startswith("*Over: Calls of tavus fail*")
    assert "until 2026-03-01 07:00:00 UTC" in ended


def test_no_name_of_a_host_is_a_mention_or_a_link() -> None:
    text = as_slack(message(title="<!channel> & <https://evil.example.test|here>"))["text"]

    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert "&lt;!channel&gt; &amp; " in text


@responses.activate
def test_a_webhook_is_signed_so_that_its_receiver_can_verify_it() -> None:
    responses.post(URL, status=204)

    Webhook(url=URL, secrets=[SECRET]).send(message())

    sent = responses.calls[0].request
    body = sent.body
    assert isinstance(body, bytes)
    read = Receiver(SECRET).verify(body, dict(sent.headers))
    assert read["id"] == sent.headers["webhook-id"] == "msg-1"
    assert sent.headers["Content-Type"] == "application/json"


@responses.activate
def test_without_a_secret_it_has_its_id_and_no_signature() -> None:
    responses.post(URL, status=200)

    Webhook(url=URL).send(message())

    sent = responses.calls[0].request
    assert sent.headers["webhook-id"] == "msg-1"
    assert "webhook-signature" not in sent.headers


@responses.activate
def test_slack_gets_text() -> None:
    text = as_slack(message())
    responses.post(URL, body="ok", match=[matchers.json_params_matcher(text)])

    Slack(url=URL).send(message())

    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("status", [302, 400, 404, 410, 429, 500])
def test_anything_but_2xx_is_a_refusal_and_says_why(status: int) -> None:
    responses.post(
        URL, status=status, body="no_service\x1b[2J" + 9999 * "x", headers={"Location": "/x"}
    )

    with pytest.raises(NotSent) as raised:
        Slack(url=URL).send(message())

    assert f"It answered {status}" in raised.value.detail
    assert "no_service[2J" in raised.value.detail
    assert len(raised.value.detail) < 300
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("error", [requests.ConnectionError(URL), requests.ReadTimeout(URL)])
def test_an_address_is_in_no_error(error: Exception) -> None:
    responses.post(URL, body=error)

    with pytest.raises(NotSent) as raised:
        Webhook(url=URL, secrets=[SECRET]).send(message())

    assert type(error).__name__ in raised.value.detail
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_settings_name_the_targets_and_show_no_secret() -> None:
    one = settings(ALERT_WEBHOOK_URL=URL, ALERT_WEBHOOK_SECRET=SECRET)
    both = settings(ALERT_WEBHOOK_URL=URL, ALERT_SLACK_URL="http://127.0.0.1:9000/slack")

    assert [target.name for target in targets_of(settings())] == []
    assert targets_of(one) == (Webhook(url=URL, secrets=(SECRET,)),)
    assert [target.name for target in targets_of(both)] == ["webhook", "slack"]
    for shown in (repr(one), repr(targets_of(one)), repr(targets_of(both))):
        assert "secret-path" not in shown
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALERT_WEBHOOK_URL", "http://alerts.example.test/"),
        ("ALERT_WEBHOOK_URL", "http://10.0.0.1/"),
        ("ALERT_WEBHOOK_URL", "file:///etc/passwd"),
        ("ALERT_WEBHOOK_URL", "https://"),
        ("ALERT_SLACK_URL", "hooks.example.test/services/x"),
        ("ALERT_SLACK_URL", "http://127.0.0.1.example.test/"),
        ("ALERT_WEBHOOK_SECRET", "whsec_not base64!"),
        ("ALERT_THRESHOLDS", "error_rates=0.1"),
        ("ALERT_THRESHOLDS", "error_rate"),
        ("ALERT_THRESHOLDS", "error_rate=nan"),
        ("ALERT_THRESHOLDS", "error_rate=-1"),
        ("ALERT_THRESHOLDS", "error_rate=0.1;silence=3"),
        ("ALERT_THRESHOLDS", "error_rate=1e400"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str) -> None:
    with pytest.raises(Exception, match=name):
        settings(**{name: text})


def test_thresholds_are_the_defaults_but_for_those_named() -> None:
    wanted = settings(ALERT_THRESHOLDS=" error_rate=0.2, silence = 0,").alert_thresholds

    assert (wanted.error_rate, wanted.silence) == (0.2, 0.0)
    assert wanted.dead_letters == Thresholds().dead_letters
    assert read_thresholds("") == Thresholds()


def test_every_rule_has_a_threshold_and_tells_what_to_do() -> None:
    names = [rule.name for rule in rules.RULES] + [NAME]

    assert sorted([*names, "least_calls"]) == sorted(NAMES)
    for name in names:
        assert runbook({"name": f"{name}:tavus"}).partition("#")[2] in anchors(OPERATIONS)
    assert "alerts" in anchors(OPERATIONS)
    for name in NAMES:
        default = getattr(Thresholds(), name)
        assert f"| `{name}` | {default:g} |" in OPERATIONS
