"""One line for each attempt and each call to others, by which one finds the rest."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import responses
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import CapturingLogger

from services.clients.api import ApiClient, ApiRefused
from services.effects import Effects
from services.errors import Unavailable
from services.events import WebhookEventProcessingService
from services.plain import shown_path
from services.providers.tavus import TAVUS
from services.telemetry import logs
from services.tools.deadline import started
from services.worker import Worker
from tests.in_process import EVENT_ID, UTTERANCE, due
from tests.providers.tavus_samples import Rows

BASE = "https://vendor.example.test/v1"
KEY = "key-of-the-tests"
BODY = {"event_type": UTTERANCE, "conversation_id": "c-1", "seq": 1}
BODY["properties"] = {"role": "user", "speech": "Hello."}


class Lines(CapturingLogger):
    """Takes every line, with what the context adds to it."""

    def told(self) -> list[dict[str, Any]]:
        return [{**call.kwargs, "level": call.method_name} for call in self.calls]


@pytest.fixture(name="lines")
def _lines() -> Any:
    lines = Lines()
    structlog.configure(
        processors=[merge_contextvars],
        logger_factory=lambda *_: lines,
        wrapper_class=structlog.BoundLogger,
    )
    yield lines
    logs.reset()


class OneEvent:
    """A database with one event that is due."""

    def claim_events(self, *_: object) -> list[dict[str, Any]]:
        return [due(BODY, headers={"x-request-id": "request-1"}, tries=2)]

    def finish_events(self, claim: str, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"id": EVENT_ID, "outcome": "processed"}]


def test_attempt_is_one_line_and_lines_within_it_name_the_event(lines: Lines) -> None:
    def handle(*_: object) -> Effects:
        structlog.get_logger().info("within")
        return Effects()

    broken = replace(TAVUS.events[UTTERANCE], handler=handle)
    worker = Worker(
        database=OneEvent(),  # type: ignore[arg-type]
        events=WebhookEventProcessingService(lookups=Rows()),
        providers=[replace(TAVUS, events={UTTERANCE: broken})],
    )

    worker.work()

    within, attempt = lines.told()
    assert within == {
        "event": "within",
        "level": "info",
        "event_id": EVENT_ID,
        "request_id": "request-1",
    }
    assert attempt.pop("ms") >= 0
    assert attempt == {
        "event": "attempt",
        "level": "info",
        "source": "tavus",
        "event_type": UTTERANCE,
        "event_id": EVENT_ID,
        "request_id": "request-1",
        "attempt": 2,
        "outcome": "processed",
    }


@responses.activate
def test_call_to_a_vendor_is_one_line_without_its_query_and_key(lines: Lines) -> None:
    vendor = ApiClient("Vendor", BASE, {"Authorization": f"Bearer {KEY}"})
    responses.get(f"{BASE}/things", json={"data": []})
    responses.post(f"{BASE}/things", status=422, json={"message": "secret words"})

    vendor.get("/things", person="ada@example.test")
    with pytest.raises(ApiRefused):
        vendor.post("/things", {"said": "secret words"})

    told = lines.told()
    assert all(line.pop("ms") >= 0 for line in told)
    common = {"event": "api call", "level": "info", "to": "Vendor", "path": "/things"}
    assert told == [
        {**common, "method": "GET", "status": 200},
        {**common, "method": "POST", "status": 422},
    ]


@responses.activate
def test_call_that_nobody_answers_is_one_line_too(lines: Lines) -> None:
    vendor = ApiClient("Vendor", BASE, {})

    with pytest.raises(Unavailable):
        vendor.post("/things")

    [line] = lines.told()
    assert line["error"] == "ConnectionError"
    assert "status" not in line


def test_work_in_a_thread_is_logged_under_the_request_that_waits(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        started(lambda: structlog.get_logger().info("within")).result(10)

    assert lines.told() == [{"event": "within", "level": "info", "request_id": "request-1"}]


STEERING = "\x1b]0;PWNED\x07\n2026-03-01 [info] forged\x7f\x9b\u2028\u202e\u200f"


def test_nothing_that_others_told_steers_the_terminal_of_the_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    logs.configure("info")
    try:
        structlog.get_logger().info("webhook", path=STEERING, known={"deep": [STEERING]})
        try:
            raise ValueError(STEERING)
        except ValueError:
            structlog.get_logger().exception("unforeseen")
    finally:
        logs.reset()

    told = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert not set(told) & set("\x1b\x07\x7f\x9b\u2028\u202e\u200f")
    assert told.count("PWNED") >= 3
    first, *_ = told.splitlines()
    assert first.count("forged") == 2


def test_nothing_that_others_told_steers_the_terminal_of_the_server() -> None:
    record = logging.LogRecord("gunicorn", logging.WARNING, "", 0, "%s", (STEERING,), None)

    assert logs.MaskingFilter().filter(record)
    assert not set(record.getMessage()) & set("\x1b\x07\x7f\x9b\u2028\u202e\u200f")


def test_path_in_a_log_shows_no_token() -> None:
    name = "5f0c8a52-6d6f-4a35-9d3b-0c6a2f4b7e11"

    assert shown_path(f"/api/events/{name}") == f"/api/events/{name}"
    assert shown_path("/tools/tok_eyJhbGciOiJIUzI1NiJ9.SECRETSECRET1") == "/tools/***"
    assert shown_path("/a\n\x1b[31m/b") == r"/a\n\x1b[31m/b"


def test_command_keeps_its_output_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_command()
    try:
        structlog.get_logger().info("api call", to="Vendor")
        structlog.get_logger().warning("circuit open", url="https://example.test/?t=secret-token")
    finally:
        logs.reset()

    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err)["event"] == "circuit open"
    assert "secret-token" not in told.err
