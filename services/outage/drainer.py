"""Sends what the spool holds as soon as Supabase is back."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import structlog

from services.errors import ConvohooksError, TakesNothing
from services.outage.spool import Spool, Spooled
from services.writer import MAX_BYTES, MAX_EVENTS, Result, Row, Writer

IDLE = 1.0
"""Seconds between two looks while nothing waits or Supabase is away."""
MAX_TRIES = 10
"""A row that failed so often while Supabase took others is set aside."""
MAX_ERROR = 4000

log = structlog.get_logger()


class Drainer:
    """Drains the spool from a thread of its own; of all processes on a host one does at a time.

    A row is removed after Supabase has answered for it, so a crash between the two sends it
    twice, and `receive_events` takes it once.
    """

    def __init__(self, spool: Spool, writer: Writer, *, idle: float = IDLE) -> None:
        """Take the spool and the way out of it; no thread starts before `start` or `keep`."""
        self._spool = spool
        self._writer = writer
        self._idle = idle
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._complaint: str | None = None

    def keep(self, row: Row) -> None:
        """Put a row into the spool and see that it leaves it; raises what `Spool.put` raises."""
        self._spool.put(row)
        self.start()

    def start(self) -> None:
        """Start draining, unless that has been done in this process."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self.run, name="drainer", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop after the batch in hand; the rest stays in the spool."""
        self._stopping.set()

    def run(self) -> None:
        """Drain until stopped."""
        while not self._stopping.is_set():
            self._stopping.wait(0 if self._drain_or_complain() else self._idle)

    def drain(self) -> bool:
        """Send one batch; return whether it is worth going on at once. Raises SpoolBroken."""
        with self._spool.claimed() as ours:
            batch = self._spool.take(MAX_EVENTS, MAX_BYTES) if ours else []
            return bool(batch) and self._send(batch)

    def _drain_or_complain(self) -> bool:
        goes_on, complaint = False, None
        try:
            goes_on = self.drain()
        except ConvohooksError as error:
            complaint = error.detail
        if complaint and complaint != self._complaint:
            log.error("spool", error=complaint)
        self._complaint = complaint
        return goes_on

    def _send(self, batch: Sequence[Spooled]) -> bool:
        answers = self._writer.commit([spooled.row for spooled in batch])
        settled: list[int] = []
        missed: list[tuple[Spooled, Exception]] = []
        hopeless: list[tuple[Spooled, str]] = []
        for spooled, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                missed.append((spooled, answer))
            elif answer["outcome"] == "unstored":
                hopeless.append((spooled, str(answer.get("error"))))
            else:
                settled.append(spooled.id)
                _log_drained(spooled, answer)
        self._spool.remove(settled)
        # Afterwards: a full spool has no room for their copies before.
        for spooled, reason in hopeless:
            self._give_up(spooled, reason)
        # It answers an empty batch, and takes nothing: that is no row's fault.
        takes_nothing = any(isinstance(error, TakesNothing) for _, error in missed)
        if missed and not takes_nothing and self._writer.is_reachable():
            self._blame(missed)
            # The next time they go one by one, and what is good among them leaves at once.
            return len(batch) > 1
        return len(missed) < len(batch)

    def _blame(self, missed: Sequence[tuple[Spooled, Exception]]) -> None:
        """Count a try of rows that Supabase does not take although it takes others."""
        self._spool.postpone([spooled.id for spooled, _ in missed])
        for spooled, error in missed:
            if spooled.tries + 1 >= MAX_TRIES:
                self._give_up(spooled, str(error))

    def _give_up(self, spooled: Spooled, error: str) -> None:
        self._spool.set_aside(spooled.id, error[:MAX_ERROR])
        log.error("unsendable", **_named(spooled), error=error[:MAX_ERROR])


def _log_drained(spooled: Spooled, answer: Result) -> None:
    if answer["outcome"] == "forbidden":
        # Its token is another conversation's; only the database could tell.
        log.warning("dropped", **_named(spooled), reason="forbidden")
    else:
        log.info("drained", **_named(spooled), event_id=answer.get("id"), outcome=answer["outcome"])


def _named(spooled: Spooled) -> dict[str, Any]:
    names = ("source", "event_type", "conversation_id")
    kept = spooled.row.get("headers") or {}
    return {
        "spool_id": spooled.id,
        "request_id": kept.get("x-request-id"),
        **{name: spooled.row.get(name) for name in names},
    }
