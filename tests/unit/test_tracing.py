"""Spans: what happened in which order, linked across threads and processes, without contents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from services.egress import Egress
from services.events import WebhookEventProcessingService
from services.outgoing.attempt import Sender
from services.telemetry import tracing
from services.worker import Worker
from tests.in_process import (
    EVENT_ID,
    PATH,
    TOKEN,
    UTTERANCE,
    client,
    due,
    failing,
    settings_of,
    store,
)
from tests.providers.tavus_samples import Rows
from tests.telemetry_fakes import TelemetryServer

HOSTILE = "hostile words of a person"
BODY = {
    "event_type": UTTERANCE,
    "conversation_id": "c-1",
    "seq": 1,
    "properties": {"role": "user", "speech": HOSTILE},
}
SENDERS_SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-4bf92f3577b34da6a3ce929d0e0e4736-{SENDERS_SPAN}-01"


@pytest.fixture(name="collector")
def _collector() -> Iterator[TelemetryServer]:
    with TelemetryServer() as collector:
        tracing.configure(settings_of(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url))
        yield collector
        tracing.stop()


def told(collector: TelemetryServer) -> dict[str, dict[str, Any]]:
    """Return its spans by name; whatever they were, nothing hostile was in any byte."""
    tracing.stop()
    for words in (HOSTILE, HOSTILE.split()[0], TOKEN):
        assert words.encode() not in collector.all_bytes
    return {span["name"]: span for span in collector.spans()}


def test_webhook_is_a_trace_of_its_steps(collector: TelemetryServer) -> None:
    client(settings_of()).post(PATH, query_string={"t": TOKEN}, json=BODY)

    spans = told(collector)
    webhook = spans["webhook"]
    assert webhook["parent"] == ""
    assert webhook["facts"] == {
        "convohooks.source": "tavus",
        "convohooks.status": 200,
        "convohooks.outcome": "new",
        "convohooks.event_type": UTTERANCE,
        "convohooks.event_id": EVENT_ID,
    }
    for step in ("verify", "understand", "store"):
        assert spans[step]["parent"] == webhook["span_id"]
    assert spans["commit"]["facts"] == {"convohooks.events": 1}
    assert spans["commit"]["links"] == [spans["store"]["span_id"]]


def test_senders_trace_is_linked_and_not_continued(collector: TelemetryServer) -> None:
    kept: list[Any] = []

    def receive(batch: Sequence[Any]) -> list[dict[str, Any]]:
        kept.extend(batch)
        return store(batch)

    client(settings_of(), receive=receive).post(
        PATH, query_string={"t": TOKEN}, json=BODY, headers={"traceparent": TRACEPARENT}
    )

    webhook = told(collector)["webhook"]
    assert webhook["links"] == [SENDERS_SPAN]
    assert webhook["trace_id"] not in TRACEPARENT
    [stored] = [row["headers"]["traceparent"] for row in kept]
    assert stored.startswith(f"00-{webhook['trace_id']}-{webhook['span_id']}-")


@pytest.mark.parametrize(
    "traceparent",
    [
        HOSTILE,
        "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
        "00-" + "g" * 32 + "-x-01",
        "é",
        "a" * 9000,
    ],
)
def test_hostile_traceparent_is_nothing(collector: TelemetryServer, traceparent: str) -> None:
    client(settings_of()).post(
        PATH, query_string={"t": TOKEN}, json=BODY, headers={"traceparent": traceparent}
    )

    assert told(collector)["webhook"]["links"] == []


def test_refusal_tells_its_status_and_no_words(collector: TelemetryServer) -> None:
    client(settings_of()).post(PATH, query_string={"t": TOKEN}, json=[HOSTILE])

    spans = told(collector)
    assert spans["webhook"]["facts"]["convohooks.status"] == 400
    assert spans["webhook"]["facts"]["error.type"] == "Malformed"
    assert spans["webhook"]["status"] == 0
    assert {span["events"] for span in spans.values()} == {0}


def test_type_that_only_the_call_names_is_other(collector: TelemetryServer) -> None:
    client(settings_of()).post(
        PATH, query_string={"t": TOKEN}, json={"event_type": HOSTILE, "conversation_id": "c-1"}
    )

    assert told(collector)["webhook"]["facts"]["convohooks.event_type"] == "other"


def test_defect_is_an_error_without_its_words(collector: TelemetryServer) -> None:
    def receive(batch: Sequence[Any]) -> list[dict[str, Any]]:
        raise ValueError(HOSTILE)

    client(settings_of(), receive=receive).post(PATH, query_string={"t": TOKEN}, json=BODY)

    spans = told(collector)
    assert spans["webhook"]["status"] == spans["commit"]["status"] == 2
    assert spans["commit"]["facts"]["error.type"] == "ValueError"


class OneEvent:
    """A database with one event that is due."""

    def claim_events(self, *_: object) -> list[dict[str, Any]]:
        return [due(BODY, headers={"traceparent": TRACEPARENT}, tries=2)]

    def finish_events(self, claim: str, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"id": EVENT_ID, "outcome": "failed"}]


def test_attempt_is_linked_to_the_call_that_brought_the_event(collector: TelemetryServer) -> None:
    worker = Worker(
        database=OneEvent(),  # type: ignore[arg-type]
        events=WebhookEventProcessingService(lookups=Rows()),
        providers=[failing(KeyError(HOSTILE))],
    )

    worker.work()

    spans = told(collector)
    assert spans["attempt"]["links"] == [SENDERS_SPAN]
    assert spans["attempt"]["facts"] == {
        "convohooks.source": "tavus",
        "convohooks.event_id": EVENT_ID,
        "convohooks.attempt": 2,
        "convohooks.outcome": "failed",
    }
    assert spans["finish"]["facts"] == {"convohooks.events": 1}


def test_delivery_attempt_tells_ids_and_no_address(collector: TelemetryServer) -> None:
    delivery = {
        "id": "d-1",
        "webhook_id": "msg_1",
        "event_type": "message.created",
        "attempt": 3,
        "tries": 3,
        "retry_schedule": None,
        "url": f"https://127.0.0.1/{HOSTILE}?token={TOKEN}",
        "payload": {"said": HOSTILE},
        "headers": {},
        "secrets": ["whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="],
    }

    Sender(egress=Egress(), timeout=5.0).send(delivery, datetime.now(UTC))

    assert told(collector)["delivery attempt"]["facts"] == {
        "convohooks.delivery_id": "d-1",
        "convohooks.webhook_id": "msg_1",
        "convohooks.attempt": 3,
        "convohooks.outcome": "failed",
    }


def test_collector_that_is_away_holds_nothing_up() -> None:
    tracing.configure(settings_of(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"))
    try:
        answer = client(settings_of()).post(PATH, query_string={"t": TOKEN}, json=BODY)
        assert answer.status_code == 200
    finally:
        tracing.stop()


def test_without_a_collector_there_is_no_span() -> None:
    tracing.configure(settings_of())

    with tracing.span("nothing", links=[TRACEPARENT]) as span:
        span.tell(outcome="new")
        assert span is tracing.NONE
        assert tracing.here() is None


def test_outside_a_span_there_is_none_to_link_to(collector: TelemetryServer) -> None:
    outside = tracing.here()
    with tracing.span("webhook"):
        inside = tracing.here()

    assert outside is None
    assert inside is not None
    assert told(collector)["webhook"]["span_id"] in inside
