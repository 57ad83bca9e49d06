"""Sentry, traces and the debug view of a service as it runs: gunicorn, gevent, a forked worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import make_conversation, new_conversation_id
from tests.stack import start_service
from tests.telemetry_fakes import TelemetryServer
from tests.waiting import until
from tests.web.caller import SETTINGS, TOKEN, Caller, utterance

HOSTILE = "hostile-words-of-a-person"


@pytest.fixture(name="fakes")
def _fakes() -> Iterator[TelemetryServer]:
    with TelemetryServer() as fakes:
        yield fakes


@pytest.fixture(name="refused_words")
def _refused_words(db: psycopg.Connection) -> Iterator[str]:
    """Words that the database takes in no message."""
    db.execute(
        "create function public.refuse_words() returns trigger language plpgsql as"
        f" $$ begin if new.content = '{HOSTILE}' then raise 'cannot hold %', new.content; end if;"
        " return new; end $$;"
        "create trigger refuse_words before insert on public.conversation_messages"
        " for each row execute function public.refuse_words()"
    )
    yield HOSTILE
    db.execute("drop function public.refuse_words() cascade")


def test_what_waits_is_sent_when_the_service_stops(
    stack: LocalStack, db: psycopg.Connection, fakes: TelemetryServer, refused_words: str
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    service = start_service(
        stack,
        **SETTINGS,
        SENTRY_DSN=fakes.dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT=fakes.url,
        DEBUG_REQUESTS="1",
    )
    with httpx.Client(base_url=service.url, timeout=30) as http:
        good = Caller(http).send(utterance(conversation, 1))
        bad = Caller(http).send(utterance(conversation, 2, refused_words))
    service.stop()

    assert (good.json()["outcome"], bad.json()["outcome"]) == ("new", "failed")
    [event] = fakes.events()
    assert event["tags"]["context"] == "handler"
    assert event["tags"]["request_id"] == bad.headers["X-Request-ID"]
    webhooks = [span for span in fakes.spans() if span["name"] == "webhook"]
    assert [span["facts"]["convohooks.outcome"] for span in webhooks] == ["new", "failed"]
    for words in (refused_words, TOKEN):
        assert words.encode() not in fakes.all_bytes
    shown = service.supervisor.state.log(service.name).read_text()
    assert "--- tavus 200 /api/tavus/webhook" in shown
    assert TOKEN not in shown


def test_worker_is_linked_to_the_call_and_tells_what_waits_at_its_end(
    stack: LocalStack,
    db: psycopg.Connection,
    fakes: TelemetryServer,
    refused_words: str,
    tmp_path: Path,
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    telemetry = {"SENTRY_DSN": fakes.dsn, "OTEL_EXPORTER_OTLP_ENDPOINT": fakes.url}
    service = start_service(stack, **SETTINGS, **telemetry)
    with httpx.Client(base_url=service.url, timeout=30) as http:
        answer = Caller(http).send(utterance(conversation, 1, refused_words))
    service.stop()
    # Its next attempt is its last.
    db.execute(
        "update private.webhook_inbox set next_attempt_at = now(), attempts = 5"
        " where conversation_id = %s",
        [conversation],
    )
    dead = "select 1 from private.webhook_inbox where conversation_id = %s and state = 'dead'"

    with (tmp_path / "log").open("w") as output:
        worker = subprocess.Popen(
            [Path(sys.executable).with_name("convohooks"), "worker"],
            env={**os.environ, **stack.env(), **SETTINGS, **telemetry},
            stdout=output,
            stderr=output,
        )
        try:
            until(lambda: db.execute(dead, [conversation]).fetchone())
        finally:
            worker.terminate()
            worker.wait(30)

    spans = fakes.spans()
    [webhook] = [span for span in spans if span["name"] == "webhook"]
    attempts = [span for span in spans if span["links"] == [webhook["span_id"]]]
    assert [span["name"] for span in attempts] == ["attempt"]
    [letter] = [event for event in fakes.events() if event["tags"]["context"] == "dead letter"]
    assert letter["tags"]["component"] == "worker"
    assert letter["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert refused_words.encode() not in fakes.all_bytes
