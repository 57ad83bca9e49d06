"""What the tests of Tavus share: samples, the walk of one payload, a database made of tuples."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from services.effects import Effects
from services.inbound import Inbound
from services.provider import EventType, Reading, Scenario, Video
from services.providers.tavus import TAVUS

FOLDER = Path(__file__).parents[2] / "services" / "samples" / "tavus"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
WEBHOOK_PATH = "/api/tavus/webhook"


@dataclass(kw_only=True)
class Rows:
    """Lookups that answer from memory, and remember what they were asked."""

    cached: tuple[Video, ...] = ()
    stored: tuple[Video, ...] = ()
    practised: Scenario | None = None
    asked: list[str] = field(default_factory=list)

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Video, ...]:
        self.asked.append("fresh videos" if fresh else "videos")
        return self.stored if fresh else self.cached

    def scenario(self, conversation_id: str) -> Scenario | None:
        self.asked.append("scenario")
        return self.practised


def sample(name: str) -> dict[str, Any]:
    """Return a sample as the processing hands it over: without the echoed callback URL."""
    payload: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return {key: value for key, value in payload.items() if key != "webhook_url"}


def read(payload: dict[str, Any], path: str = WEBHOOK_PATH) -> Reading:
    return TAVUS.read(
        Inbound(
            method="POST",
            path=path,
            query={},
            headers={},
            body=b"",
            received_at=datetime(2026, 3, 1, tzinfo=UTC),
        ),
        payload,
    )


def understand(payload: dict[str, Any], path: str = WEBHOOK_PATH) -> tuple[EventType, BaseModel]:
    reading = read(payload, path)
    entry = TAVUS.events[reading.event_type]
    return entry, entry.model.model_validate(reading.payload)


def key(payload: dict[str, Any], body: str = "b" * 64, path: str = WEBHOOK_PATH) -> str:
    entry, event = understand(payload, path)
    return entry.key(event, body)


def handle(
    payload: dict[str, Any], lookups: Rows | None = None, path: str = WEBHOOK_PATH
) -> Effects:
    entry, event = understand(payload, path)
    return entry.handler(event, lookups or Rows())
