"""Under load, whatever is killed: nothing acknowledged is lost, and nothing is done twice.

`make chaos` runs this for longer: CHAOS_SECONDS, and CHAOS_SEED to repeat a run.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from services.local import application
from services.local.parts import Part
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack, discard, local_stack, watched
from services.local.state import State, remove_tree
from tests.chaos.faults import strike
from tests.chaos.load import Load
from tests.stack import TESTS, never, unused_backend
from tests.web.caller import SETTINGS

SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(2**32))))
SETTLED_WITHIN = 90.0

ACCOUNT = """
select i.conversation_id || '/' || (convert_from(i.body, 'UTF8')::json ->> 'seq') as name, i.state,
    (select count(*) from public.processed_webhook_events e
        where e.conversation_id = i.conversation_id
            and e.event_data ->> 'seq' = convert_from(i.body, 'UTF8')::json ->> 'seq'),
    (select count(*) from public.conversation_messages m
        where m.conversation_id = i.conversation_id
            and m.content = convert_from(i.body, 'UTF8')::json #>> '{properties,speech}')
from private.webhook_inbox i where i.conversation_id = any(%s)
"""


@dataclass(frozen=True, slots=True)
class Victim:
    """A stack of its own, with service and worker, brought back by its supervisor."""

    stack: LocalStack
    url: str


@pytest.fixture(name="victim")
def _victim() -> Iterator[Victim]:
    state = State(TESTS / secrets.token_hex(4))
    port = free_port()

    def beside(stack: LocalStack) -> list[Part]:
        env = {**stack.env(), **SETTINGS, "REQUEST_TIMEOUT": "30"}
        return [application.service(env, port), application.worker(env)]

    try:
        with (
            local_stack(state, unused_backend(), pause=never, beside=beside) as stack,
            watched(stack),
        ):
            yield Victim(stack, f"http://{HOST}:{port}")
    finally:
        discard(state)
        remove_tree(state.folder)


def settled(victim: Victim, conversations: list[str]) -> dict[str, tuple[str, int, int]]:
    """Wait until no event is left to be tried again; return each with its effects."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while True:
        try:
            with psycopg.connect(victim.stack.database_url) as connection:
                found = connection.execute(ACCOUNT, [conversations]).fetchall()
        except psycopg.OperationalError:
            found = [("", "failed", 0, 0)]
        if all(row[1] not in ("failed", "received") for row in found):
            return {row[0]: (row[1], row[2], row[3]) for row in found}
        assert time.monotonic() < deadline, Counter(row[1] for row in found)
        never(0.5)


def test_nothing_is_lost_and_nothing_is_done_twice(victim: Victim) -> None:
    chance = random.Random(SEED)
    faults: Counter[str] = Counter()
    with Load(victim.url) as load:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            never(chance.uniform(0.3, 2.5))
            faults[strike(victim.stack, chance)] += 1

    stored = settled(victim, load.conversations)

    lost = load.acknowledged - set(stored)
    doubled = {name for name, (_, shown, said) in stored.items() if shown > 1 or said > 1}
    halves = {name for name, (_, shown, said) in stored.items() if shown < 1 or said < 1}
    print(
        f"\nseed {SEED}: sent {len(load.sent)}, acknowledged {len(load.acknowledged)},"
        f" stored {len(stored)}, lost {len(lost)}, doubled {len(doubled)}, {dict(faults)}"
    )
    assert len(load.acknowledged) > 50
    assert (lost, doubled, halves) == (set(), set(), set())
