"""realtime.py and the doctor's check: the load is told before it is too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from services.database import Database
from services.doctor.patient import Patient
from services.doctor.realtime import check_load
from services.errors import Unavailable
from services.settings import load_settings
from services.telemetry.realtime import RealtimeBudget, load_of

SETTINGS = load_settings(
    {
        "SUPABASE_URL": "https://x.example.test",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    }
)


def told(now: float | None, peak: float | None = None) -> dict[str, Any]:
    return {"changes_per_second": now, "peak_per_second": peak, "since": None}


class FakeDatabase:
    """Measures what it is told to."""

    def __init__(self, *loads: float | None) -> None:
        self.loads = list(loads)

    def call(self, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        assert (function, arguments) == ("measure_realtime", {})
        return told(self.loads.pop(0))


def warnings(*loads: float | None) -> list[str]:
    budget = RealtimeBudget(database=cast(Database, FakeDatabase(*loads)), limit=30)
    with capture_logs() as logs:
        for _ in loads:
            assert budget.measure() is False
    return [line["event"] for line in logs]


def test_limit_that_comes_near_is_told_once_until_it_is_far() -> None:
    near, back = "realtime near its limit", "realtime load back"

    assert warnings(20.9, 21.0, None) == []
    assert warnings(21.1, 25, 19, 21.1, 60) == [near]
    assert warnings(22, 17.9, 17, 22) == [near, back, near]


def test_share_is_of_the_limit() -> None:
    assert load_of(told(21.123456, 40.5), 30).model_dump() == {
        "changes_per_second": 21.12,
        "peak_per_second": 40.5,
        "limit": 30,
        "share": 0.704,
        "since": None,
    }
    assert load_of(told(None), 30).share is None


def patient(realtime: Any) -> Patient:
    return Patient(
        settings=replace(SETTINGS, realtime_changes_per_second=100),
        texts={},
        schema=Unavailable(),
        backlog=Unavailable(),
        operations=realtime if isinstance(realtime, Exception) else {"realtime": realtime},
    )


@pytest.mark.parametrize(
    ("load", "state"),
    [
        (told(1, 69), "ok"),
        (told(71, 71), "warn"),
        (told(1, 71), "warn"),
        (told(None), "skip"),
        (told(None, 80), "skip"),
    ],
)
def test_doctor_warns_of_the_peak_too(load: dict[str, Any], state: str) -> None:
    finding = check_load(patient(load))

    assert finding is not None
    assert finding.state == state
    assert ("REALTIME_EVENTS" in finding.mend) == (state == "warn")


def test_doctor_says_nothing_where_nobody_can_tell() -> None:
    assert check_load(patient(Unavailable())) is None
