"""How long is measured, and how often."""

from __future__ import annotations

from dataclasses import dataclass

CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The size of a run. Rounds are interleaved, so that a busy moment hits both sides."""

    rounds: int
    load_seconds: float
    warm_up_seconds: float
    paced_rounds: int
    paced_seconds: float
    lone_requests: int
    screens: int
    inbox_rows: int


FULL = Plan(
    rounds=5,
    load_seconds=8.0,
    warm_up_seconds=2.0,
    paced_rounds=5,
    paced_seconds=10.0,
    lone_requests=600,
    screens=100,
    inbox_rows=1_000_000,
)
QUICK = Plan(
    rounds=2,
    load_seconds=2.5,
    warm_up_seconds=0.5,
    paced_rounds=2,
    paced_seconds=3.0,
    lone_requests=150,
    screens=20,
    inbox_rows=50_000,
)
