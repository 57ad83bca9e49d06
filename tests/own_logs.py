"""The logs of the tests' own process: an application that a test builds sets them up for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.telemetry import logs


@pytest.fixture(autouse=True, scope="session")
def _uncached() -> Iterator[None]:
    """Let no logger keep the set-up of the test that first used it."""
    configure = structlog.configure

    def without_cache(**told: Any) -> None:
        configure(**{**told, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", without_cache)
        yield


@pytest.fixture(autouse=True)
def _forgotten(_uncached: None) -> Iterator[None]:
    """Forget the set-up that a test has made."""
    was_configured = structlog.is_configured()
    yield
    if not was_configured:
        logs.reset()
