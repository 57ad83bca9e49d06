"""Writes down the attempts that have ended, those of a few milliseconds in one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import structlog

from services.errors import ConvohooksError, Unavailable
from services.outgoing.attempt import Attempt, Claimed
from services.outgoing.clock import DatabaseClock

GATHER = 0.005
"""Seconds to wait for others that end about now."""
MOST = 100
AWAY = 1.0
"""Seconds between two tries while Supabase cannot be reached."""

log = structlog.get_logger()


class Finishes(Protocol):
    """Where attempts are written down."""

    def finish(
        self, batch: Sequence[Mapping[str, Any]], disable_after: float, seen: dict[str, Any] | None
    ) -> list[dict[str, Any]]:
        """Return {id, outcome, disabled} of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt that has ended, and until when (monotonic) its claim holds."""

    delivery: Claimed
    claim: str
    held_until: float
    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Finisher:
    """Works in a thread of its own. While Supabase is away it tries again until the leases end.

    `finished` is set each time that something was written down: more may be due by that.
    """

    store: Finishes
    disable_after: float
    clock: DatabaseClock = field(default_factory=DatabaseClock)
    finished: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _queue: SimpleQueue[Ended | None] = field(default_factory=SimpleQueue)

    def put(self, ended: Ended) -> None:
        """Have an attempt written down soon."""
        self._queue.put(ended)

    def start(self) -> threading.Thread:
        """Start writing down, until `stop`."""
        thread = threading.Thread(target=self.run, name="finisher", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End once all that was put is written down, or could not be."""
        self._stopping.set()
        self._queue.put(None)

    def run(self) -> None:
        """Write down until stopped."""
        goes_on = True
        while goes_on:
            batch = list(self._gather())
            goes_on = None not in batch
            try:
                self._write([ended for ended in batch if ended])
            except Exception:  # a defect in one batch must not end the others
                log.exception("deliveries not written down")

    def _gather(self) -> Iterator[Ended | None]:
        """Wait for the first, then take what else is there within a few milliseconds."""
        yield self._queue.get()
        until = time.monotonic() + GATHER
        for _ in range(MOST - 1):
            try:
                yield self._queue.get(timeout=max(until - time.monotonic(), 0))
            except Empty:
                return

    def _write(self, batch: Sequence[Ended]) -> None:
        while batch:
            try:
                rows = [_row(ended) for ended in batch]
                answers = self.store.finish(rows, self.disable_after, self.clock.seen())
            except Unavailable as error:
                batch = self._still_held(batch, error.detail)
            except ConvohooksError as error:
                return self._apart(batch, error.detail)
            else:
                self.finished.set()
                return _tell(batch, answers)

    def _still_held(self, batch: Sequence[Ended], reason: str) -> Sequence[Ended]:
        """Wait a little; return what is worth another try. The rest is sent again by and by."""
        log.warning("deliveries not written down", amount=len(batch), reason=reason)
        if self._stopping.wait(AWAY):
            return ()
        now = time.monotonic()
        return [ended for ended in batch if ended.held_until > now]

    def _apart(self, batch: Sequence[Ended], reason: str) -> None:
        """Write down one by one what was refused together."""
        if len(batch) == 1:
            log.error(
                "delivery not written down", delivery_id=batch[0].delivery["id"], reason=reason
            )
            return
        for ended in batch:
            self._write([ended])


def _row(ended: Ended) -> dict[str, Any]:
    return {"id": ended.delivery["id"], "claim": ended.claim, **asdict(ended.attempt)}


def _tell(batch: Sequence[Ended], answers: Sequence[Mapping[str, Any]]) -> None:
    by_id = {answer["id"]: answer for answer in answers}
    for ended in batch:
        delivery, answer = ended.delivery, by_id.get(ended.delivery["id"], {})
        log.info(
            "delivery",
            endpoint_id=delivery["endpoint_id"],
            delivery_id=delivery["id"],
            webhook_id=delivery["webhook_id"],
            event_type=delivery["event_type"],
            attempt=delivery["attempt"],
            status=ended.attempt.status,
            ms=round(ended.attempt.duration_ms),
            outcome=answer.get("outcome"),
        )
        if answer.get("disabled"):
            log.warning(
                "endpoint disabled",
                endpoint_id=delivery["endpoint_id"],
                reason=answer["disabled"],
            )
