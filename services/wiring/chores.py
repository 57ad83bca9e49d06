"""The chores of the worker, put together."""

from __future__ import annotations

from services.chores.analysis import EVERY as ANALYSIS_EVERY
from services.chores.analysis import MARGIN, Analysis
from services.chores.chore import Chore
from services.chores.reconciled_events import secrets_of
from services.chores.reconciler import EVERY as RECONCILER_EVERY
from services.chores.reconciler import Reconciler
from services.chores.recordings import EVERY as RECORDINGS_EVERY
from services.chores.recordings import Recordings
from services.chores.retention import EVERY as RETENTION_EVERY
from services.chores.retention import Retention
from services.chores.storage import Storage
from services.clients.calendly import CalendlyClient
from services.clients.openai import ChatClient
from services.clients.tavus import TavusClient
from services.conversations.orphans import EVERY as ORPHANS_EVERY
from services.conversations.orphans import Orphans
from services.database import Database
from services.egress import Egress
from services.erasure.removal import EVERY as ERASURE_EVERY
from services.erasure.removal import Erasure
from services.events import WebhookEventProcessingService
from services.feedback.llm import LlmAnalyzer
from services.lookups import CachedLookups
from services.notifier.note import Note
from services.notifier.notifier import EVERY as ALERTS_EVERY
from services.notifier.notifier import Notifier
from services.notifier.outage import Outage
from services.notifier.targets import targets_of
from services.outage.spool import Spool
from services.outgoing.deliveries import TIDY_EVERY
from services.settings import OPENAI_BASE_URL, Settings
from services.subscriptions import EVERY as SUBSCRIPTIONS_EVERY
from services.subscriptions import Subscriptions
from services.telemetry.realtime import EVERY as REALTIME_EVERY
from services.telemetry.realtime import RealtimeBudget
from services.wiring.parts import wire_shown, wire_store
from services.writer import Writer


def wire_chores(settings: Settings, database: Database) -> tuple[Chore, ...]:
    """Build every chore that the settings ask for."""
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
        Chore(name="deliveries", every=TIDY_EVERY, work=wire_store(settings, database).tidy),
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
    recordings = wire_recordings(settings, database, settings.recordings_bucket)
    return (Chore(name="recordings", every=RECORDINGS_EVERY, work=recordings.work),)


def wire_recordings(settings: Settings, database: Database, bucket: str) -> Recordings:
    """Build what copies recordings into a bucket; without Twilio's key those of calls fail."""
    return Recordings(
        database=database,
        egress=Egress(),
        storage=Storage(settings),
        bucket=bucket,
        max_bytes=settings.recordings_max_bytes,
        twilio=_twilio_key(settings),
    )


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
            lookups=CachedLookups(database), shown=wire_shown(settings)
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
