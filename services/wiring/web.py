"""The web application, put together."""

from __future__ import annotations

from dataclasses import dataclass

from limits import RateLimitItemPerHour

from services.bookings import Bookings
from services.clients.calendly import CalendlyClient
from services.clients.tavus import TavusClient
from services.conversations.conversations import Conversations
from services.conversations.orphans import Orphans
from services.conversations.relay import Relay
from services.database import Database
from services.events import WebhookEventProcessingService
from services.ingestion import WebhookDataIngestionService
from services.limits.counters import counters
from services.limits.limits import Limit, Limits
from services.lookups import CachedLookups, HurriedLookups
from services.outage.breaker import Breaker
from services.outage.drainer import Drainer
from services.outage.spool import Spool
from services.outgoing.conversation_webhooks import ConversationWebhooks
from services.outgoing.endpoints import Endpoints
from services.outgoing.messages import Messages
from services.people import People
from services.processing import WebhookProcessingService
from services.provider import Lookups, Provider
from services.providers import providers
from services.reach.public_url import public_url
from services.settings import Settings
from services.telemetry.metrics import Metrics
from services.telemetry.reports import Reporter, facts_of
from services.telemetry.tally import Tally
from services.tools.runner import ToolRunner
from services.wiring.parts import wire_breaker, wire_egress, wire_shown, wire_spool, wire_store
from services.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the web application is made of."""

    settings: Settings
    database: Database
    people: People
    requests: Limit
    bookings: Bookings
    providers: tuple[Provider, ...]
    lookups: Lookups
    webhooks: WebhookProcessingService
    conversations: Conversations
    endpoints: Endpoints
    conversation_webhooks: ConversationWebhooks
    messages: Messages
    relay: Relay
    tools: ToolRunner
    breaker: Breaker
    spool: Spool | None
    drainer: Drainer | None
    metrics: Metrics
    reports: Reporter


def wire(settings: Settings) -> Services:
    """Build every service. Nothing connects and no thread starts before the first request."""
    senders = providers(settings)
    names = [sender.name for sender in senders]
    tally = Tally(names)
    metrics = Metrics(names, settings.prometheus_multiproc_dir, tally)
    breaker = wire_breaker(settings, metrics.breaker_changed)
    database = Database(settings, breaker.check)
    lookups = CachedLookups(database)
    writer = Writer(metrics.timed(database.receive_events), breaker=breaker)
    spool = wire_spool(settings)
    drainer = Drainer(spool, writer) if spool else None
    shown = wire_shown(settings)
    understanding = WebhookEventProcessingService(lookups=lookups, shown=shown)
    # A sender waits for the commit too: what cannot be looked up soon, the worker looks up.
    hurried = WebhookEventProcessingService(lookups=HurriedLookups(lookups), shown=shown)
    ingestion = WebhookDataIngestionService(writer=writer, keep=drainer.keep if drainer else None)
    store = wire_store(settings, database)
    egress = wire_egress(settings)
    return Services(
        settings=settings,
        database=database,
        people=People(settings.supabase_url, database),
        requests=Limit(counters(settings.rate_limit_storage_url), settings.api_requests_per_minute),
        bookings=Bookings(settings=settings, database=database, calendly=CalendlyClient(settings)),
        providers=senders,
        lookups=lookups,
        webhooks=WebhookProcessingService(
            settings=settings,
            events=hurried,
            ingestion=ingestion,
            limits=_limits(settings),
            metrics=metrics,
        ),
        conversations=_conversations(settings, database),
        endpoints=Endpoints(database=database, store=store, egress=egress),
        conversation_webhooks=ConversationWebhooks(database=database, store=store, egress=egress),
        messages=Messages(database=database, store=store),
        tools=ToolRunner(
            database=database, breaker=breaker, events=understanding, ingestion=ingestion
        ),
        relay=Relay(
            database=database,
            events=understanding,
            writer=writer,
            limit=Limit(
                counters(settings.rate_limit_storage_url), settings.relayed_messages_per_minute
            ),
        ),
        breaker=breaker,
        spool=spool,
        drainer=drainer,
        metrics=metrics,
        reports=Reporter(
            lambda report: breaker.call_aside(lambda: database.report_process(report)),
            kind="web",
            tally=tally,
            facts=lambda: facts_of(breaker, spool),
        ),
    )


def _conversations(settings: Settings, database: Database) -> Conversations:
    tavus = TavusClient(settings)
    return Conversations(
        settings=settings,
        database=database,
        tavus=tavus,
        orphans=Orphans(database=database, tavus=tavus),
        limit=Limit(
            counters(settings.rate_limit_storage_url),
            settings.conversations_per_hour,
            period=RateLimitItemPerHour,
        ),
        base_url=lambda: public_url(settings),
    )


def _limits(settings: Settings) -> Limits:
    url = settings.rate_limit_storage_url
    return Limits(
        failures=Limit(counters(url), settings.auth_failures_per_minute),
        events=Limit(counters(url), settings.events_per_minute),
    )
