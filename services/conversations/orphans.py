"""Conversations that run at Tavus though nobody was ever told of them: found, and ended.

Whether Tavus made a conversation is unknown when its answer never came, or when the process that
waited for the answer died. Our row's id is in the conversation's callback URL, so it can be found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import structlog

from services.clients.api import ApiRefused
from services.clients.tavus import TavusClient
from services.database import Database

EVERY = 15.0
BATCH = 20
LEASE = 120.0
FIRST_LOOK = 30.0
"""Seconds until Tavus is asked again for what was not there when it was asked at once."""
WAITS = (60.0, 300.0, 900.0)
"""Seconds between the looks after that one; then nothing can come any more."""
MOST_RUNNING = 10_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Looks for them. Any number of workers may do it at once: each look is claimed."""

    database: Database
    tavus: TavusClient

    def work(self) -> bool:
        """Look for a batch; return whether more may be due. Raises what Tavus's client raises."""
        claimed = self.database.claim_lost_conversations(BATCH, LEASE)
        if not claimed:
            return False
        running = self._running([lost["ref"] for lost in claimed])
        for lost in claimed:
            named = [lost["conversation_id"]] if lost["conversation_id"] else []
            found = {*running[lost["ref"]], *named}
            try:
                self._end(lost["ref"], found)
            except ApiRefused as error:
                # Its next look is due when the lease ends; until then the others are ended.
                log.warning("orphan not ended", row_id=lost["ref"], reason=error.detail)
            else:
                self.database.finish_look(lost["ref"], None if found else _wait(lost["looks"]))
        return len(claimed) == BATCH

    def look(self, ref: str) -> None:
        """Look for one at once; what is not found is looked for again by `work`."""
        found = self._running([ref])[ref]
        self._end(ref, found)
        if found:
            self.database.finish_look(ref, None)

    def _running(self, refs: Collection[str]) -> defaultdict[str, list[str]]:
        """Return which running conversations call back for which of these rows of ours."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        pages = self.tavus.pages("/conversations", status="active")
        for conversation in islice(pages, MOST_RUNNING):
            ref = _reference(conversation)
            conversation_id = conversation.get("conversation_id")
            if ref is not None and ref in refs and isinstance(conversation_id, str):
                found[ref].append(conversation_id)
        return found

    def _end(self, ref: str, found: Collection[str]) -> None:
        for conversation_id in found:
            end(self.tavus, conversation_id)
            log.warning("orphan ended", row_id=ref, conversation_id=conversation_id)


def end(tavus: TavusClient, conversation_id: str) -> None:
    """End a conversation at Tavus; one that is gone already counts as ended.

    Raises what Tavus's client raises.
    """
    if not conversation_id.strip("."):
        return  # no conversation's id, but a way to another address
    try:
        tavus.post(f"/conversations/{quote(conversation_id, safe='')}/end")
    except ApiRefused as error:
        if not _is_gone(error):
            raise


def _is_gone(error: ApiRefused) -> bool:
    # https://docs.tavus.io/api-reference/conversations/end-conversation
    invalid = error.vendor_status == 400 and "invalid conversation_id" in error.detail.lower()
    return invalid or error.vendor_status in (404, 410)


def _wait(looks: int) -> float | None:
    return WAITS[looks - 1] if looks <= len(WAITS) else None


def _reference(conversation: dict[str, Any]) -> str | None:
    url = conversation.get("callback_url")
    try:
        named: Sequence[str] = parse_qs(urlsplit(url).query).get("c", ()) if url else ()
    except (AttributeError, TypeError, ValueError):
        return None
    return str(named[0]).lower() if named else None
