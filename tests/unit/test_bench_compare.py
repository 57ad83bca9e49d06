"""The verdict of two trees' figures: noise is no regression, and a regression is not noise."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from statistics import median

import pytest

from bench.trees import TreeError, python_of, tree
from bench.verdict import DOUBT, Measured, interval


def rates(now: list[float], base: list[float]) -> Measured:
    return Measured(name="rate", unit="/s", now=tuple(now), base=tuple(base), more_is_better=True)


def noisy(random_: random.Random, speed: float, spread: float, rounds: int = 10) -> Measured:
    """Return rounds on a machine that is now fast, now slow, and whose figures scatter."""
    moods = [random_.uniform(0.3, 1.0) for _ in range(rounds)]
    now = [1000 * mood * speed * random_.lognormvariate(0, spread) for mood in moods]
    return rates(now, [1000 * mood * random_.lognormvariate(0, spread) for mood in moods])


@pytest.mark.parametrize(
    ("count", "expected"),
    [(6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (10, (2, 9)), (12, (3, 10)), (20, (6, 15))],
)
def test_the_interval_leaves_out_what_the_sign_test_allows(
    count: int, expected: tuple[float, float]
) -> None:
    """The published table of the sign test's confidence limits at 5 %."""
    assert interval([float(number) for number in range(count, 0, -1)]) == expected


def test_five_rounds_say_nothing() -> None:
    measured = rates([1.0] * 5, [1000.0] * 5)

    assert measured.interval == (0.0, float("inf"))
    assert measured.word == "cannot tell"


def test_the_interval_misses_the_median_as_seldom_as_it_says() -> None:
    random_ = random.Random(1)
    missed = 0
    for _ in range(2000):
        low, high = interval([random_.expovariate(1) for _ in range(10)])
        missed += not low <= 0.6931 <= high

    assert missed / 2000 < DOUBT


def test_noise_alone_is_no_regression() -> None:
    random_ = random.Random(2)

    words = [noisy(random_, 1.0, 0.05).word for _ in range(500)]

    assert words.count("slower") <= 5
    assert words.count("no regression") > 200


def test_a_fifth_slower_is_a_regression() -> None:
    random_ = random.Random(3)

    words = [noisy(random_, 0.8, 0.05).word for _ in range(500)]

    assert words.count("slower") > 450
    assert "no regression" not in words


def test_a_machine_too_noisy_to_tell_says_so() -> None:
    random_ = random.Random(4)

    words = [noisy(random_, 1.0, 0.6).word for _ in range(200)]

    assert words.count("cannot tell") > 150


def test_of_milliseconds_fewer_are_faster() -> None:
    measured = Measured(
        name="alone", unit="ms", now=(20.0,) * 6, base=(10.0,) * 6, more_is_better=False
    )

    assert median(measured.speeds) == 0.5
    assert measured.word == "slower"


def test_a_row_says_both_figures_and_the_verdict() -> None:
    assert rates([900.0] * 6, [1000.0] * 6).cells() == (
        "rate",
        "900.0 /s",
        "1,000.0 /s",
        "0.90 times",
        "0.90 … 0.90",
        "slower",
    )


def test_a_folder_is_a_tree() -> None:
    with tree(".") as folder:
        assert folder == Path.cwd()
        assert python_of(folder) == sys.executable


def test_a_commit_is_unpacked_and_gone_afterwards() -> None:
    with tree("HEAD") as folder:
        assert (folder / "services" / "writer.py").exists()
        assert not (folder / ".git").exists()

    assert not folder.exists()


@pytest.mark.parametrize("name", ["no-such-branch", "--output=/etc/motd", ""])
def test_what_is_no_tree_is_said(name: str) -> None:
    with pytest.raises(TreeError, match="neither a folder of Convohooks nor a commit"), tree(name):
        pass
