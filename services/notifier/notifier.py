"""The worker's chore: read how it stands, judge it, and send what messages are due.

However many workers run, one of them reads at a time, and the database opens an incident once and
ends it once. A message is claimed before it is sent and marked afterwards, so it arrives at least
once; it comes twice, under the same id, when an answer was lost or a worker was killed just then.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import structlog

from services.database import Database
from services.errors import Unavailable
from services.notifier.messages import Message
from services.notifier.outage import Outage
from services.notifier.rules import judge
from services.notifier.targets import NotSent, Target
from services.notifier.thresholds import Thresholds

EVERY = 15.0
LEASE = 60.0
"""Seconds that a worker has to send a message it has claimed."""
MOST = 20
"""Messages of one turn."""
WAITS = (5.0, 15.0, 60.0, 300.0, 900.0, *(3600.0,) * 24)
"""Seconds after each failed try to send a message; then it is given up."""

log = structlog.get_logger()

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Finds incidents, and tells the targets of their beginning and end."""

    database: Database
    outage: Outage
    targets: Sequence[Target]
    thresholds: Thresholds
    realtime_limit: float
    service_url: str
    keep_days: int
    every: float = EVERY
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def work(self) -> bool:
        """Do one turn; nothing is ever left over. Raises what the database refuses."""
        try:
            # A little less: workers' turns need not meet.
            reading = self._call("read_alerts", every_seconds=self.every - 1)
            self._note_answer(reading["next_outage"])
            if "read_at" in reading:
                self._judge(reading)
            self._send_due()
        except Unavailable:
            self.outage.missed()
        return False

    def _note_answer(self, next_outage: str) -> None:
        over = self.outage.answered(next_outage)
        if over is not None:
            self._call("record_outage", outage=over)
            self.outage.forget()

    def _judge(self, reading: Row) -> None:
        verdicts = judge(reading, self.thresholds, self.realtime_limit)
        judgement = {
            "read_at": reading["read_at"],
            "targets": [target.name for target in self.targets],
            "keep_days": self.keep_days,
            "verdicts": [verdict.to_json() for verdict in verdicts],
        }
        changed = self._call("judge_alerts", judgement=judgement)
        for name in changed["began"]:
            log.warning("incident began", incident=name)
        for name in changed["ended"]:
            log.info("incident ended", incident=name)

    def _send_due(self) -> None:
        targets = {target.name: target for target in self.targets}
        for _ in range(MOST):
            if not targets:
                return
            claim = str(uuid.uuid4())
            notice = self._call(
                "claim_notice", claim=claim, targets=list(targets), lease_seconds=LEASE
            )
            if notice is None:
                return
            if not self._send(notice, targets[notice["target"]], claim):
                # One that hangs must not hold up the others, nor the next look.
                del targets[notice["target"]]

    def _send(self, notice: Row, target: Target, claim: str) -> bool:
        message = Message(
            id=notice["id"],
            kind=notice["kind"],
            at=self.now(),
            incident=notice["incident"],
            service_url=self.service_url,
        )
        entry = log.bind(target=target.name, kind=message.kind, incident=message.incident["name"])
        outcome: dict[str, Any] = {"claim": claim, "id": notice["id"]}
        try:
            target.send(message)
        except NotSent as error:
            wait = WAITS[notice["tries"] - 1] if notice["tries"] <= len(WAITS) else None
            outcome |= {"error": error.detail, "retry_seconds": wait}
            entry.warning("alert not sent", reason=error.detail, retry_seconds=wait)
        else:
            entry.info("alert sent")
        self._call("finish_notice", outcome=outcome)
        return "error" not in outcome

    def _call(self, function: str, **arguments: Any) -> Any:
        return cast(Any, self.database.call(function, arguments))
