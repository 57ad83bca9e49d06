"""Under load, whatever goes wrong: nothing acknowledged is lost, and nothing is done twice.

Who wants to be told of what was committed has heard all of it, each webhook with one body.

`make chaos` runs this for longer: CHAOS_SECONDS, and CHAOS_SEED to repeat a run. In a run of less
than a minute every fault happens once or a few times.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import Counter

import psycopg

from services.local.state import State
from services.outage.spool import Counts, Spool
from tests.chaos import books, hearing
from tests.chaos.faults import carry_out
from tests.chaos.leases import end_leases
from tests.chaos.listeners import listen
from tests.chaos.load import SPOOL_REFUSES, SPOOLED, Load
from tests.chaos.plan import BLOWS, SPELLS, make_plan
from tests.chaos.report import show, show_account, show_hearing
from tests.chaos.victim import Victim, victim
from tests.stack import TESTS, never

SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(2**32))))
SETTLED_WITHIN = 90.0
UNSETTLED = """
select state, count(*) from private.webhook_inbox group by state
union all
select 'untold', count(*) from private.delivery_queue
"""
LEFT = {"received", "failed", "spooled", "unreachable", "untold"}


def until_settled(victim: Victim) -> None:
    """Wait until no event is left to be sent or tried again, and nobody to be told."""
    deadline = time.monotonic() + SETTLED_WITHIN
    spool = Spool(victim.disk.spool)
    while "unreachable" in _left(victim, spool):
        assert time.monotonic() < deadline
        never(0.5)
    end_leases(victim.stack.database_url)
    while (left := _left(victim, spool)).keys() & LEFT:
        assert time.monotonic() < deadline, left
        never(0.5)
    assert spool.count() == Counts(spooled=0, unsendable=0)
    spool.close()


def _left(victim: Victim, spool: Spool) -> Counter[str]:
    try:
        with psycopg.connect(victim.stack.database_url) as connection:
            states = dict(connection.execute(UNSETTLED).fetchall())
    except psycopg.OperationalError:
        states = {"unreachable": 1}
    return +Counter({**states, "spooled": spool.count().spooled})


def test_nothing_is_lost_and_nothing_is_done_twice() -> None:
    plan = make_plan(SEED, SECONDS)
    with victim(State(TESTS / secrets.token_hex(4)), SEED) as it:
        books.watch(it.stack.database_url)
        hearing.watch(it.stack.database_url)
        owner = listen(it.stack.database_url, it.receiver)

        with Load(it.urls, it.stack.database_url, owner, SEED) as load:
            happened, fence = carry_out(plan, it, load)
        until_settled(it)
        found = books.read(it.stack.database_url)
        account = books.settle(load, found)
        outbox = hearing.read(it.stack.database_url)
        heard = hearing.settle(outbox, load.author.written, it.receiver.calls)

        show(SEED, plan, happened, it.disk.kind)
        show_account(load, found, account, fence)
        show_hearing(outbox, heard, it.receiver)

    assert account == books.Account()
    assert heard == hearing.Hearing()
    assert it.receiver.forged == []
    assert fence.accepted == 0
    assert {fault for fault in (*BLOWS, *SPELLS) if not happened[fault]} == set()
    assert {said for said in load.answers if said.startswith(("4", "500"))} == set()
    assert load.times(SPOOLED) > 0
    assert load.times(SPOOL_REFUSES) > 0
    assert len(load.acknowledged) > 50
    assert len(it.receiver.calls) > 50
    assert {status for _, status in load.author.written} == {"RECEIVED", "PROCESSED"}
