"""Who may send callbacks: every door, and every way to rattle it."""

from __future__ import annotations

import json
import uuid

import psycopg
import pytest

from tests.database.events import make_conversation, new_conversation_id, rows
from tests.web.caller import (
    FUNCTION,
    KEY,
    OLD_SECRET,
    OLD_TOKEN,
    QUALIFICATION,
    SECRET,
    TAVUS,
    TOKEN,
    Caller,
    conversation_query,
    joined,
    signature,
)


def stored(db: psycopg.Connection, conversation_id: str) -> int:
    inbox = rows(
        db, "select 1 from private.webhook_inbox where conversation_id = %s", conversation_id
    )
    return len(inbox)


@pytest.mark.parametrize("path", [TAVUS, QUALIFICATION, FUNCTION])
def test_call_without_proof_is_401_and_stores_nothing(
    caller: Caller, db: psycopg.Connection, path: str
) -> None:
    conversation = new_conversation_id()

    answer = caller.send(joined(conversation), path=path, query={})

    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stored(db, conversation) == 0


@pytest.mark.parametrize("token", [TOKEN, OLD_TOKEN])
def test_every_valid_static_token_opens(caller: Caller, db: psycopg.Connection, token: str) -> None:
    conversation = new_conversation_id()

    answer = caller.send(joined(conversation), query={"t": token})

    assert answer.status_code == 200
    assert stored(db, conversation) == 1


@pytest.mark.parametrize(
    "token",
    [
        "",
        " ",
        TOKEN[:-1],
        TOKEN + "x",
        f"{TOKEN},{OLD_TOKEN}",
        TOKEN.upper(),
        "é",
        "\x00",
        "a" * 5000,
    ],
)
def test_wrong_token_is_401(caller: Caller, token: str) -> None:
    answer = caller.send(joined(new_conversation_id()), query={"t": token})

    assert answer.status_code == 401


def test_undecodable_query_is_401(caller: Caller) -> None:
    assert caller.http.post(f"{TAVUS}?t=%ff%fe&c=%00", content=b"{}").status_code == 401
    assert caller.http.post(f"{TAVUS}?t[]=x&&&=;", content=b"{}").status_code == 401


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
@pytest.mark.parametrize("prefix", ["", "sha256="])
@pytest.mark.parametrize("header", ["X-Tavus-Signature", "Tavus-Signature"])
def test_valid_signature_opens_without_a_token(
    caller: Caller, secret: str, prefix: str, header: str
) -> None:
    body = json.dumps(joined(new_conversation_id())).encode()
    signed = signature(body, secret)["X-Tavus-Signature"]

    answer = caller.send(body, query={}, headers={header: prefix + signed})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "wrong", ["zz", "sha256=", "", "0" * 64, "sha256=é".encode().decode("latin-1")]
)
def test_wrong_signature_is_401_even_with_a_valid_token(
    caller: Caller, db: psycopg.Connection, wrong: str
) -> None:
    conversation = new_conversation_id()

    answer = caller.send(
        joined(conversation), headers={"X-Tavus-Signature": wrong.encode("latin-1")}
    )

    assert answer.status_code == 401
    assert stored(db, conversation) == 0


def test_one_wrong_signature_of_two_is_401(caller: Caller) -> None:
    body = json.dumps(joined(new_conversation_id())).encode()

    answer = caller.send(body, headers={**signature(body), "Tavus-Signature": "0" * 64})

    assert answer.status_code == 401


def test_conversation_token_opens_its_conversation(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    row = make_conversation(db, conversation)

    answer = caller.send(joined(conversation), query=conversation_query(row))

    assert answer.status_code == 200
    [found] = rows(db, "select started_at from public.conversations where id = %s", row)
    assert found["started_at"] is not None


def test_conversation_token_binds_an_early_callback(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    row = make_conversation(db, None)

    answer = caller.send(joined(conversation), query=conversation_query(row))

    assert answer.status_code == 200
    [found] = rows(db, "select conversation_id from public.conversations where id = %s", row)
    assert found["conversation_id"] == conversation


def test_conversation_token_opens_no_other_conversation(
    caller: Caller, db: psycopg.Connection
) -> None:
    mine, other = new_conversation_id(), new_conversation_id()
    row = make_conversation(db, mine)
    make_conversation(db, other)

    answer = caller.send(joined(other), query=conversation_query(row))

    assert answer.status_code == 401
    assert stored(db, other) == 0
    [found] = rows(
        db, "select started_at from public.conversations where conversation_id = %s", other
    )
    assert found["started_at"] is None


def test_forged_conversation_tokens_are_401(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    row = make_conversation(db, conversation)
    other = make_conversation(db, new_conversation_id())
    good = conversation_query(row)

    forgeries = [
        conversation_query(row, "another key"),
        {"c": other, "t": good["t"]},
        {"c": row, "t": TOKEN},
        {"c": row},
        {"c": "not a uuid", "t": good["t"]},
        {"c": "", "t": TOKEN},
        {"t": good["t"]},
        {"c": row, "t": KEY},
    ]

    answers = [caller.send(joined(conversation), query=forgery) for forgery in forgeries]
    assert [answer.status_code for answer in answers] == [401] * len(forgeries)
    assert stored(db, conversation) == 0


def test_token_of_a_row_that_is_gone_is_401(caller: Caller) -> None:
    answer = caller.send(joined(new_conversation_id()), query=conversation_query(str(uuid.uuid4())))

    assert answer.status_code == 401


def test_secrets_are_in_no_table(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    row = make_conversation(db, conversation)
    query = conversation_query(row)
    url = f"https://hooks.example.test/api/tavus/webhook?c={row}&t={query['t']}"
    shutdown = {
        **joined(conversation, webhook_url=url),
        "event_type": "system.shutdown",
        "properties": {"shutdown_reason": f"see {url}", "nested": {"webhook_url": url}},
    }

    caller.send(shutdown, query=query)
    caller.send(joined(conversation, note=f"token {TOKEN}"))
    caller.send(b'{"broken": "' + TOKEN.encode(), query={"t": TOKEN})
    signed = json.dumps({**shutdown, "callback_url": f"https://hooks.example.test?t={TOKEN}"})
    caller.send(signed.encode(), query={}, headers=signature(signed.encode()))
    cut = f'{{"webhook_url": "{url}"'.encode()
    caller.send(cut, query={}, headers=signature(cut))

    tables = rows(
        db,
        "select format('%%I.%%I', schemaname, tablename) as name from pg_tables"
        " where schemaname in ('public', 'private')",
    )
    assert len(tables) > 10
    for table in tables:
        # bytea is read as text too: stored bodies are what this is about.
        found = db.execute(
            f"select t::text from {table['name']} t where t::text like any(%s)",
            [
                [f"%{secret}%" for secret in (query["t"], TOKEN)]
                + [f"%{secret.encode().hex()}%" for secret in (query["t"], TOKEN)]
            ],
        ).fetchall()
        assert found == [], table["name"]
    [projection] = rows(
        db,
        "select event_data from public.processed_webhook_events"
        " where conversation_id = %s and event_type = 'system.shutdown'",
        conversation,
    )
    assert "webhook_url" not in json.dumps(projection["event_data"])


def test_wrong_token_beside_a_signature_does_not_change_what_was_signed(
    caller: Caller, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    body = json.dumps(joined(conversation, note="eee")).encode()

    answer = caller.send(body, query={"t": "e"}, headers=signature(body))

    assert answer.status_code == 200
    [stored] = rows(
        db, "select body from private.webhook_inbox where conversation_id = %s", conversation
    )
    assert json.loads(stored["body"])["note"] == "eee"
