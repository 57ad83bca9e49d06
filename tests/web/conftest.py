"""The service of these tests: gunicorn as in production, against the run's own Supabase."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from services.local.stack import LocalStack
from tests.stack import start_service
from tests.web.caller import LIMITS, SETTINGS, Caller


@pytest.fixture(name="service_url", scope="session")
def _service_url(stack: LocalStack) -> Iterator[str]:
    service = start_service(stack, **SETTINGS)
    yield service.url
    service.kill()


@pytest.fixture(name="caller", scope="session")
def _caller(service_url: str) -> Iterator[Caller]:
    """Calls the service as senders do."""
    with httpx.Client(base_url=service_url, timeout=30, limits=LIMITS) as http:
        yield Caller(http)
