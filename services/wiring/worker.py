"""The worker, put together."""

from __future__ import annotations

from services.database import Database
from services.events import WebhookEventProcessingService
from services.lookups import CachedLookups
from services.outage.drainer import Drainer
from services.outgoing.attempt import Sender
from services.outgoing.deliveries import Deliveries
from services.providers import providers
from services.providers.tavus_relay import RELAY
from services.settings import Settings
from services.telemetry.reports import Reporter, facts_of
from services.telemetry.worker_metrics import CountedSender, WorkerMetrics
from services.wiring.chores import wire_chores
from services.wiring.parts import wire_breaker, wire_egress, wire_shown, wire_spool, wire_store
from services.worker import Worker
from services.writer import Writer


def wire_worker(settings: Settings, metrics: WorkerMetrics | None = None) -> Worker:
    """Build the worker, which handles events as the web application does."""
    database = Database(settings)
    return Worker(
        database=database,
        events=WebhookEventProcessingService(
            lookups=CachedLookups(database), shown=wire_shown(settings)
        ),
        providers=(*providers(settings), RELAY),
        chores=wire_chores(settings, database),
        metrics=metrics or WorkerMetrics(),
    )


def wire_worker_metrics(settings: Settings) -> WorkerMetrics:
    """Build what counts in a worker's process."""
    return WorkerMetrics(sender.name for sender in (*providers(settings), RELAY))


def wire_worker_reports(settings: Settings, metrics: WorkerMetrics) -> Reporter:
    """Build what tells of a worker's process."""
    database, spool = Database(settings), wire_spool(settings)
    return Reporter(
        database.report_process,
        kind="worker",
        tally=metrics.tally,
        facts=lambda: facts_of(None, spool),
    )


def wire_deliveries(settings: Settings, metrics: WorkerMetrics | None = None) -> Deliveries:
    """Build what sends webhooks to customers beside the worker."""
    sender = Sender(egress=wire_egress(settings), timeout=settings.webhook_timeout)
    return Deliveries(
        store=wire_store(settings, Database(settings)),
        sender=CountedSender(sender=sender, metrics=metrics or WorkerMetrics()),
        at_once=settings.deliveries_at_once,
        rate=settings.webhook_rate_per_minute,
        concurrency=settings.webhook_concurrency,
        disable_after=3600.0 * settings.webhook_disable_after_hours,
    )


def wire_drainer(settings: Settings) -> Drainer | None:
    """Build what drains the spool beside the worker, where there is a spool."""
    spool = wire_spool(settings)
    if spool is None:
        return None
    return Drainer(spool, Writer(Database(settings).receive_events, breaker=wire_breaker(settings)))
