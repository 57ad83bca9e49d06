"""What a stored event does, found out by its handler once more: nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services import effects as effects_as
from services.effects import Json
from services.errors import ConvohooksError
from services.events import WebhookEventProcessingService
from services.inbox.inbox import as_received
from services.provider import Credential, Provider

NO_BODY = "Its body was removed for its age."


@dataclass(frozen=True, slots=True, kw_only=True)
class Retelling:
    """The effects as JSON, or why there are none."""

    effects: Json = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retellings:
    """Runs the handlers of events that are in the inbox."""

    events: WebhookEventProcessingService
    providers: Sequence[Provider]

    def of(self, row: Mapping[str, Any]) -> Retelling:
        """Return what the handler of an event, as `show_event` gives it, writes."""
        if row["pruned_at"] is not None:
            return Retelling(error=NO_BODY)
        provider = next((p for p in self.providers if p.name == row["source"]), None)
        if provider is None:
            return Retelling(error=f"No provider is named {row['source']!r}.")
        try:
            event = self.events.process(as_received(row), provider, Credential())
        except ConvohooksError as error:
            return Retelling(error=error.detail)
        if event.error is not None:
            return Retelling(error=event.error)
        rows = {"effects": event.effects, "projections": event.projections}
        told = {name: effects_as.to_json(value) for name, value in rows.items()}
        return Retelling(effects={**told["effects"], "projections": told["projections"]})
