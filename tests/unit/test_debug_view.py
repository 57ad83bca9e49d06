"""The debug view shows a call, and nothing in it that could open anything."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest

from services.cli.dev import environment
from services.errors import Unavailable
from services.providers.tavus import TAVUS
from services.providers.twilio import TWILIO
from services.settings import Settings
from services.web.debug import LARGEST_BODY, MOST_PRESENTED, show
from services.web.debug_text import shown_url
from services.web.exchange import exchange
from services.wiring.web import wire
from tests.in_process import PATH, TOKEN, UTTERANCE, client, failing, settings_of

SECRET = "presented+secret/of=a.call"
CONFIGURED = "configured-secret-of-the-service"
BODY = {
    "event_type": UTTERANCE,
    "conversation_id": "c-1",
    "seq": 1,
    "webhook_url": f"https://hooks.example.test/api/tavus/webhook?t={TOKEN}",
    "properties": {"role": "user", "speech": "Good morning."},
}


@pytest.fixture(name="settings")
def _settings() -> Settings:
    return settings_of(
        DEBUG_REQUESTS="1",
        TAVUS_WEBHOOK_SECRET=CONFIGURED,
        TWILIO_AUTH_TOKEN=CONFIGURED,
        LOG_LEVEL="error",
    )


def view(capsys: pytest.CaptureFixture[str], *secrets: str) -> str:
    """Return what was shown; none of these secrets is in it, however it is written."""
    shown = capsys.readouterr().out
    for secret in (*secrets, TOKEN, CONFIGURED):
        encoded = base64.b64encode(secret.encode()).decode()
        for written in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded):
            assert written.lower() not in shown.lower()
    return "\n".join(line for line in shown.splitlines() if not line.startswith("{"))


def test_call_is_shown_with_what_it_wrote(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    client(settings).post(
        PATH, query_string={"t": TOKEN}, json=BODY, headers={"X-Request-ID": "request-1"}
    )

    shown = view(capsys)
    for line in (
        f"--- tavus 200 {PATH}",
        f"request  POST {PATH}?t=***",
        "x-request-id: request-1",
        '"speech": "Good morning."',
        '"webhook_url": "https://hooks.example.test/api/tavus/webhook?***"',
        "outcome: new",
        "written  messages: 1",
        f"event row {UTTERANCE}",
    ):
        assert line in shown
    assert re.search(r"ms: \d", shown)


def test_refusal_is_shown_with_its_reason(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    client(settings).post(PATH, query_string={"t": SECRET}, json=BODY)

    shown = view(capsys, SECRET)
    assert "status: 401" in shown
    assert "reason: " in shown
    assert "written" not in shown


WRAPPED: dict[str, Any] = {
    "text": SECRET,
    "list": [{"deep": [f"before {SECRET} after"]}],
    "percent": quote(SECRET, safe=""),
    "url": f"https://example.test/a?key={SECRET}",
    "key of an object": {SECRET: 1},
}


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("proof", ["query", "header", "bearer"])
def test_what_a_call_presents_is_nowhere(
    settings: Settings, capsys: pytest.CaptureFixture[str], wrapped: Any, proof: str
) -> None:
    headers = {
        "query": {},
        "header": {"X-Own-Key": SECRET},
        "bearer": {"Authorization": f"Bearer {SECRET}"},
    }[proof]
    query = {"t": SECRET} if proof == "query" else {}

    client(settings).post(PATH, query_string=query, json={**BODY, "said": wrapped}, headers=headers)

    assert "verdict  status: 401" in view(capsys, SECRET)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_token", "short"),
        ("clientSecret", "x"),
        ("Authorization", "Basic abc"),
        ("password", {"nested": "inner-value"}),
        ("note", "Bearer abcdefghij"),
        ("note", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
        ("note", "sk_live_abcdefghijklmnop"),
        ("note", "whsec_abcdefghijklmnop"),
        ("note", "postgresql://ada:lovelace-1815@db.example.test/postgres"),
        ("recording", "https://bucket.example.test/a.mp4?X-Amz-Signature=abcdef0123"),
    ],
)
def test_what_is_called_or_looks_like_a_secret_is_not_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str], name: str, value: Any
) -> None:
    client(settings).post(PATH, query_string={"t": TOKEN}, json={**BODY, name: value})

    shown = view(capsys)
    assert f'"{name}": "' in shown
    hidden = (
        "short",
        '"x"',
        "Basic abc",
        "inner-value",
        "abcdefghij",
        "eyJ",
        "lovelace",
        "abcdef0123",
    )
    assert not [words for words in hidden if words in shown]


def test_signature_headers_are_not_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("X-Tavus-Signature", "X-Twilio-Signature", "Stripe-Signature", "Webhook-Signature",
             "Calendly-Webhook-Signature", "X-Api-Key", "Apikey", "Referer")  # fmt: skip
    client(settings).post(PATH, json=BODY, headers=dict.fromkeys(names, f"t=1,v1={SECRET}"))

    shown = view(capsys, SECRET)
    for name in names:
        assert f"{name.lower()}: *** (" in shown


def test_form_is_shown_without_its_secrets(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    form = {"CallSid": "CA1", "From": "+15550100", "AuthToken": "abc", "Said": SECRET}
    client(settings, TWILIO).post(
        "/api/webhooks/twilio/calls",
        query_string={"token": SECRET},
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded",
    )

    shown = view(capsys, SECRET)
    assert '"CallSid": "CA1"' in shown
    assert '"AuthToken": "***"' in shown


@pytest.mark.parametrize(
    "body",
    [b'{"token": "opaque-and-unknown"', b"\xff opaque-and-unknown", b'["opaque-and-unknown"]'],
)
def test_body_that_cannot_be_read_is_not_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    client(settings).post(PATH, query_string={"t": TOKEN}, data=body)

    assert f"{len(body)} bytes that cannot be read" in view(capsys, "opaque-and-unknown")


def test_signs_that_steer_a_terminal_are_written_out(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\x07\r[red]\u202e\x9b31m"
    client(settings).post(
        PATH, query_string={"t": TOKEN}, json={**BODY, evil: evil}, headers={"User-Agent": "[red]"}
    )

    shown = view(capsys)
    assert not set(shown) & set("\x1b\x07\r\u202e\x9b")
    assert "[red]" in shown


def test_long_body_is_cut_after_it_is_masked(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for padding in range(3800, 4100, 7):
        client(settings).post(
            PATH, query_string={"t": SECRET}, json={"a": "x" * padding, "b": SECRET}
        )
    client(settings).post(PATH, query_string={"t": TOKEN}, json={"a": "x" * 90_000 + SECRET})

    shown = view(capsys, SECRET, SECRET[:9])
    assert "characters more" in shown


def test_part_of_a_path_that_looks_like_a_token_is_not_shown() -> None:
    token = "3f9a" * 8

    shown = shown_url(f"/api/tavus/tools/{token}", ["a", token])
    assert shown == "/api/tavus/tools/***?a=***&***=***"
    assert shown_url("/api/tavus/tools/display_cta", ()) == "/api/tavus/tools/display_cta"


def test_terminal_gets_a_panel(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    client(settings).post(PATH, query_string={"t": TOKEN}, json=BODY)

    plain = re.sub(r"\x1b\[[0-9;]*m", "", view(capsys))
    assert "╭─ tavus 200 /api/tavus/webhook" in plain
    assert "│ verdict  status: 200" in plain


@pytest.mark.parametrize("is_terminal", [True, False])
def test_path_writes_nothing_into_a_terminal_and_forges_no_line(
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    app = client(settings)
    steering = "%1b]0;PWNED%07%0a--- tavus 200 FAKELINE%9b31m%7f%e2%80%a8%e2%80%ae"
    line = {"source": "tavus", "path": unquote(steering, "latin-1"), "status": 401}

    with app.application.app_context():
        show(wire(settings), TAVUS, None, line)

    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert not set(shown) & set("\x1b\x07\x7f\x9b\u2028\u202e")
    assert not [one for one in shown.splitlines() if one.startswith("--- tavus 200")]
    assert "PWNED" in shown


def test_token_in_a_path_is_neither_in_the_view_nor_in_the_log(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    opaque = "3f9a" * 8
    line = {"source": "tavus", "path": f"/api/{opaque}/{CONFIGURED}/x", "status": 401}

    show(wire(settings), TAVUS, None, line)

    shown = view(capsys, opaque)
    assert "--- tavus 401 /api/***/***/x" in shown


def test_line_of_a_call_tells_its_path_without_token_or_steering(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = settings_of(DEBUG_REQUESTS="1")
    app = client(settings).application
    path = f"/api/tavus/tools/{'3f9a' * 8}/%1b]0;PWNED%07%0a--- tavus 200 FAKELINE"

    with app.test_request_context(path), exchange(wire(settings), TAVUS, "tool call"):
        pass

    shown = capsys.readouterr().out
    assert shown.count("/api/tavus/tools/***/") == 2
    assert "3f9a3f9a" not in shown
    assert not set(shown) & set("\x1b\x07")
    assert not [one for one in shown.splitlines() if one.startswith("--- tavus 200 FAKE")]


def test_stranger_cannot_have_the_service_search_for_seconds(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    query = {f"q{n}": f"value-{n}-{SECRET}" for n in range(650)}
    body = {"said": ["a value-1 of many " * 50] * 100}

    began = time.process_time()
    client(settings).post(PATH, query_string=query, json={**BODY, **body})
    took = time.process_time() - began

    assert "verdict  status: 401" in view(capsys, SECRET)
    assert took < 0.5


def test_as_much_as_is_looked_through_takes_no_second(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    query = {f"q{n}": f"value-{n}-{SECRET}" for n in range(MOST_PRESENTED)}

    began = time.process_time()
    client(settings).post(PATH, query_string=query, json={**BODY, "said": "value-" * 16_000})
    took = time.process_time() - began

    assert "characters more" in view(capsys, SECRET)
    assert took < 1


def test_defect_of_the_view_changes_no_answer(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> str:
        raise KeyError

    monkeypatch.setattr("services.web.debug._text", stumble)

    assert client(settings).post(PATH, query_string={"t": TOKEN}, json=BODY).status_code == 200


@pytest.mark.parametrize(("told", "passed"), [({}, "1"), ({"DEBUG_REQUESTS": ""}, "1")])
def test_development_shows_calls(told: dict[str, str], passed: str) -> None:
    assert environment(told, {"PORT": "1"}) == {"PORT": "1", "DEBUG_REQUESTS": passed}
    assert environment({"DEBUG_REQUESTS": "0"}, {})["DEBUG_REQUESTS"] == "0"


def test_by_default_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    client(settings_of()).post(PATH, query_string={"t": TOKEN}, json=BODY)
    client(settings_of(DEBUG_REQUESTS="0"), failing(ValueError())).post(
        PATH, query_string={"t": TOKEN}, json=BODY
    )

    assert TAVUS.name in (shown := capsys.readouterr().out)
    assert "Good morning." not in shown
    assert "---" not in shown


def test_body_that_is_too_large_to_be_looked_through_is_not_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    app = client(settings)
    app.application.config["MAX_CONTENT_LENGTH"] = 2 * LARGEST_BODY
    body = json.dumps({**BODY, "said": "words " * (LARGEST_BODY // 6)}).encode()

    app.post(PATH, query_string={"t": TOKEN}, data=body, content_type="application/json")

    shown = view(capsys)
    assert f"body     {len(body)} bytes, too many to be shown" in shown
    assert "words" not in shown
    assert "written  messages: 1" in shown


def test_what_cannot_be_asked_of_the_handler_again_says_why(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    client(settings, failing(Unavailable("Supabase is away."))).post(
        PATH, query_string={"t": TOKEN}, json=BODY
    )

    shown = view(capsys)
    assert "outcome: new" in shown
    assert "written  cannot be told: Supabase is away." in shown
