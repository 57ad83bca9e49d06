"""The only place where the parts meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
import structlog
from gevent import monkey
from limits import RateLimitItemPerHour

from services.analysis import EVERY as ANALYSIS_EVERY
from services.analysis import MARGIN, Analysis
from services.bookings import Bookings
from services.breaker import Breaker, State
from services.chores import Chore
from services.clients.calendly import CalendlyClient
from services.clients.openai import ChatClient
from services.clients.tavus import TavusClient
from services.conversations import Conversations
from services.counters import counters
from services.database import Database
from services.drainer import Drainer
from services.egress import Egress
from services.erasure import EVERY as ERASURE_EVERY
from services.erasure import Erasure
from services.events import WebhookEventProcessingService
from services.feedback.llm import LlmAnalyzer
from services.ingestion import WebhookDataIngestionService
from services.limits import Limit, Limits
from services.lookups import CachedLookups
from services.metrics import Metrics
from services.notifier.note import Note
from services.notifier.notifier import EVERY as ALERTS_EVERY
from services.notifier.notifier import Notifier
from services.notifier.outage import Outage
from services.notifier.targets import targets_of
from services.orphans import EVERY as ORPHANS_EVERY
from services.orphans import Orphans
from services.outgoing.attempt import Sender
from services.outgoing.conversation_webhooks import ConversationWebhooks
from services.outgoing.deliveries import TIDY_EVERY, Deliveries
from services.outgoing.endpoints import Endpoints
from services.outgoing.messages import Messages
from services.outgoing.store import OutgoingStore
from services.outgoing.vault import Vault
from services.people import People
from services.processing import WebhookProcessingService
from services.provider import Lookups, Provider
from services.providers import providers
from services.providers.tavus_relay import RELAY
from services.public_url import public_url
from services.realtime import EVERY as REALTIME_EVERY
from services.realtime import RealtimeBudget
from services.reconciled_events import secrets_of
from services.reconciler import EVERY as RECONCILER_EVERY
from services.reconciler import Reconciler
from services.recordings import EVERY as RECORDINGS_EVERY
from services.recordings import Recordings
from services.relay import Relay
from services.reports import Reporter, facts_of
from services.retention import EVERY as RETENTION_EVERY
from services.retention import Retention
from services.settings import OPENAI_BASE_URL, Settings
from services.shown_events import ShownEvents
from services.spool import Spool
from services.storage import Storage
from services.subscriptions import EVERY as SUBSCRIPTIONS_EVERY
from services.subscriptions import Subscriptions
from services.tally import Tally
from services.tools.runner import ToolRunner
from services.worker import Worker
from services.worker_metrics import CountedSender, WorkerMetrics
from services.writer import Writer

SECONDS_WITHOUT_SPOOL = 2.0

log = structlog.get_logger()


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
    breaker = _breaker(settings, metrics.breaker_changed)
    database = Database(settings, breaker.check)
    lookups = CachedLookups(database)
    writer = Writer(metrics.timed(database.receive_events), breaker=breaker)
    spool = wire_spool(settings)
    drainer = Drainer(spool, writer) if spool else None
    understanding = WebhookEventProcessingService(lookups=lookups, shown=_shown(settings))
    ingestion = WebhookDataIngestionService(writer=writer, keep=drainer.keep if drainer else None)
    store = _store(settings, database)
    egress = _egress_to_customers(settings)
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
            events=understanding,
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


def wire_worker(settings: Settings, metrics: WorkerMetrics | None = None) -> Worker:
    """Build the worker, which handles events as the web application does."""
    database = Database(settings)
    return Worker(
        database=database,
        events=WebhookEventProcessingService(
            lookups=CachedLookups(database), shown=_shown(settings)
        ),
        providers=(*providers(settings), RELAY),
        chores=_chores(settings, database),
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


def _shown(settings: Settings) -> ShownEvents:
    return ShownEvents(patterns=settings.realtime_events)


def _chores(settings: Settings, database: Database) -> tuple[Chore, ...]:
    retention = Retention(
        database=database, days=settings.retention_days, dead_days=settings.dead_retention_days
    )
    orphans = Orphans(database=database, tavus=TavusClient(settings))
    budget = RealtimeBudget(database=database, limit=settings.realtime_changes_per_second)
    return (
        Chore(name="retention", every=RETENTION_EVERY, work=retention.prune),
        Chore(name="realtime", every=REALTIME_EVERY, work=budget.measure),
        Chore(name="orphans", every=ORPHANS_EVERY, work=orphans.work),
        Chore(name="erasures", every=ERASURE_EVERY, work=wire_erasure(settings, database).work),
        Chore(name="deliveries", every=TIDY_EVERY, work=_store(settings, database).tidy),
        Chore(name="alerts", every=ALERTS_EVERY, work=wire_notifier(settings, database).work),
        *_reconciling(settings),
        *_copying(settings, database),
        *_analyzing(settings, database),
        *_subscribing(settings),
    )


def wire_erasure(settings: Settings, database: Database, spool: Spool | None = None) -> Erasure:
    """Build what removes people; without a spool it leaves this host's alone."""
    return Erasure(
        database=database,
        storage=Storage(settings),
        bucket=settings.recordings_bucket,
        spool=spool,
    )


def wire_notifier(settings: Settings, database: Database) -> Notifier:
    """Build what tells of incidents; without a target they are found all the same."""
    targets = targets_of(settings)
    spool = settings.spool_path
    return Notifier(
        database=database,
        outage=Outage(
            targets=targets,
            after=settings.alert_thresholds.database_away,
            service_url=settings.public_base_url,
            note=Note(spool.with_name(f"{spool.name}.outage") if spool else None),
        ),
        targets=targets,
        thresholds=settings.alert_thresholds,
        realtime_limit=settings.realtime_changes_per_second,
        service_url=settings.public_base_url,
        keep_days=settings.retention_days,
    )


def _reconciling(settings: Settings) -> tuple[Chore, ...]:
    reconciler = wire_reconciler(settings)
    if reconciler is None:
        return ()
    return (Chore(name="reconciler", every=RECONCILER_EVERY, work=reconciler.work),)


def _copying(settings: Settings, database: Database) -> tuple[Chore, ...]:
    if settings.recordings_bucket is None:
        return ()
    recordings = Recordings(
        database=database,
        egress=Egress(),
        storage=Storage(settings),
        bucket=settings.recordings_bucket,
        max_bytes=settings.recordings_max_bytes,
        twilio=_twilio_key(settings),
    )
    return (Chore(name="recordings", every=RECORDINGS_EVERY, work=recordings.work),)


def _twilio_key(settings: Settings) -> str | None:
    if settings.twilio_account_sid is None or not settings.twilio_auth_tokens:
        return None
    return f"{settings.twilio_account_sid}:{settings.twilio_auth_tokens[0]}"


def _analyzing(settings: Settings, database: Database) -> tuple[Chore, ...]:
    # A compatible service of one's own may want no key.
    if settings.openai_api_key is None and settings.openai_base_url == OPENAI_BASE_URL:
        return ()
    analysis = Analysis(
        database=database,
        analyzer=LlmAnalyzer(ChatClient(settings)),
        lease=2 * settings.openai_timeout + MARGIN,
    )
    return (Chore(name="feedback", every=ANALYSIS_EVERY, work=analysis.analyze),)


def wire_reconciler(settings: Settings) -> Reconciler | None:
    """Build what asks Tavus for lost callbacks, where there is a key to ask with."""
    if settings.tavus_api_key is None:
        return None
    database = Database(settings)
    return Reconciler(
        database=database,
        tavus=TavusClient(settings),
        events=WebhookEventProcessingService(
            lookups=CachedLookups(database), shown=_shown(settings)
        ),
        writer=Writer(database.receive_events),
        after=settings.reconcile_after,
        secrets=secrets_of(settings),
    )


def _subscribing(settings: Settings) -> tuple[Chore, ...]:
    if settings.calendly_api_key is None:
        return ()
    subscriptions = Subscriptions(settings=settings, calendly=CalendlyClient(settings))
    return (Chore(name="calendly", every=SUBSCRIPTIONS_EVERY, work=subscriptions.work),)


def wire_deliveries(settings: Settings, metrics: WorkerMetrics | None = None) -> Deliveries:
    """Build what sends webhooks to customers beside the worker."""
    sender = Sender(egress=_egress_to_customers(settings), timeout=settings.webhook_timeout)
    return Deliveries(
        store=_store(settings, Database(settings)),
        sender=CountedSender(sender=sender, metrics=metrics or WorkerMetrics()),
        at_once=settings.deliveries_at_once,
        rate=settings.webhook_rate_per_minute,
        concurrency=settings.webhook_concurrency,
        disable_after=3600.0 * settings.webhook_disable_after_hours,
    )


def _store(settings: Settings, database: Database) -> OutgoingStore:
    return OutgoingStore(database=database, vault=Vault(settings.webhook_secrets_keys))


def _egress_to_customers(settings: Settings) -> Egress:
    if settings.webhook_allow_local:
        log.warning(
            "local webhooks",
            reason="WEBHOOK_ALLOW_LOCAL is 1: they may go to this machine, by http",
        )
    return Egress(allow_loopback=settings.webhook_allow_local)


def wire_drainer(settings: Settings) -> Drainer | None:
    """Build what drains the spool beside the worker, where there is a spool."""
    spool = wire_spool(settings)
    if spool is None:
        return None
    return Drainer(spool, Writer(Database(settings).receive_events, breaker=_breaker(settings)))


def wire_spool(settings: Settings) -> Spool | None:
    """Build the spool, where there is one."""
    if settings.spool_path is None:
        return None
    return Spool(settings.spool_path, settings.spool_max_bytes, offload=_offload)


def _breaker(settings: Settings, changed: Callable[[State], None] = lambda state: None) -> Breaker:
    # Without a spool whom the open circuit refuses may never call again: then look sooner.
    longest = settings.breaker_seconds if settings.spool_path else SECONDS_WITHOUT_SPOOL
    seconds = min(settings.breaker_seconds, longest)
    return Breaker(settings.breaker_failures, seconds, changed=changed)


def _offload(work: Callable[[], Any]) -> Any:
    """Run what blocks in gevent's thread pool, under gevent."""
    if monkey.is_module_patched("threading"):
        return gevent.get_hub().threadpool.apply(work)
    return work()


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
