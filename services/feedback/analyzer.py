"""What every analyzer of transcripts is: a name, and a way from transcript to feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.effects import Feedback, Message
from services.provider import Scenario


class Analyzer(Protocol):
    """Reads transcripts. `name` is what it signs its feedback with."""

    @property
    def name(self) -> str:
        """Return what the column `analyzer` says."""

    def analyze(self, transcript: Sequence[Message], scenario: Scenario | None) -> Feedback | None:
        """Return feedback on what the user said; None for an empty transcript."""
