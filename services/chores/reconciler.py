"""Heals what lost callbacks left open: asks Tavus what happened, and takes it in like a callback.

https://docs.tavus.io/api-reference/conversations/get-conversation (`verbose=true` has the events)
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import structlog

from services import redaction
from services.chores.reconciled_events import (
    PATH,
    end_of,
    events_of,
    is_recognisable,
    unknown_end,
    without_echoes,
)
from services.clients.api import ApiRefused
from services.clients.tavus import TavusClient
from services.database import Database
from services.errors import BadGateway, ConvohooksError, Malformed
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.provider import Credential
from services.providers.tavus import TAVUS
from services.providers.tavus.fields import moment
from services.writer import Writer

EVERY = 10.0
"""Seconds between two looks for a conversation that is due, once none was left."""
LEASE = 180.0
"""Longer than Tavus's answer can take, with the repeats of a read."""
GIVE_UP_ENDED = 24 * 3600.0
"""Seconds after which what is missing from an ended conversation is given up."""
GIVE_UP_OTHERS = 30 * 24 * 3600.0
"""Seconds after which one is given up that Tavus still calls active, or never answered for."""

ENDS = frozenset({"system.shutdown", "conversation.ended"})
OK = 200
GONE = frozenset({400, 404, 410})
LOGGED = ("conversation_id", "told", "outcome", "new", "duplicates", "left_out", "error")

Json = Any
Told = Literal["active", "ended", "unknown"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of asking for one conversation.

    `outcome` is complete, waiting (for the next look), given up, or lost (somebody else asks).
    """

    conversation_id: str
    told: str
    outcome: str
    new: int = 0
    duplicates: int = 0
    left_out: int = 0
    """Events that could not be read, or not be told from their own callback."""
    error: str | None = None
    is_away: bool = False
    """Whether the error will befall the next conversation too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Asks for one conversation at a time; any number may run, for a claim is a lease."""

    database: Database
    tavus: TavusClient
    events: WebhookEventProcessingService
    writer: Writer
    after: float
    secrets: Callable[[uuid.UUID], tuple[str, ...]] = field(default=lambda ref: ())
    """What nothing may store of a conversation, by our row's id."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def work(self) -> bool:
        """Ask for the longest due conversation; return whether there was one.

        Raises BadGateway for an answer that is none: the next look can wait a moment.
        """
        look = self._next({})
        if look is None:
            return False
        log.info("reconciled", **{name: getattr(look, name) for name in LOGGED})
        if look.error:
            raise BadGateway(look.error)
        return True

    def reconcile(self, conversation: str) -> Look | None:
        """Ask for one conversation, by its id or our row's; None when there is none."""
        return self._next({"conversation": conversation})

    def reconcile_all(self) -> Iterator[Look]:
        """Ask for every conversation that lacks something and is old enough, each once.

        It ends early when Tavus cannot be asked.
        """
        wanted = {"before": self.database.describe_schema()["now"]}
        while (look := self._next(wanted)) is not None:
            yield look
            if look.is_away:
                return

    def _next(self, wanted: Mapping[str, Json]) -> Look | None:
        claim = {"claim": str(uuid.uuid4()), "after_seconds": self.after}
        found = self.database.claim_reconciliation({**wanted, **claim, "lease_seconds": LEASE})
        if found is None:
            return None
        try:
            told, counts = self._look(found, is_asked=bool(wanted))
        except ConvohooksError as error:
            is_away = not isinstance(error, ApiRefused) or error.vendor_status >= 500
            return self._finished(
                claim, found, "failed", GIVE_UP_OTHERS, error=error.detail, is_away=is_away
            )
        give_up = GIVE_UP_OTHERS if told == "active" else GIVE_UP_ENDED
        return self._finished(claim, found, told, give_up, **counts)

    def _look(self, found: Mapping[str, Json], is_asked: bool) -> tuple[Told, dict[str, int]]:
        try:
            return self._looked(found, is_asked)
        except RecursionError:
            raise ApiRefused("Tavus's answer is nested too deeply.", OK) from None

    def _looked(self, found: Mapping[str, Json], is_asked: bool) -> tuple[Told, dict[str, int]]:
        answer = self._ask(found["conversation_id"])
        if answer is None:
            is_late = found["age_seconds"] >= GIVE_UP_ENDED and not found["is_over"]
            return "unknown", self._take_in(found, [unknown_end()] if is_late else [])
        events = list(events_of(answer))
        if answer["status"].lower() != "ended":
            return "active", self._take_in(found, events)
        lacks_end = not found["has_end"] and not any(e["event_type"] in ENDS for e in events)
        # The callback may be on its way, and tells more.
        if lacks_end and (is_asked or self._is_old(answer.get("updated_at"))):
            events.append(end_of(answer))
        return "ended", self._take_in(found, events)

    def _is_old(self, told: Json) -> bool:
        at = moment(told)
        return at is None or (self.now() - at).total_seconds() >= self.after

    def _ask(self, conversation_id: str) -> dict[str, Json] | None:
        """Return what Tavus tells of a conversation, None when it knows none. Raises BadGateway."""
        path = f"/conversations/{quote(conversation_id, safe='')}"
        try:
            answer = self.tavus.get(path, verbose="true")
        except ApiRefused as error:
            if error.vendor_status in GONE:
                return None
            raise
        told = answer.get("status") if isinstance(answer, dict) else None
        if not isinstance(told, str) or answer.get("conversation_id") not in (
            None,
            conversation_id,
        ):
            raise ApiRefused("Tavus told of no such conversation in its answer.", OK)
        return dict(answer)

    def _take_in(self, found: Mapping[str, Json], events: list[dict[str, Json]]) -> dict[str, int]:
        """Store events as callbacks are; return how many were new. Raises what the writer does."""
        rows = [row for event in events if (row := self._row(found, event)) is not None]
        counts = {"new": 0, "duplicates": 0, "left_out": len(events) - len(rows)}
        for result in self.writer.commit(rows) if rows else []:
            if isinstance(result, Exception):
                raise result
            if result["outcome"] == "unstored":
                raise ApiRefused(f"An event could not be stored: {result.get('error')}", OK)
            counts["duplicates" if result["outcome"] == "duplicate" else "new"] += 1
        return counts

    def _row(self, found: Mapping[str, Json], event: dict[str, Json]) -> dict[str, Json] | None:
        """Return an event as `receive_events` takes it; None for one that is left out."""
        credential = Credential(secrets=self.secrets(uuid.UUID(found["id"])))
        told = {**without_echoes(event), "conversation_id": found["conversation_id"]}
        body = json.dumps(redaction.mask_payload(told, credential.secrets), sort_keys=True)
        inbound = Inbound(
            method="GET",
            path=PATH,
            query={},
            headers={"content-type": "application/json", "user-agent": "Convohooks reconcile"},
            body=body.encode("utf-8", "surrogatepass"),
            received_at=self.now(),
        )
        try:
            read = self.events.process_or_defer(inbound, TAVUS, credential)
        except Malformed:
            return None
        return row_of(read, inbound) if is_recognisable(read) else None

    def _finished(
        self,
        claim: Mapping[str, Json],
        found: Mapping[str, Json],
        told: str,
        give_up: float,
        **counts: Any,
    ) -> Look:
        conversation_id = found["conversation_id"]
        outcome = self.database.finish_reconciliation(
            {
                **claim,
                "conversation_id": conversation_id,
                "give_up_seconds": give_up,
                "answered": "error" not in counts,
                "result": counts.get("error") or told,
            }
        )
        return Look(conversation_id=conversation_id, told=told, outcome=outcome, **counts)
