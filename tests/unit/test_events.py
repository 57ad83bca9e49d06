"""events.py: neither a defect of ours nor a database that is away costs an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.effects import Effects
from services.errors import Malformed, Unavailable
from services.events import MAX_EVENT_TYPE, WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import WebhookDataIngestionService
from services.provider import Credential, Provider, Reading
from services.providers.stripe import STRIPE
from services.providers.tavus import TAVUS
from services.writer import Row, Writer
from tests.providers.tavus_samples import Rows

TOKEN = "a-token-of-the-test"
BODY = b'{"event_type": "system.shutdown", "conversation_id": "c1", "said": "a-token-of-the-test"}'
SERVICE = WebhookEventProcessingService(lookups=Rows())


def stumble(*_: object) -> Reading:
    raise KeyError("properties")


def stumble_later(*_: object) -> Effects:
    raise ZeroDivisionError


def look_up_in_vain(*_: object) -> Effects:
    raise Unavailable("away")


def inbound(body: bytes = BODY) -> Inbound:
    return Inbound(
        method="POST",
        path="/api/tavus/webhook",
        query={},
        headers={},
        body=body,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "provider",
    [
        replace(TAVUS, read=stumble),
        replace(
            TAVUS,
            events={"system.shutdown": replace(TAVUS.events["system.shutdown"], key=stumble)},
        ),
        replace(
            TAVUS,
            events={
                "system.shutdown": replace(TAVUS.events["system.shutdown"], handler=stumble_later)
            },
        ),
    ],
    ids=["reading", "key", "handler"],
)
def test_event_that_our_code_stumbles_over_is_kept_as_failed(provider: Provider) -> None:
    event = SERVICE.process(inbound(), provider, Credential(secrets=(TOKEN,)))

    assert event.state == "failed"
    assert event.error is not None
    assert "Traceback" in event.error
    assert len(event.body) == len(BODY)
    assert TOKEN.encode() not in event.body


def test_what_the_sender_got_wrong_is_still_refused() -> None:
    with pytest.raises(Malformed):
        SERVICE.process(inbound(b"{"), TAVUS, Credential())


def test_event_whose_look_ups_are_away_is_left_to_the_worker() -> None:
    entry = replace(TAVUS.events["system.shutdown"], handler=look_up_in_vain)
    away = replace(TAVUS, events={"system.shutdown": entry})
    here = SERVICE.process(inbound(), TAVUS, Credential())

    event = SERVICE.process_or_defer(inbound(), away, Credential())

    assert (event.state, event.event_key) == ("received", here.event_key)
    assert (event.effects, event.projections) == (Effects(), ())
    with pytest.raises(Unavailable):
        SERVICE.process(inbound(), away, Credential())


def test_event_type_that_no_column_is_to_hold_is_refused() -> None:
    def told(length: int) -> bytes:
        return b'{"id": "evt_1", "type": "%s", "data": {"object": {}}}' % (b"x" * length)

    longest = SERVICE.process(inbound(told(MAX_EVENT_TYPE)), STRIPE, Credential())

    assert longest.state == "ignored"
    with pytest.raises(Malformed, match=f"longer than {MAX_EVENT_TYPE} characters"):
        SERVICE.process(inbound(told(MAX_EVENT_TYPE + 1)), STRIPE, Credential())


def unstored(batch: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"outcome": "unstored", "known": False} for _ in batch]


def test_event_that_the_database_cannot_even_keep_goes_to_the_spool() -> None:
    kept: list[Row] = []
    event = SERVICE.process(inbound(), TAVUS, Credential())
    service = WebhookDataIngestionService(writer=Writer(unstored), keep=kept.append)

    receipt = service.store(event, inbound())

    assert (receipt.outcome, receipt.known, receipt.event_id) == ("spooled", False, None)
    assert [row["event_key"] for row in kept] == [event.event_key]


def test_event_that_is_kept_nowhere_is_to_be_sent_again() -> None:
    event = SERVICE.process(inbound(), TAVUS, Credential())

    with pytest.raises(Unavailable, match="send it again"):
        WebhookDataIngestionService(writer=Writer(unstored)).store(event, inbound())
