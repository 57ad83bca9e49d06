"""`convohooks replay`: by id, by a filter, or every dead one; in batches."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from subprocess import CompletedProcess

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.command import convohooks
from tests.database.events import event, new_conversation_id, receive, rows

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(name="run")
def _run(stack: LocalStack) -> Run:
    env = {**os.environ, **stack.env(), "COLUMNS": "200"}
    return lambda *arguments: convohooks("replay", *arguments, env=env)


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection) -> str:
    """A conversation with five dead events and a handled one."""
    conversation_id = new_conversation_id()
    receive(db, *(event(conversation_id, f"fact:{n}") for n in range(6)))
    db.execute(
        "update private.webhook_inbox set state = case when event_key like '%%:5'"
        " then 'processed' else 'dead' end where conversation_id = %s",
        [conversation_id],
    )
    return conversation_id


def due(db: psycopg.Connection, conversation_id: str) -> list[str]:
    query = "select right(event_key, 1) n from private.webhook_inbox where state = 'received'"
    found = rows(db, f"{query} and conversation_id = %s order by 1", conversation_id)
    return [row["n"] for row in found]


def ids(db: psycopg.Connection, conversation_id: str) -> list[str]:
    query = "select id from private.webhook_inbox where conversation_id = %s order by event_key"
    return [str(row["id"]) for row in rows(db, query, conversation_id)]


def test_events_are_named_by_their_ids(run: Run, db: psycopg.Connection, conversation: str) -> None:
    first, second, *_ = ids(db, conversation)

    done = run(first, second, "--json")

    assert json.loads(done.stdout) == {"replayed": 2}
    assert due(db, conversation) == ["0", "1"]


def test_a_filter_means_dead_events_in_batches(
    run: Run, db: psycopg.Connection, conversation: str
) -> None:
    done = run("--conversation", conversation, "--batch", "2")

    assert (done.returncode, done.stdout) == (0, "5 replayed.\n")
    assert due(db, conversation) == ["0", "1", "2", "3", "4"]


def test_any_state_is_replayed_once_though_it_stays_in_the_filter(
    run: Run, db: psycopg.Connection, conversation: str
) -> None:
    done = run("--conversation", conversation, "--state", "", "--batch", "2", "--json")

    assert json.loads(done.stdout) == {"replayed": 6}


def test_all_means_every_dead_one(run: Run, db: psycopg.Connection, conversation: str) -> None:
    [dead] = rows(
        db,
        "select count(*) n from private.webhook_inbox where state = 'dead' and pruned_at is null",
    )

    done = run("--all", "--json")

    assert json.loads(done.stdout) == {"replayed": dead["n"]}
    assert due(db, conversation) == ["0", "1", "2", "3", "4"]


def test_what_cannot_be_replayed_is_told(
    run: Run, db: psycopg.Connection, conversation: str
) -> None:
    done = run(ids(db, conversation)[0], str(uuid.uuid4()))

    assert done.returncode == 1
    assert "1 of 2 replayed" in done.stderr


UNPLAIN = ((), ("--all", "--source", "tavus"), (str(uuid.uuid4()), "--all"), ("--state", "gone"))


@pytest.mark.parametrize("arguments", UNPLAIN)
def test_what_is_meant_must_be_plain(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2
