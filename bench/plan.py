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
    deliveries: int
    delivery_rounds: int
    beside_bad_seconds: float
    beside_bad_rounds: int


FULL = Plan(
    rounds=5,
    load_seconds=8.0,
    warm_up_seconds=2.0,
    paced_rounds=5,
    paced_seconds=10.0,
    lone_requests=600,
    screens=100,
    inbox_rows=1_000_000,
    deliveries=3000,
    delivery_rounds=3,
    beside_bad_seconds=4.5,
    beside_bad_rounds=3,
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
    deliveries=500,
    delivery_rounds=1,
    beside_bad_seconds=2.5,
    beside_bad_rounds=1,
)
