"""A process tells of itself every few seconds: that it lives, how it is, what it has counted."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from services.errors import ConvohooksError
from services.outage.breaker import Breaker
from services.outage.spool import Spool
from services.telemetry.tally import Tally

EVERY = 10.0
LAST = 3.0
"""Seconds that the last report may take."""

Kind = Literal["web", "worker"]
Facts = Mapping[str, Any]

log = structlog.get_logger()


class Reporter:
    """Reports from a thread of its own; while Supabase is away the counts wait in the tally."""

    def __init__(
        self,
        report: Callable[[Facts], object],
        *,
        kind: Kind,
        tally: Tally,
        facts: Callable[[], Facts],
        every: float = EVERY,
    ) -> None:
        """Take what sends a report; it may raise. No thread starts before `start`."""
        self._report = report
        self._kind = kind
        self._tally = tally
        self._facts = facts
        self._every = every
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: Facts = {}
        self._complaint: str | None = None

    def start(self) -> None:
        """Start reporting, as a process of its own name: not before a fork."""
        self._process = {
            "process_id": str(uuid.uuid4()),
            "kind": self._kind,
            "host": socket.gethostname(),
            "started_at": datetime.now(UTC).isoformat(),
        }
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Report for the last time, that it has ended; wait a little for that."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(LAST)

    def _run(self) -> None:
        self._tell()
        while not self._stopping.wait(self._every):
            self._tell()
        self._tell(ended=True)

    def _tell(self, *, ended: bool = False) -> None:
        rows = self._tally.take()
        try:
            report = {**self._process, "facts": self._facts(), "minutes": rows, "ended": ended}
            self._report(report)
        except ConvohooksError as error:
            self._keep(rows, error.detail)
        except Exception:  # a defect here must not end the reports
            log.exception("report failed")
            self._tally.put_back(rows)
        else:
            self._complaint = None

    def _keep(self, rows: list[dict[str, Any]], reason: str) -> None:
        self._tally.put_back(rows)
        if reason != self._complaint:
            log.warning("reports wait", reason=reason)
            self._complaint = reason


def facts_of(breaker: Breaker | None, spool: Spool | None) -> Facts:
    """Return how a process's circuit and spool are; what it has not, or cannot read, is missing."""
    circuit = {"breaker": breaker.state} if breaker else {}
    if spool is None:
        return circuit
    try:
        counts = spool.count()
        return {
            **circuit,
            "spooled": counts.spooled,
            "unsendable": counts.unsendable,
            "spool_bytes": spool.used_bytes(),
        }
    except ConvohooksError:
        return {**circuit, "spooled": None, "unsendable": None, "spool_bytes": None}
