"""Fixtures of all tests."""

import pytest
from hypothesis import HealthCheck, settings

from services.local.stack import discard_idle
from tests.chromium import _browser
from tests.stack import TESTS, _db, _stack

__all__ = ["_browser", "_db", "_stack"]

# The first text of a new checkout takes a second, and so may any other on a busy machine.
settings.register_profile("convohooks", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("convohooks")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Discard what killed runs have left, before the processes of this one start theirs."""
    if not hasattr(session.config, "workerinput"):
        discard_idle(TESTS)
