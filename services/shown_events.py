"""Which events browsers see: what the senders' tables say, unless REALTIME_EVENTS differs."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from services.effects import Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvents:
    """Patterns of types, a minus before those that are not shown; of several the last decides.

    What no pattern names is not shown, unless all of them have a minus: then its default holds.
    """

    patterns: tuple[str, ...] = ()

    def includes(self, event_type: str, *, default: bool) -> bool:
        """Return whether events of a type are shown."""
        return _decided(self.patterns, event_type, default)

    def of(self, projections: tuple[Projection, ...], event_type: str) -> tuple[Projection, ...]:
        """Return what is shown of the further rows of an event.

        They go with it: a screen that shows a tool's call shows its result.
        """
        if not self.patterns or not projections:
            return projections
        goes = _decided(self.patterns, event_type, True)
        return tuple(p for p in projections if _named(self.patterns, p.event_type, goes))


SHOWN_BY_DEFAULT = ShownEvents()


@lru_cache(1024)
def _decided(patterns: tuple[str, ...], event_type: str, default: bool) -> bool:
    only_hides = all(pattern.startswith("-") for pattern in patterns)
    return _named(patterns, event_type, default if only_hides else False)


def _named(patterns: tuple[str, ...], event_type: str, otherwise: bool) -> bool:
    for pattern in reversed(patterns):
        if fnmatchcase(event_type, pattern.removeprefix("-")):
            return not pattern.startswith("-")
    return otherwise
