"""events.py: a defect of ours costs no event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.effects import Effects
from services.errors import Malformed
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Credential, Provider, Reading
from services.providers.tavus import TAVUS
from tests.providers.tavus_samples import Rows

TOKEN = "a-token-of-the-test"
BODY = b'{"event_type": "system.shutdown", "conversation_id": "c1", "said": "a-token-of-the-test"}'
SERVICE = WebhookEventProcessingService(lookups=Rows())


def stumble(*_: object) -> Reading:
    raise KeyError("properties")


def stumble_later(*_: object) -> Effects:
    raise ZeroDivisionError


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
