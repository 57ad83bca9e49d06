"""The circuit breaker: after a few failures in a row nobody waits for who was called.

Closed: every call goes through. Open: every call fails at once. Half-open, once the wait is over:
one call goes through, and its end closes or opens the circuit for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Literal, TypeVar

import structlog

from services.errors import ConvohooksError, Unavailable

FAILURES = 5
SECONDS = 60.0

Answer = TypeVar("Answer")
State = Literal["closed", "open", "half-open"]

log = structlog.get_logger()


class Breaker:
    """Counts the calls in a row that nothing came back from. One per process; threads share it."""

    def __init__(
        self,
        failures: int = FAILURES,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        *,
        name: str = "Supabase",
        changed: Callable[[State], None] = lambda state: None,
    ) -> None:
        """Open after so many failures in a row, and let one call try again after the seconds.

        `name` is who is called; `changed` is told when the circuit opens and when it closes.
        """
        self._name = name
        self._failures = failures
        self._seconds = seconds
        self._clock = clock
        self._changed = changed
        self._lock = Lock()
        self._failed = 0
        self._opened_at: float | None = None
        self._is_tried = False

    @property
    def state(self) -> State:
        """The circuit now."""
        with self._lock:
            return self._state()

    def check(self) -> None:
        """Raise Unavailable unless the circuit is closed; count nothing."""
        if self.state != "closed":
            raise self._refusal()

    def check_turn(self) -> None:
        """Raise Unavailable when `call` would do so at once."""
        with self._lock:
            if self._refuses():
                raise self._refusal()

    def call(self, work: Callable[[], Answer]) -> Answer:
        """Return what `work` returns, or raise what it raises; Unavailable at once while open.

        A refusal is an answer too; Unavailable, and anything that is no error of ours, is none.
        """
        is_trial = self._admit()
        try:
            answer = work()
        except BaseException as error:
            refused = isinstance(error, ConvohooksError) and not isinstance(error, Unavailable)
            self._answered() if refused else self._missed(is_trial)
            raise
        self._answered()
        return answer

    def call_aside(self, work: Callable[[], Answer]) -> Answer:
        """Return or raise like `call`; but `work` that fails opens no circuit that was closed.

        For what is no webhook, and waits with a patience of its own.
        """
        return work() if self.state == "closed" else self.call(work)

    def _state(self) -> State:
        if self._opened_at is None:
            return "closed"
        return "open" if self._clock() < self._opened_at + self._seconds else "half-open"

    def _refuses(self) -> bool:
        state = self._state()
        return state == "open" or (state == "half-open" and self._is_tried)

    def _admit(self) -> bool:
        with self._lock:
            if self._refuses():
                raise self._refusal()
            self._is_tried = self._opened_at is not None
            return self._is_tried

    def _answered(self) -> None:
        with self._lock:
            was_open = self._opened_at is not None
            self._failed, self._opened_at, self._is_tried = 0, None, False
        if was_open:
            log.info("circuit closed", to=self._name)
            self._changed("closed")

    def _missed(self, is_trial: bool) -> None:
        with self._lock:
            # A call that began before the circuit opened says nothing new about it.
            opens = is_trial or (self._opened_at is None and self._failed + 1 >= self._failures)
            self._failed += 1
            if opens:
                self._opened_at, self._is_tried = self._clock(), False
        if opens:
            log.warning("circuit open", to=self._name, seconds=self._seconds)
            self._changed("open")

    def _refusal(self) -> Unavailable:
        return Unavailable(f"{self._name} has not answered for a while; it is tried again soon.")
