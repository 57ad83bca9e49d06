"""The senders, one record each."""

from __future__ import annotations

from services.provider import Provider
from services.providers.tavus import TAVUS

PROVIDERS: tuple[Provider, ...] = (TAVUS,)
