"""retry.py: five retries, each later than the one before, never all at once."""

from __future__ import annotations

import pytest

from services.retry import next_wait


def test_waits_double_and_end_after_five() -> None:
    waits = [next_wait(failed, chance=lambda: 0.5) for failed in range(1, 8)]

    assert waits == [1, 2, 4, 8, 16, None, None]


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_jitter_is_a_fifth_either_way(chance: float) -> None:
    wait = next_wait(5, chance=lambda: chance)

    assert wait is not None
    assert 12.8 <= wait <= 19.2


def test_nothing_failed_is_nothing_to_wait_for() -> None:
    assert next_wait(0) is None


def test_chance_takes_from_the_wait_and_adds_to_it() -> None:
    waits = [next_wait(3, chance=lambda at=at: at) for at in (0.0, 0.5, 0.75)]

    assert waits == pytest.approx([3.2, 4.0, 4.4])
