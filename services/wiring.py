"""The only place where the parts meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent import monkey

from services.breaker import Breaker
from services.counters import counters
from services.database import Database
from services.drainer import Drainer
from services.events import WebhookEventProcessingService
from services.ingestion import WebhookDataIngestionService
from services.limits import Limit, Limits
from services.lookups import CachedLookups
from services.people import People
from services.processing import WebhookProcessingService
from services.providers import PROVIDERS
from services.settings import Settings
from services.spool import Spool
from services.worker import Worker
from services.writer import Writer

SECONDS_WITHOUT_SPOOL = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the web application is made of."""

    settings: Settings
    database: Database
    people: People
    webhooks: WebhookProcessingService
    breaker: Breaker
    spool: Spool | None
    drainer: Drainer | None


def wire(settings: Settings) -> Services:
    """Build every service. Nothing connects and no thread starts before the first request."""
    breaker = _breaker(settings)
    database = Database(settings, breaker.check)
    writer = Writer(database.receive_events, breaker=breaker)
    spool = _spool(settings)
    drainer = Drainer(spool, writer) if spool else None
    return Services(
        settings=settings,
        database=database,
        people=People(settings.supabase_url, database),
        webhooks=WebhookProcessingService(
            settings=settings,
            events=_events(database),
            ingestion=WebhookDataIngestionService(
                writer=writer, keep=drainer.keep if drainer else None
            ),
            limits=_limits(settings),
        ),
        breaker=breaker,
        spool=spool,
        drainer=drainer,
    )


def wire_worker(settings: Settings) -> Worker:
    """Build the worker, which handles events as the web application does."""
    database = Database(settings)
    return Worker(
        database=database,
        events=_events(database),
        providers=PROVIDERS,
        retention_days=settings.retention_days,
        dead_retention_days=settings.dead_retention_days,
    )


def wire_drainer(settings: Settings) -> Drainer | None:
    """Build what drains the spool beside the worker, where there is a spool."""
    spool = _spool(settings)
    if spool is None:
        return None
    return Drainer(spool, Writer(Database(settings).receive_events, breaker=_breaker(settings)))


def _breaker(settings: Settings) -> Breaker:
    # Without a spool whom the open circuit refuses may never call again: then look sooner.
    longest = settings.breaker_seconds if settings.spool_path else SECONDS_WITHOUT_SPOOL
    return Breaker(settings.breaker_failures, min(settings.breaker_seconds, longest))


def _spool(settings: Settings) -> Spool | None:
    if settings.spool_path is None:
        return None
    return Spool(settings.spool_path, settings.spool_max_bytes, offload=_offload)


def _offload(work: Callable[[], Any]) -> Any:
    """Run what blocks in gevent's thread pool, under gevent."""
    if monkey.is_module_patched("threading"):
        return gevent.get_hub().threadpool.apply(work)
    return work()


def _limits(settings: Settings) -> Limits:
    url = settings.rate_limit_storage_url
    return Limits(
        failures=Limit(counters(url), settings.auth_failures_per_minute),
        events=Limit(counters(url), settings.events_per_minute),
    )


def _events(database: Database) -> WebhookEventProcessingService:
    return WebhookEventProcessingService(lookups=CachedLookups(database))
