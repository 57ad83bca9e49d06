"""Fixtures of all tests."""

import pytest
from hypothesis import HealthCheck, settings

from services.local.stack import discard_idle
from tests import local_only, project
from tests.chromium import _browser
from tests.stack import TESTS, _db, _stack

__all__ = ["_browser", "_db", "_stack"]
pytest_plugins = ["tests.own_logs", "tests.secrecy.output"]

# The first text of a new checkout takes a second, and so may any other on a busy machine.
settings.register_profile("convohooks", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("convohooks")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker; of several processes each would empty the project that is named."""
    config.addinivalue_line("markers", "local_only(reason): needs the machinery of the local stack")
    if project.is_asked_for() and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"With {project.NAME} set the tests run in one process: no -n.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs the local stack where another Supabase is named."""
    local_only.mark(items)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Discard what killed runs have left, before the processes of this one start theirs."""
    if not hasattr(session.config, "workerinput"):
        discard_idle(TESTS)
