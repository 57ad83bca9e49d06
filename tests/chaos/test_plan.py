"""A plan can be repeated, and leaves nothing out."""

from __future__ import annotations

import pytest

from tests.chaos.plan import BLOWS, FULL_DISK, OUTAGE, SPELLS, Plan, make_plan

SEEDS = range(50)


def outages(plan: Plan) -> list[float]:
    return [step.seconds for step in plan.spells if step.fault == OUTAGE]


def test_same_seed_gives_the_same_plan() -> None:
    assert make_plan(7, 90) == make_plan(7, 90)
    assert make_plan(7, 90) != make_plan(8, 90)


@pytest.mark.parametrize("seconds", [1, 15, 90, 300])
def test_every_fault_happens_however_short_the_run(seconds: float) -> None:
    for seed in SEEDS:
        plan = make_plan(seed, seconds)
        spells = {step.fault for step in plan.spells}

        assert {step.fault for step in plan.blows} == set(BLOWS)
        # A full disk begins as an outage.
        assert spells | {OUTAGE} == set(SPELLS)
        assert FULL_DISK in spells


def test_short_run_is_short() -> None:
    for seed in SEEDS:
        assert sum(step.calm for step in make_plan(seed, 15).blows) < 40


def test_long_run_is_without_supabase_for_a_minute() -> None:
    for seed in SEEDS:
        assert sum(outages(make_plan(seed, 60))) >= 60
        assert outages(make_plan(seed, 180)) == [60.0]
