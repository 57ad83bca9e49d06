"""The only place where the parts meet."""

from __future__ import annotations

from dataclasses import dataclass

from services.database import Database
from services.events import WebhookEventProcessingService
from services.ingestion import WebhookDataIngestionService
from services.lookups import CachedLookups
from services.people import People
from services.processing import WebhookProcessingService
from services.settings import Settings
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
            events=WebhookEventProcessingService(lookups=CachedLookups(database)),
            ingestion=WebhookDataIngestionService(writer=Writer(database.receive_events)),
        ),
    )
