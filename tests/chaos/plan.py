"""What goes wrong, and when: the same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count

KILLED = ("service", "spooler", "worker", "second worker", "postgrest", "gateway", "postgres")
KILL_SENDING = "kill a sending worker"
BLOWS = (
    *(f"kill {part}" for part in KILLED),
    KILL_SENDING,
    "kill a web process",
    "kill a spooling web process",
    "restart postgres",
    "terminate backends",
)
"""What happens at once."""
OUTAGE, FULL_DISK, LOST_LEASES = "outage", "full disk", "lost leases"
BAD_NETWORK = ("drop answers", "reset connections", "delay answers")
SPELLS = (*BAD_NETWORK, OUTAGE, FULL_DISK, LOST_LEASES)
"""What lasts, one at a time, while blows fall. A full disk begins as an outage."""

LONG = 60.0
"""Seconds of a run from which faults last long, and outages a minute in all."""
VERY_LONG = 180.0
"""Seconds of a run from which that minute is one outage."""
LASTS = {FULL_DISK: (5.5, 6.0), LOST_LEASES: (0.0, 0.0)}
LASTS_LONG = {OUTAGE: (12.0, 15.0), FULL_DISK: (8.0, 12.0), LOST_LEASES: (0.0, 0.0)}
NEEDS = {LOST_LEASES: 7.0, FULL_DISK: 3.0}
"""Seconds that a spell takes besides."""


@dataclass(frozen=True, slots=True)
class Step:
    """A fault, the calm before it, and how long it lasts."""

    fault: str
    calm: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Blows and spells, to happen beside each other."""

    blows: tuple[Step, ...]
    spells: tuple[Step, ...]


def make_plan(seed: int, seconds: float) -> Plan:
    """Return a plan for about so many seconds, or longer: every fault happens at least once."""
    chance = random.Random(seed)
    spells = _spells(chance, seconds)
    return Plan(blows=tuple(_blows(chance, _length(spells))), spells=tuple(spells))


def _spells(chance: random.Random, seconds: float) -> list[Step]:
    faults = (*BAD_NETWORK, FULL_DISK, LOST_LEASES)
    steps = [_spell(fault, chance, seconds) for fault in faults] + _outages(chance, seconds)
    while _length(steps) < seconds:
        steps.append(_spell(chance.choice((*BAD_NETWORK, LOST_LEASES)), chance, seconds))
    chance.shuffle(steps)
    return steps


def _outages(chance: random.Random, seconds: float) -> list[Step]:
    """Return the outages besides the one in which the disk is full."""
    if seconds >= VERY_LONG:
        return [Step(OUTAGE, 1.0, 60.0)]
    return [_spell(OUTAGE, chance, seconds) for _ in range(5 if seconds >= LONG else 0)]


def _spell(fault: str, chance: random.Random, seconds: float) -> Step:
    lasts = LASTS_LONG.get(fault, (3.0, 8.0)) if seconds >= LONG else LASTS.get(fault, (1.5, 2.0))
    return Step(fault, chance.uniform(0.3, 1.0), chance.uniform(*lasts))


def _length(spells: Iterable[Step]) -> float:
    return sum(step.calm + step.seconds + NEEDS.get(step.fault, 0) for step in spells)


def _blows(chance: random.Random, seconds: float) -> Iterator[Step]:
    """Yield every blow once in a random order, and again, until the time is over."""
    spent = 0.0
    for n in count():
        if n >= len(BLOWS) and spent >= seconds:
            return
        if n % len(BLOWS) == 0:
            order = chance.sample(BLOWS, len(BLOWS))
        step = Step(order[n % len(BLOWS)], chance.uniform(0.3, 2.5))
        spent += step.calm
        yield step
