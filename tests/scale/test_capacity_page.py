"""What docs/capacity.md says: of the disk, and of the example."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pytest

from bench import capacity
from bench.callbacks import body, numbered
from services.inbound import Inbound
from services.local.stack import LocalStack
from services.outage import mounts
from services.outage.spool import MAX_BYTES, Spool
from services.providers.tavus import TAVUS
from services.settings import load_settings
from services.wiring.web import wire
from tests.database.events import make_conversation, new_conversation_id
from tests.in_process import EVENT_ID, client, settings_of
from tests.in_process import TOKEN as TOKEN_HERE
from tests.scale.fleet import at_once
from tests.web.caller import SETTINGS, TOKEN
from tests.web.caller import TAVUS as PATH

EVENTS, COPIES = 128, 60
PAGE = Path("docs/capacity.md")
# What is of a row's own, as nothing else may have it too.
OWN = {
    "private.webhook_inbox": {
        "id": "gen_random_uuid()",
        "seq": "1000000 + n * 1000 + t.seq",
        "event_key": "t.event_key || n",
    },
    "public.processed_webhook_events": {
        "id": "gen_random_uuid()",
        "seq": "1000000 + n * 1000 + t.seq",
        "event_hash": "encode(sha256((t.event_hash || n)::bytea), 'hex')",
    },
    "public.conversation_messages": {
        "id": "gen_random_uuid()",
        "message_id": "t.message_id || n",
    },
}
PRUNED = {"body": "''", "headers": "'{}'", "effects": "null", "pruned_at": "now()"}


@pytest.fixture(name="conversation", scope="module")
def _conversation(stack: LocalStack) -> str:
    """A conversation of which the service has stored utterances of half a kilobyte."""
    conversation = new_conversation_id()
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        make_conversation(db, conversation)
    services = wire(load_settings({**stack.env(), **SETTINGS}))
    receive = partial(services.webhooks.receive, provider=TAVUS)
    receipts = at_once(partial(receive, call) for call in utterances(conversation))
    services.database.close()
    assert {receipt.outcome for receipt in receipts} == {"new"}
    return conversation


def utterances(conversation: str) -> list[Inbound]:
    """Return the callbacks of which the benchmark sends many."""
    said = body(conversation, secrets.token_hex(4))
    return [call(numbered(said, number)) for number in range(EVENTS)]


def call(content: bytes) -> Inbound:
    return Inbound(
        method="POST",
        path=PATH,
        query={"t": TOKEN},
        headers={"content-type": "application/json", "user-agent": "python-requests/2.32"},
        body=content,
        received_at=datetime.now(UTC),
    )


def bytes_of_a_row(
    db: psycopg.Connection, table: str, conversation: str, own: dict[str, str]
) -> float:
    """Return what one of many such rows takes, with its share of all indexes."""
    db.execute(f"create temp table copied (like {table} including indexes including storage)")
    names = [
        column.name for column in db.execute(f"select * from {table} limit 0").description or ()
    ]
    values = ", ".join(own.get(name, f"t.{name}") for name in names)
    db.execute(
        f"insert into copied ({', '.join(names)}) select {values} from {table} t,"
        " generate_series(1, %s) n where t.conversation_id = %s order by random()",
        [COPIES, conversation],
    )
    row = db.execute(
        "select pg_total_relation_size('copied')::float8 / count(*), count(*) from copied"
    ).fetchone()
    db.execute("drop table copied")
    assert row is not None
    assert row[1] == EVENTS * COPIES
    return float(row[0])


def told(name: str) -> float:
    """Return the bytes that the page tells of a row of a table."""
    found = re.search(rf"^\| `{name}.*?\| ([\d,]+) B ", PAGE.read_text(), re.MULTILINE)
    assert found is not None, name
    return float(found[1].replace(",", ""))


@pytest.mark.parametrize("table", OWN)
def test_page_tells_the_bytes_of_a_row(
    db: psycopg.Connection, conversation: str, table: str
) -> None:
    measured = bytes_of_a_row(db, table, conversation, OWN[table])

    print(table, measured)
    assert measured == pytest.approx(told(table.partition(".")[2]), rel=0.15)


def test_page_tells_what_is_left_of_an_event_without_its_body(
    db: psycopg.Connection, conversation: str
) -> None:
    own = {**OWN["private.webhook_inbox"], **PRUNED}
    measured = bytes_of_a_row(db, "private.webhook_inbox", conversation, own)

    print("pruned", measured)
    assert measured == pytest.approx(told("webhook_inbox` without its body"), rel=0.15)


def test_page_tells_how_many_events_the_spool_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many a /tmp lies in memory.
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    spool = Spool(tmp_path / "spool.db")

    def keep(batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        for row in batch:
            spool.put(row)
        return [{"outcome": "new", "known": True, "id": EVENT_ID} for _ in batch]

    sender = client(settings_of(), receive=keep)
    for inbound in utterances(new_conversation_id()):
        answer = sender.post(PATH, query_string={"t": TOKEN_HERE}, data=inbound.body)
        assert answer.status_code == 200
    held = MAX_BYTES / (spool.used_bytes() / EVENTS)

    found = re.search(r"hold some ([\d,]+) callbacks", PAGE.read_text())
    assert found is not None
    print("spool", held)
    assert held == pytest.approx(float(found[1].replace(",", "")), rel=0.15)


def test_page_shows_the_last_results_of_the_benchmark() -> None:
    results = json.loads(capacity.RESULTS.read_text())

    assert capacity.table(results) in PAGE.read_text()


def test_example_leaves_half_of_a_web_process_free() -> None:
    [stored] = [
        row for row in json.loads(capacity.RESULTS.read_text()) if row["name"] == capacity.STORED
    ]

    assert median(stored["pair"]["ours"]) / 2 > 1000 * 20 / 60
