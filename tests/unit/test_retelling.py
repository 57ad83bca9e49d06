"""retelling.py: what the handler of a stored event would write, or the reason why nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from services.errors import Unavailable
from services.events import WebhookEventProcessingService
from services.inbox.retelling import Retellings
from services.provider import Provider
from services.providers.tavus import TAVUS
from tests.in_process import PATH, UTTERANCE, failing
from tests.providers.tavus_samples import Rows

BODY = {
    "event_type": UTTERANCE,
    "conversation_id": "c-1",
    "seq": 1,
    "properties": {"role": "user", "speech": "Good morning."},
}
ROW: dict[str, Any] = {
    "source": "tavus",
    "path": PATH,
    "headers": {},
    "body": b64encode(json.dumps(BODY).encode()).decode(),
    "received_at": "2026-03-01T00:00:00+00:00",
    "pruned_at": None,
}


def retellings(provider: Provider) -> Retellings:
    events = WebhookEventProcessingService(lookups=Rows())
    return Retellings(events=events, providers=[provider])


def test_event_is_retold_as_what_it_writes() -> None:
    told = retellings(TAVUS).of(ROW)

    assert told.error is None
    assert told.effects["messages"][0]["content"] == "Good morning."
    assert [row["event_type"] for row in told.effects["projections"]] == [UTTERANCE]


def test_event_that_its_handler_stumbles_over_tells_where() -> None:
    told = retellings(failing(KeyError("properties"))).of(ROW)

    assert told.effects is None
    assert "KeyError: 'properties'" in str(told.error)


def test_event_that_cannot_be_retold_now_tells_why() -> None:
    told = retellings(failing(Unavailable("Supabase is away."))).of(ROW)

    assert (told.effects, told.error) == (None, "Supabase is away.")
