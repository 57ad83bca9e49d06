"""Alerts on their way: what is said to whom, and what a refusal is."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Receiver

from services.egress import Egress
from services.notifier import rules
from services.notifier.messages import Kind, Message, as_json, as_slack, runbook
from services.notifier.note import Note
from services.notifier.notifier import LEASE, MOST, Notifier
from services.notifier.outage import NAME, Outage
from services.notifier.targets import DEADLINE, NotSent, Slack, Webhook, post, targets_of
from services.notifier.thresholds import NAMES, Thresholds, read_thresholds
from services.settings import Settings, load_settings
from tests.unit.egress_server import Network, Play, answering, dripping, server
from tests.unit.test_alert_rules import sections
from tests.unit.test_settings import GOOD

PAGE = Path("docs/operations/notifier.md").read_text()
PATH = "/hooks/a-secret-path?key=another-secret"
URL = f"https://alerts.example.test{PATH}"
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
        "runbook": "docs/operations/alerts.md#error-rate",
    }


def test_people_are_told_the_same() -> None:
    began = as_slack(message())["text"]
    ended = as_slack(message("ended", ended_at="2026-03-01T07:00:00+00:00"))["text"]

    assert began.splitlines() == [
        "*Critical: Calls of tavus fail*",
        INCIDENT["detail"],
        "Since 2026-03-01 06:45:47 UTC. Found 0.15; it is wrong from 0.05 on.",
        "What to do: docs/operations/alerts.md#error-rate"
        " · <https://hooks.example.test/dashboard/operations|Operations>",
    ]
    assert ended.startswith("*Over: Calls of tavus fail*")
    assert "until 2026-03-01 07:00:00 UTC" in ended


def test_a_message_that_only_tries_the_way_says_so() -> None:
    told = message("test")

    assert as_slack(told)["text"].startswith("*Test: Calls of tavus fail*\n")
    assert as_json(told)["type"] == "incident.test"


@pytest.mark.parametrize(
    ("ended_at", "told"),
    [
        ("2026-03-01T06:46:16+00:00", "less than a minute"),
        ("2026-03-01T06:46:18+00:00", "a minute"),
        ("2026-03-01T08:44:47+00:00", "119 minutes"),
        ("2026-03-01T08:45:48+00:00", "2.0 hours"),
        ("2026-03-02T18:15:47+00:00", "35.5 hours"),
    ],
)
def test_what_is_over_says_for_how_long_it_was(ended_at: str, told: str) -> None:
    ended = message("ended", ended_at=ended_at)

    assert as_json(ended)["data"]["detail"] == f"It is over, after {told}."


@dataclass(slots=True)
class Ear:
    """A target that remembers what it was sent."""

    name: str = "webhook"
    heard: list[str] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.heard.append(message.id)


def test_one_turn_sends_so_many_messages_and_leaves_the_rest_to_the_next() -> None:
    """Else a worker would look at nothing new while messages come as fast as they go."""
    ear, finished = Ear(), list[str]()

    def call(function: str, arguments: dict[str, Any]) -> Any:
        if function == "read_alerts":
            return {"next_outage": "o1"}
        if function == "finish_notice":
            return finished.append(arguments["outcome"]["id"])
        assert function == "claim_notice"
        told = {"target": "webhook", "kind": "began", "tries": 1, "incident": INCIDENT}
        return {**told, "id": f"msg-{len(ear.heard)}"}

    watch = Notifier(
        database=SimpleNamespace(call=call),  # type: ignore[arg-type]
        outage=Outage(targets=[ear], after=60.0, service_url="", note=Note(None)),
        targets=[ear],
        thresholds=Thresholds(),
        realtime_limit=30.0,
        service_url="https://hooks.example.test",
        keep_days=90,
    )

    assert not watch.work()
    assert ear.heard == finished == [f"msg-{n}" for n in range(MOST)]


def test_no_name_of_a_host_is_a_mention_or_a_link() -> None:
    text = as_slack(message(title="<!channel> & <https://evil.example.test|here>"))["text"]

    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert "&lt;!channel&gt; &amp; " in text


def heard_by(play: Callable[[list[bytes]], Play], send: Callable[[str], None]) -> list[Sent]:
    """Return what a receiver has heard when something was sent to its address."""
    heard: list[bytes] = []
    with server(None, play(heard)) as (port, _):
        send(f"http://127.0.0.1:{port}{PATH}")
    return [Sent.read(request) for request in heard]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, request: bytes) -> Sent:
        head, _, body = request.partition(b"\r\n\r\n")
        line, *told = head.decode().split("\r\n")
        pairs = (one.split(": ", 1) for one in told)
        return cls(line, {name.lower(): value for name, value in pairs}, body)


def saying(status: int) -> Callable[[list[bytes]], Play]:
    return lambda heard: answering(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status, heard)


def test_a_webhook_is_signed_so_that_its_receiver_can_verify_it() -> None:
    [sent] = heard_by(saying(204), lambda url: Webhook(url=url, secrets=[SECRET]).send(message()))

    read = Receiver(SECRET).verify(sent.body, sent.headers)
    assert read["id"] == sent.headers["webhook-id"] == "msg-1"
    assert sent.headers["content-type"] == "application/json"
    assert sent.line == f"POST {PATH} HTTP/1.1"


def test_without_a_secret_it_has_its_id_and_no_signature() -> None:
    [sent] = heard_by(saying(200), lambda url: Webhook(url=url).send(message()))

    assert sent.headers["webhook-id"] == "msg-1"
    assert not {"webhook-signature", "authorization"} & set(sent.headers)


def test_slack_gets_text() -> None:
    [sent] = heard_by(saying(200), lambda url: Slack(url=url).send(message()))

    assert json.loads(sent.body) == as_slack(message())


def test_what_an_address_says_before_its_host_is_its_authorization() -> None:
    def send(url: str) -> None:
        Slack(url=url.replace("://", "://ada:p%40ss@") + "&b=ü ").send(message())

    [sent] = heard_by(saying(200), send)

    assert sent.headers["authorization"] == "Basic " + b64encode(b"ada:p@ss").decode()
    assert sent.line == f"POST {PATH}&b=%C3%BC%20 HTTP/1.1"


@pytest.mark.parametrize("status", [302, 400, 404, 410, 429, 500])
def test_anything_but_2xx_is_a_refusal_and_says_why(status: int) -> None:
    answer = b"HTTP/1.1 %d X\r\nLocation: /x\r\n\r\nno_service\x1b[2J" % status + 9999 * b"x"
    refusals: list[NotSent] = []

    def send(url: str) -> None:
        with pytest.raises(NotSent) as raised:
            Slack(url=url).send(message())
        refusals.append(raised.value)

    heard = heard_by(lambda kept: answering(answer, kept), send)

    [refused] = refusals
    assert f"It answered {status}" in refused.detail
    assert "no_service[2J" in refused.detail
    assert len(refused.detail) < 300
    assert len(heard) == 1


HEAD = b"HTTP/1.1 200 OK\r\nX-Drip: "


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([HEAD, b"a"], "TimeoutError"),
        ([b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"], "TimeoutError"),
        ([b"HTTP/1.1 102 Wait\r\n\r\n", b"HTTP/1.1 102 Wait\r\n\r\n"], "TimeoutError"),
        ([b"HTTP/1.1 500 X\r\n\r\n", b"a"], "It answered 500"),
    ],
    ids=["header", "headers", "interim answers", "body of a refusal"],
)
def test_who_drips_an_answer_is_waited_for_no_longer_than_the_deadline(
    parts: list[bytes], reason: str
) -> None:
    with server(None, dripping(*parts, every=0.1)) as (port, _):
        began = time.monotonic()
        with pytest.raises(NotSent, match=reason):
            post(f"http://127.0.0.1:{port}/", b"{}", {}, deadline=1.0)

    assert time.monotonic() - began < 3


def test_deadline_is_well_below_the_lease() -> None:
    assert 2 * DEADLINE < LEASE


def test_body_of_2xx_is_not_waited_for_nor_limited() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\nx"

    with server(None, dripping(answer, b"x", every=0.1)) as (port, _):
        began = time.monotonic()
        post(f"http://127.0.0.1:{port}/", b"{}", {})

    assert time.monotonic() - began < 3


def test_head_without_an_end_is_read_so_far_and_no_further() -> None:
    with (
        server(None, answering(HEAD + 10_000_000 * b"a")) as (port, _),
        pytest.raises(NotSent, match="cannot be reached"),
    ):
        post(f"http://127.0.0.1:{port}/", b"{}", {})


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.1", "127.0.0.1", "::1", "1.1.1.1"])
def test_own_network_may_be_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network([[address]])
    own = Egress(
        allow_loopback=True, allow_private=True, resolve=network.resolve, dial=network.dial
    )
    monkeypatch.setattr("services.notifier.targets.EGRESS", own)

    with pytest.raises(NotSent):
        Webhook(url=URL).send(message())

    assert network.dialled == [(address, 443)]


@pytest.mark.parametrize("answers", [[["10.0.0.7"]], [[]]])
def test_an_address_is_in_no_error(
    answers: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network([*answers])
    own = Egress(allow_private=True, resolve=network.resolve, dial=network.dial)
    monkeypatch.setattr("services.notifier.targets.EGRESS", own)

    with pytest.raises(NotSent) as raised:
        Webhook(url=URL, secrets=[SECRET]).send(message())

    assert "It takes no conn" in raised.value.detail or "It has no addr" in raised.value.detail
    assert "secret" not in str(raised.value)
    assert "example.test" not in str(raised.value)
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
        assert runbook({"name": f"{name}:tavus"}).partition("#")[2] in sections()
    # Where a test message leads.
    assert (
        Path(runbook({"name": "alerts:test"}).partition("#")[0]).read_text().startswith("# Alerts")
    )
    for name in NAMES:
        default = getattr(Thresholds(), name)
        assert f"| `{name}` | {default:g} |" in PAGE
