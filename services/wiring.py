"""The only place where the parts meet."""

from __future__ import annotations

from dataclasses import dataclass

from services.database import Database
from services.events import WebhookEventProcessingService
from services.ingestion import WebhookDataIngestionService
from services.lookups import CachedLookups
from services.people import People
from services.processing import WebhookProcessingService
from services.providers import PROVIDERS
from services.settings import Settings
from services.worker import Worker
from services.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the web application is made of."""

    settings: Settings
    database: Database
    people: People
    webhooks: WebhookProcessingService


def wire(settings: Settings) -> Services:
    """Build every service. Nothing connects and no thread starts before the first request."""
    database = Database(settings)
    return Services(
        settings=settings,
        database=database,
        people=People(settings.supabase_url, database),
        webhooks=WebhookProcessingService(
            settings=settings,
            events=_events(database),
            ingestion=WebhookDataIngestionService(writer=Writer(database.receive_events)),
        ),
    )


def wire_worker(settings: Settings) -> Worker:
    """Build the worker, which handles events as the web application does."""
    database = Database(settings)
    return Worker(database=database, events=_events(database), providers=PROVIDERS)


def _events(database: Database) -> WebhookEventProcessingService:
    return WebhookEventProcessingService(lookups=CachedLookups(database))
