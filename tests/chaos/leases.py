"""Workers whose leases end while they hold events: what they finish then is too late."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from tests.chaos.victim import Victim
from tests.forwarder import Forwarder
from tests.stack import never

FIRST = "worker"
WITHIN = 60.0
"""Seconds to catch a worker with events in its hands."""
TAKEN_WITHIN = 10.0
"""Seconds for another worker to take them: one that has found Supabase away waits for five."""

HELD = """
select id, claim_id from private.webhook_inbox
where claim_id is not null and state in ('received', 'failed')
"""
# Long due, so that they are the first to be given out again. What is being finished is passed over:
# else each would wait for what the other has locked.
END_LEASE = """
update private.webhook_inbox set next_attempt_at = now() - interval '1 day'
where id = any(array(
    select id from private.webhook_inbox where claim_id = %s for update skip locked
))
"""
END_LEASES = """
update private.webhook_inbox set next_attempt_at = now()
where id = any(array(
    select id from private.webhook_inbox where claim_id is not null for update skip locked
));
update private.delivery_queue set next_attempt_at = now()
where delivery_id = any(array(
    select delivery_id from private.delivery_queue where claim_id is not null
    for update skip locked
))
"""

Held = dict[str, str]
"""The claims of events, by the events' ids."""


@dataclass(slots=True)
class Fence:
    """How many events were taken over from a worker, and what came of its late finishes."""

    caught: int = 0
    refused: int = 0
    accepted: int = 0

    def add(self, other: Fence) -> None:
        """Count another's too."""
        self.caught += other.caught
        self.refused += other.refused
        self.accepted += other.accepted


def lose_leases(victim: Victim) -> Fence:
    """Stop a worker that holds events until another has taken them, then let it finish them.

    Nothing else may go wrong meanwhile. Nothing is caught when that does not come about in time.
    """
    _await(lambda: all(_is_ready(url) for url in victim.urls), WITHIN)
    deadline = time.monotonic() + WITHIN
    with psycopg.connect(victim.stack.database_url, autocommit=True) as db:
        while time.monotonic() < deadline:
            fence = _lose_leases(victim, db)
            if fence.caught:
                return fence
            never(0.3)
    return Fence()


def end_leases(database_url: str) -> None:
    """Make due what dead workers hold, so that nobody waits for it."""
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(END_LEASES)


def _lose_leases(victim: Victim, db: psycopg.Connection) -> Fence:
    """Try once. A worker asks for events every second, and may find none."""
    first, second = victim.worker_ways
    with _claims_held(first):
        claim = _claim_held(db, first)
        if claim is None:
            return Fence()
        worker = victim.stack.supervisor.pid(FIRST)
        os.kill(worker, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + TAKEN_WITHIN
        while time.monotonic() < deadline:
            with _claims_held(second):
                taken = _taken_from(db, claim)
                if taken:
                    return _finish_late(victim, db, worker, taken)
            if claim not in _held(db).values():
                break
            never(0.05)
        return Fence()
    finally:
        os.kill(worker, signal.SIGCONT)


def _finish_late(victim: Victim, db: psycopg.Connection, worker: int, taken: Held) -> Fence:
    """Let the stopped worker finish what another holds; see that this changes nothing."""
    log = victim.stack.state.log(FIRST)
    offset = log.stat().st_size
    os.kill(worker, signal.SIGCONT)
    _await(lambda: bool(_refused(log, offset)), 3.0)
    held, refused = _held(db), _refused(log, offset)
    accepted = {event for event, claim in taken.items() if held.get(event) != claim}
    late = refused & taken.keys()
    return Fence(caught=len(late | accepted), refused=len(late), accepted=len(accepted))


def _claim_held(db: psycopg.Connection, way: Forwarder) -> str | None:
    """Wait for a claim whose claimer does not know of it yet."""
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        for claim in set(_held(db).values()):
            if way.holds(claim.encode()):
                return claim
        never(0.05)
    return None


def _taken_from(db: psycopg.Connection, claim: str) -> Held:
    """End a claim's lease; return which of its events another claim holds soon."""
    events = {event for event, by in _held(db).items() if by == claim}
    db.execute(END_LEASE, [claim])
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        held = _held(db)
        taken = {event: held[event] for event in events & held.keys() if held[event] != claim}
        if taken:
            return taken
        never(0.1)
    return {}


def _held(db: psycopg.Connection) -> Held:
    return {str(event): str(claim) for event, claim in db.execute(HELD).fetchall()}


def _refused(log: Path, offset: int) -> set[str]:
    """Return the events whose finish came too late, by the worker's log from there on."""
    with log.open("rb") as file:
        file.seek(offset)
        entries = [json.loads(line) for line in file.read().splitlines() if line.endswith(b"}")]
    attempts = [entry for entry in entries if entry.get("event") == "attempt"]
    return {entry["event_id"] for entry in attempts if entry["outcome"] == "lost"}


@contextmanager
def _claims_held(way: Forwarder) -> Iterator[None]:
    """Let events be claimed, and the claimer know of it only afterwards."""
    way.mode = "hold answers"
    try:
        yield
    finally:
        way.mode = "pass"


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _await(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, that long at most."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        never(0.1)
