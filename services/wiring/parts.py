"""What several processes are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import structlog
from gevent import monkey

from services.database import Database
from services.egress import Egress
from services.outage.breaker import Breaker, State
from services.outage.spool import Spool
from services.outgoing.store import OutgoingStore
from services.outgoing.vault import Vault
from services.settings import Settings
from services.shown_events import ShownEvents

SECONDS_WITHOUT_SPOOL = 2.0

log = structlog.get_logger()


def wire_shown(settings: Settings) -> ShownEvents:
    """Build what says which events browsers see."""
    return ShownEvents(patterns=settings.realtime_events)


def wire_store(settings: Settings, database: Database) -> OutgoingStore:
    """Build the tables of outgoing webhooks."""
    return OutgoingStore(database=database, vault=Vault(settings.webhook_secrets_keys))


def wire_egress(settings: Settings) -> Egress:
    """Build the way to customers' addresses."""
    if settings.webhook_allow_local:
        log.warning(
            "local webhooks",
            reason="WEBHOOK_ALLOW_LOCAL is 1: they may go to this machine, by http",
        )
    return Egress(allow_loopback=settings.webhook_allow_local)


def wire_spool(settings: Settings) -> Spool | None:
    """Build the spool, where there is one."""
    if settings.spool_path is None:
        return None
    return Spool(settings.spool_path, settings.spool_max_bytes, offload=_offload)


def wire_breaker(
    settings: Settings, changed: Callable[[State], None] = lambda state: None
) -> Breaker:
    """Build the circuit breaker; `changed` hears of each of its states."""
    # Without a spool whom the open circuit refuses may never call again: then look sooner.
    longest = settings.breaker_seconds if settings.spool_path else SECONDS_WITHOUT_SPOOL
    seconds = min(settings.breaker_seconds, longest)
    return Breaker(settings.breaker_failures, seconds, changed=changed)


def _offload(work: Callable[[], Any]) -> Any:
    """Run what blocks in gevent's thread pool, under gevent."""
    if monkey.is_module_patched("threading"):
        return gevent.get_hub().threadpool.apply(work)
    return work()
