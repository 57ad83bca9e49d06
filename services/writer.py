"""Group commit: events that arrive while a commit is in flight go together in the next one.

A lone event waits for nobody. Under load one round trip carries up to 64 events, which is what
makes storing before answering affordable.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Event, Lock, Thread
from typing import Any

from services.database import DatabaseRefused
from services.errors import ConvohooksError, Unavailable
from services.outage.breaker import Breaker
from services.telemetry import tracing

MAX_EVENTS = 64
MAX_BYTES = 1_000_000
COMMITS_IN_FLIGHT = 2
PATIENCE = 5.0
"""Seconds that a request waits for its event to be committed."""

Row = Mapping[str, Any]
Result = dict[str, Any]


class _Waiting:
    """An event on its way to the database, and the request that waits for it."""

    __slots__ = ("committed", "deadline", "error", "result", "row", "size", "trace")

    def __init__(self, row: Row, size: int, deadline: float) -> None:
        self.row = row
        self.size = size
        self.deadline = deadline
        self.trace = tracing.here()
        self.committed = Event()
        self.result: Result = {}
        self.error: Exception | None = None

    def finish(self, result: Result | None = None, error: Exception | None = None) -> None:
        self.result, self.error = result or {}, error
        self.committed.set()


class Writer:
    """Commits events in batches. Threads only, so that gevent and gthread workers both carry it."""

    def __init__(
        self,
        receive_events: Callable[[Sequence[Row]], list[Result]],
        *,
        breaker: Breaker | None = None,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the function that stores a batch; no thread starts before the first event."""
        self._receive_events = receive_events
        self._breaker = breaker or Breaker()
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._queue: deque[_Waiting] = deque()
        self._arrived = Condition(Lock())
        self._committers: list[Thread] = []

    def submit(self, row: Row, size: int) -> Result:
        """Store one event of `size` bytes and return what `receive_events` says of it.

        Raises Unavailable when it was not committed, or nobody can tell, within the patience;
        at once while the circuit is open.
        """
        self._breaker.check_turn()
        waiting = _Waiting(row, size, self._clock() + self._patience)
        with self._arrived:
            self._start()
            self._queue.append(waiting)
            self._arrived.notify()
        if not waiting.committed.wait(self._patience):
            self._withdraw(waiting)
            raise Unavailable("The event was not committed in time; send it again.")
        if waiting.error is not None:
            raise waiting.error
        return waiting.result

    def commit(self, rows: Sequence[Row]) -> list[Result | Exception]:
        """Store rows in the caller's thread, trying once; return an answer or an error for each."""
        batch = [_Waiting(row, 0, self._clock()) for row in rows]
        self._commit(batch)
        return [waiting.error or waiting.result for waiting in batch]

    def is_reachable(self) -> bool:
        """Whether Supabase takes events now: an empty batch tells."""
        try:
            self._breaker.call(lambda: self._receive_events([]))
        except ConvohooksError:
            return False
        return True

    def _start(self) -> None:
        # Not in __init__: gunicorn may fork after it, and a fork keeps no threads.
        while len(self._committers) < COMMITS_IN_FLIGHT:
            committer = Thread(target=self._run, name="committer", daemon=True)
            self._committers.append(committer)
            committer.start()

    def _withdraw(self, waiting: _Waiting) -> None:
        with self._arrived:
            if waiting in self._queue:
                self._queue.remove(waiting)

    def _run(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._queue)
            time.sleep(0)  # whoever has an event ready by now comes along
            with self._arrived:
                batch = self._take()
            if batch:
                self._commit(batch)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < MAX_EVENTS:
            size += self._queue[0].size
            if batch and size > MAX_BYTES:
                break
            batch.append(self._queue.popleft())
        return batch

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            results = self._breaker.call(lambda: self._receive_patiently(batch))
            answered = list(zip(batch, results, strict=True))
        except DatabaseRefused as error:
            self._commit_apart(batch, error)
        except Exception as error:  # whatever it is, nobody may be left waiting
            for waiting in batch:
                waiting.finish(error=error)
        else:
            for waiting, result in answered:
                waiting.finish(result)

    def _receive_patiently(self, batch: list[_Waiting]) -> list[Result]:
        """Send the batch again while Supabase is away and somebody still waits for it."""
        pause = 0.05
        traces = [waiting.trace for waiting in batch]
        while True:
            try:
                with tracing.span("commit", links=traces, events=len(batch)):
                    return self._receive_events([waiting.row for waiting in batch])
            except Unavailable:
                if self._clock() + pause >= max(waiting.deadline for waiting in batch):
                    raise
                self._sleep(pause)
                pause = min(pause * 2, 1.0)

    def _commit_apart(self, batch: list[_Waiting], error: ConvohooksError) -> None:
        """One row that PostgREST refuses fails its whole batch; alone, only itself."""
        if len(batch) > 1:
            for waiting in batch:
                self._commit([waiting])
        elif "effects" in batch[0].row:
            # Better kept without its effects, to be handled again, than not kept.
            batch[0].row = _without_effects(batch[0].row, error.detail)
            self._commit(batch)
        else:
            batch[0].finish(error=Unavailable("The event could not be stored; send it again."))


def _without_effects(row: Row, reason: str) -> Row:
    kept = {name: row[name] for name in row.keys() - {"effects", "projections"}}
    return {**kept, "state": "failed", "error": reason}
