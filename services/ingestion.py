"""From events to rows: what is sent to `receive_events`, and what it answers."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services import effects as effects_as
from services import redaction, security
from services.errors import Malformed, Unavailable
from services.events import Event, kept_headers
from services.inbound import Inbound
from services.provider import Credential, Provider
from services.writer import Result, Row, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an event. `known` says whether its conversation has a row."""

    outcome: str
    known: bool
    event_id: str | None = None
    event_type: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDataIngestionService:
    """Commits events; `keep` spools one that cannot be committed now, where there is a spool.

    When it returns, the event is in the database or on the disk.
    """

    writer: Writer
    keep: Callable[[Row], None] | None = None

    def store(self, event: Event, inbound: Inbound) -> Receipt:
        """Store an event with all its effects. Raises Unavailable when it is kept nowhere."""
        row = row_of(event, inbound)
        result = self._submit(row, len(row["body"]) * 2)
        return Receipt(
            outcome=result["outcome"],
            known=result["known"],
            event_id=result.get("id"),
            event_type=event.event_type,
            conversation_id=event.conversation_id,
        )

    def reject(
        self, inbound: Inbound, provider: Provider, credential: Credential, reason: Malformed
    ) -> None:
        """Keep a call that was authentic but could not be read. Raises Unavailable like `store`."""
        row = _rejected_row(inbound, provider, credential, reason)
        self._submit(row, len(row["body"]))

    def _submit(self, row: Row, size: int) -> Result:
        try:
            result = self.writer.submit(row, size)
            if result["outcome"] == "unstored":
                raise Unavailable("The event could not be stored; send it again.")
        except Unavailable:
            if self.keep is None:
                raise
            self.keep(row)
            return {"outcome": "spooled", "known": False}
        return result


def row_of(event: Event, inbound: Inbound) -> dict[str, Any]:
    """Return an event as `receive_events` takes it."""
    optional = {
        "conversation_id": event.conversation_id,
        "conversation_ref": event.conversation_ref and str(event.conversation_ref),
        "error": event.error,
        "effects": effects_as.to_json(event.effects) if event.state == "processed" else None,
    }
    return {
        "source": event.source,
        "event_key": event.event_key,
        "event_type": event.event_type,
        "path": inbound.path,
        "body": b64encode(event.body).decode(),
        "body_sha256": event.body_sha256,
        "headers": dict(event.headers),
        "state": event.state,
        "projections": effects_as.to_json(event.projections),
        "received_at": inbound.received_at.isoformat(),
        "duration_ms": (time.time() - inbound.received_at.timestamp()) * 1000,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _rejected_row(
    inbound: Inbound, provider: Provider, credential: Credential, reason: Malformed
) -> dict[str, Any]:
    try:
        parsed: Any = provider.parse(inbound)
    except Malformed:
        parsed = None
    return {
        "source": provider.name,
        "path": inbound.path,
        "rejected": reason.detail,
        "body": b64encode(redaction.mask_body(inbound.body, parsed, credential.secrets)).decode(),
        "body_sha256": security.sha256_hex(inbound.body),
        "headers": kept_headers(inbound),
    }
