"""Has a better analyzer read what the rules have scored, one transcript at a time.

Any number of workers may do it, on any hosts: a claim is a lease, and only who holds it can finish.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from services import effects as effects_as
from services.database import Database
from services.effects import Feedback, Message
from services.errors import ConvohooksError
from services.feedback import Analyzer
from services.provider import Scenario

EVERY = 5.0
"""Seconds between two looks for a new transcript, once none was left."""
WAITS = (30.0, 120.0, 600.0, 3600.0)
"""Seconds after each failed reading; after the last the scores by rules stay."""
MARGIN = 30.0
"""Seconds of a lease beside those that the analyzer may wait."""
MAX_ERROR = 500

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Reads transcripts again. `lease` is longer than a reading may take."""

    database: Database
    analyzer: Analyzer
    lease: float

    def analyze(self) -> bool:
        """Read one transcript; return whether there was one. Raises Unavailable."""
        claim = str(uuid.uuid4())
        claimed = self.database.claim_analyses(claim, 1, self.lease)
        for waiting in claimed:
            outcome = self._read(claim, waiting)
            log.info("feedback", conversation=waiting["id"], outcome=outcome)
        return bool(claimed)

    def _read(self, claim: str, waiting: dict[str, Any]) -> str:
        if waiting["tries"] > len(WAITS) + 1:
            # It was claimed again and again and nobody came back to tell why.
            return self._fail(claim, waiting, "The last reading never ended.")
        try:
            feedback = self.analyzer.analyze(_messages(waiting), _scenario(waiting))
        except ConvohooksError as error:
            return self._fail(claim, waiting, error.detail)
        except Exception as error:  # a transcript that trips us must not be read for ever
            log.exception("feedback failed", conversation=waiting["id"])
            return self._fail(claim, waiting, type(error).__name__)
        if feedback is None:
            return self._fail(claim, {**waiting, "tries": len(WAITS) + 1}, "Nothing was said.")
        return self.database.finish_analysis(claim, waiting["id"], _as_json(feedback))

    def _fail(self, claim: str, waiting: dict[str, Any], error: str) -> str:
        wait = next(iter(WAITS[waiting["tries"] - 1 :]), None)
        log.warning("no feedback", conversation=waiting["id"], reason=error, retry_seconds=wait)
        return self.database.fail_analysis(claim, waiting["id"], error[:MAX_ERROR], wait)


def _messages(waiting: dict[str, Any]) -> list[Message]:
    """Return the stored lines, those too that somebody else stored oddly."""
    lines = waiting["transcript"]
    return [
        Message(role=str(line.get("role") or ""), content=str(line.get("content") or ""))
        if isinstance(line, dict)
        else Message(role="", content="")
        for line in (lines if isinstance(lines, list) else [])
    ]


def _scenario(waiting: dict[str, Any]) -> Scenario | None:
    told = waiting["scenario"]
    return Scenario(**told) if told else None


def _as_json(feedback: Feedback) -> dict[str, Any]:
    told: dict[str, Any] = effects_as.to_json(feedback)
    return told
