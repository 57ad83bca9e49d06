"""What goes wrong, on purpose."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
import psycopg

from services.local.errors import LocalStackError
from tests.chaos.leases import Fence, lose_leases
from tests.chaos.listeners import is_sending
from tests.chaos.load import SPOOL_REFUSES, SPOOLED, Load
from tests.chaos.plan import FULL_DISK, KILL_SENDING, LOST_LEASES, OUTAGE, Plan, Step
from tests.chaos.victim import Victim
from tests.forwarder import Mode
from tests.stack import never

TERMINATE = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid <> pg_backend_pid() and backend_type = 'client backend'"
)
NETWORKS: dict[str, Mode] = {
    "drop answers": "drop answers",
    "reset connections": "reset",
    "delay answers": "delay answers",
    OUTAGE: "refuse",
    FULL_DISK: "refuse",
}
ANSWERED_WITHIN = 40.0
STRUCK_WITHIN = 10.0
CAUGHT_WITHIN = 30.0
"""Seconds to catch a worker that sends: who has found Supabase away claims nothing for a while."""
WORKERS = ("worker", "second worker")
WEB_PROCESSES = {"kill a web process": "service", "kill a spooling web process": "spooler"}


def carry_out(plan: Plan, victim: Victim, load: Load) -> tuple[Counter[str], Fence]:
    """Let everything planned happen; return how often each fault did, and what the fence did."""
    happened: Counter[str] = Counter()
    fence = Fence()
    with ThreadPoolExecutor() as tracks:
        spells = tracks.submit(_suffer, plan.spells, victim, load, happened, fence)
        for step in plan.blows:
            never(step.calm)
            with victim.calm:
                happened[step.fault] += _strike(victim, step.fault)
        spells.result()
    return happened, fence


def _strike(victim: Victim, fault: str) -> bool:
    """Let a blow fall; what was struck a moment ago may not be back yet."""
    seconds = CAUGHT_WITHIN if fault == KILL_SENDING else STRUCK_WITHIN
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(ProcessLookupError, psutil.Error, psycopg.Error, LocalStackError):
            _happen(victim, fault)
            return True
        never(0.1)
    return False


def _happen(victim: Victim, fault: str) -> None:
    pid = victim.stack.supervisor.pid
    if fault == "terminate backends":
        with psycopg.connect(victim.stack.database_url, autocommit=True) as connection:
            connection.execute(TERMINATE)
    elif fault in WEB_PROCESSES:
        child = next(iter(psutil.Process(pid(WEB_PROCESSES[fault])).children()), None)
        if child is None:
            raise ProcessLookupError
        child.kill()
    elif fault == KILL_SENDING:
        os.kill(_sending_worker(victim), signal.SIGKILL)
    elif fault == "restart postgres":
        # What `pg_ctl restart -m fast` sends; the supervisor does the rest of it.
        os.kill(pid("postgres"), signal.SIGINT)
    else:
        os.kill(pid(fault.removeprefix("kill ")), signal.SIGKILL)


def _sending_worker(victim: Victim) -> int:
    """Return a worker that is in the middle of a delivery."""
    workers = [victim.stack.supervisor.pid(name) for name in WORKERS]
    sending = [pid for pid in workers if is_sending(pid, victim.receiver)]
    if not sending:
        raise ProcessLookupError
    return sending[0]


def _suffer(
    spells: tuple[Step, ...], victim: Victim, load: Load, happened: Counter[str], fence: Fence
) -> None:
    for step in spells:
        never(step.calm)
        if step.fault == LOST_LEASES:
            with victim.calm:
                lost = lose_leases(victim)
            fence.add(lost)
            happened[step.fault] += lost.caught > 0
        else:
            happened.update(_worsen_network(step, victim, load))


def _worsen_network(step: Step, victim: Victim, load: Load) -> Iterator[str]:
    """Yield what happened: a full disk is an outage too, else nobody would need the disk."""
    with victim.networks(NETWORKS[step.fault]):
        if step.fault not in (OUTAGE, FULL_DISK):
            never(step.seconds)
            yield step.fault
            return
        with _until_answered(load, SPOOLED):
            never(step.seconds)
        yield OUTAGE
        if step.fault == FULL_DISK:
            # There may be room left in the spool's own files.
            with victim.disk.full(), _until_answered(load, SPOOL_REFUSES):
                yield FULL_DISK
        # Who has spooled dies before it can send anything on.
        _strike(victim, "kill spooler")


@contextmanager
def _until_answered(load: Load, start: str) -> Iterator[None]:
    """Leave only when somebody was answered like that, or nobody will be."""
    before = load.times(start)
    yield
    deadline = time.monotonic() + ANSWERED_WITHIN
    while load.times(start) == before and time.monotonic() < deadline:
        never(0.2)
