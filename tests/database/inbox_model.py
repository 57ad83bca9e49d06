"""What the inbox should hold, said as plainly as can be: a dict of events and five small rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.retry import WAITS

OPEN = ("received", "failed")


@dataclass(slots=True)
class Stored:
    """An acknowledged event."""

    key: str
    conversation: str | None
    state: str
    attempts: int = 1
    before: int = 0
    failures: int = 0
    is_due: bool = False
    claim: str | None = None
    is_old: bool = False
    is_pruned: bool = False
    waiting: str | None = None
    """The kind of the effects that wait for the conversation."""

    @property
    def tries(self) -> int:
        return self.attempts - self.before

    def held_by(self, claim: str) -> bool:
        return self.claim == claim and self.state in OPEN


@dataclass(slots=True)
class Model:
    """The inbox, and which events' effects were ever written."""

    events: dict[str, Stored] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    """Keys of events whose message is stored: a message needs no known conversation."""
    shown: set[str] = field(default_factory=set)
    """Keys of events that browsers see."""
    merged: set[str] = field(default_factory=set)
    """Keys of events whose conversation's row says what they said."""

    @property
    def due(self) -> list[Stored]:
        return [event for event in self.events.values() if event.is_due]

    def fails(self, kind: str, conversation: str | None) -> bool:
        """Tell whether SQL refuses effects of this kind."""
        if conversation is None:
            return False
        return kind == "poison" or (kind == "late poison" and conversation in self.known)

    def handle(self, event: Stored, state: str, kind: str) -> None:
        """End an attempt well: its effects are written as far as the conversation is known."""
        is_known = event.conversation is None or event.conversation in self.known
        event.state = "unmatched" if state == "processed" and not is_known else state
        event.waiting = kind if event.state == "unmatched" else None
        event.claim, event.is_due = None, False
        if state == "processed":
            self.shown.add(event.key)
            self.write(event, kind)

    def write(self, event: Stored, kind: str) -> None:
        if event.conversation is not None:
            self.said.add(event.key)
        if event.conversation in self.known and kind == "good":
            self.merged.add(event.key)

    def fail(self, event: Stored) -> None:
        """End an attempt badly; five retries follow the first."""
        event.failures += 1
        event.state = "dead" if event.tries > len(WAITS) else "failed"
        event.claim, event.is_due = None, False

    def adopt(self, conversation: str) -> None:
        """A conversation has become known; adopting is one more attempt, with all its retries."""
        self.known.add(conversation)
        for event in self.events.values():
            if event.conversation != conversation or event.state != "unmatched":
                continue
            kind, event.waiting = event.waiting, None
            if kind is not None and self.fails(kind, conversation):
                event.before, event.attempts = event.attempts, event.attempts + 1
                self.fail(event)
                continue
            event.state = "processed"
            if kind is not None:
                self.write(event, kind)

    def replay(self, events: Iterable[Stored]) -> list[Stored]:
        """Make events due again, but for those in hand and those without a body."""
        replayed = [event for event in events if event.claim is None and not event.is_pruned]
        for event in replayed:
            event.state, event.waiting = "received", None
            event.before, event.is_due = event.attempts, True
        return replayed

    def remove(self, events: Iterable[Stored]) -> int:
        """Delete those that are dead."""
        removed = [event.key for event in events if event.state == "dead"]
        for key in removed:
            del self.events[key]
        return len(removed)

    def prune(self) -> None:
        """Remove the bodies of old events that are done, and what is old and dead."""
        old = [event for event in self.events.values() if event.is_old]
        self.remove(old)
        for event in old:
            if event.state in ("processed", "ignored", "unmatched"):
                event.is_pruned, event.waiting = True, None
