"""For when Supabase is away: nothing can be read then, and workers have nowhere to agree.

Each host tells of it once, its workers and their restarts by a note on the disk; all that have seen
Supabase since the outage before call it by the same id. Afterwards it is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog

from services.notifier.messages import Message
from services.notifier.note import Away, Note
from services.notifier.targets import NotSent, Target

NAME = "database_away"
TITLE = "The worker cannot reach Supabase"
DETAIL = (
    "Nothing that failed is tried again, and nothing else can be watched. "
    "Calls are spooled, or refused where there is no spool."
)
MISSES = 3
"""How often in a row it must not have answered."""
STEADY = timedelta(seconds=30)
"""How long it must have answered until the outage is over."""
WAITS = (5.0, 15.0, 60.0, 300.0)
"""Seconds between tries to tell a target; the last one again and again."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Outage:
    """Watches whether Supabase answers; for one thread. With `after` 0 nobody is told."""

    targets: Sequence[Target]
    after: float
    service_url: str
    note: Note
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _next_id: str | None = None
    _away: Away | None = None
    _misses: int = 0
    _missed_at: datetime | None = None
    _answers_since: datetime | None = None
    _tries: dict[str, int] = field(default_factory=dict)
    _due: dict[str, datetime] = field(default_factory=dict)

    def missed(self) -> None:
        """Note that Supabase did not answer; once that is long enough, tell each target once."""
        now = self.now()
        away = self._away or self._begin(now)
        self._misses, self._missed_at, self._answers_since = self._misses + 1, now, None
        if self._misses >= MISSES and self._is_long(away, now):
            away = self.note.change(away, lambda noted: self._tell(noted, now))
        self._away = away

    def answered(self, next_id: str) -> Mapping[str, Any] | None:
        """Note that it answered, and what it calls its next outage.

        Return the outage that is over with this, as `record_outage` takes it; `forget` it then.
        """
        # One that was told before a restart is ours to end.
        away = self._away or self.note.read()
        if away is None:
            self._next_id = next_id
            return None
        self._away, self._misses = away, 0
        since = self._answers_since = self._answers_since or self.now()
        if not away.told and not self._is_long(away, self._missed_at or since):
            self.forget()
            self._next_id = next_id
            return None
        if self.now() - since < STEADY:
            return None
        return {**self._incident(away, since), "told": list(away.told)}

    def forget(self) -> None:
        """The outage is written down, or was too short to speak of."""
        log.info("supabase back")
        self._away = self._answers_since = self._missed_at = self._next_id = None
        self._misses = 0
        self._tries.clear()
        self._due.clear()
        self.note.remove()

    def _begin(self, now: datetime) -> Away:
        away = Away(id=self._next_id or str(uuid4()), began_at=now.isoformat())
        log.warning("supabase away", outage_id=away.id)
        return away

    def _is_long(self, away: Away, until: datetime) -> bool:
        return 0 < self.after <= (until - away.began).total_seconds()

    def _tell(self, away: Away, now: datetime) -> Away:
        for target in self.targets:
            is_due = now >= self._due.get(target.name, now)
            if target.name not in away.told and is_due and self._send(target, away, now):
                away = replace(away, told=(*away.told, target.name))
        return away

    def _send(self, target: Target, away: Away, now: datetime) -> bool:
        message = Message(
            id=f"{away.id}-{target.name}",
            kind="began",
            at=now,
            incident=self._incident(away, None),
            service_url=self.service_url,
        )
        try:
            target.send(message)
        except NotSent as error:
            tries = self._tries[target.name] = self._tries.get(target.name, 0) + 1
            wait = WAITS[min(tries, len(WAITS)) - 1]
            self._due[target.name] = now + timedelta(seconds=wait)
            log.warning("alert not sent", target=target.name, kind="began", reason=error.detail)
            return False
        log.info("alert sent", target=target.name, kind="began", incident=NAME)
        return True

    def _incident(self, away: Away, ended_at: datetime | None) -> dict[str, Any]:
        return {
            "id": away.id,
            "name": NAME,
            "severity": "critical",
            "title": TITLE,
            "detail": DETAIL,
            "figures": {"threshold": self.after},
            "began_at": away.began_at,
            "ended_at": ended_at.isoformat() if ended_at else None,
        }
