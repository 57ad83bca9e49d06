"""Endpoints' secrets on their way into the database and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from cryptography.fernet import Fernet

from services.database import Database
from services.local.stack import LocalStack
from services.outgoing.store import OutgoingStore
from services.outgoing.vault import Vault
from services.settings import load_settings
from tests.database.conftest import MakeDatabase
from tests.database.endpoints import make_endpoint, new_owner, send
from tests.database.events import rows
from tests.database.schema import apply_sources

FIRST, SECOND = "whsec_Zmlyc3Q=", "whsec_c2Vjb25k"


@pytest.fixture(name="store")
def _store(stack: LocalStack) -> Iterator[OutgoingStore]:
    database = Database(load_settings(stack.env()))
    yield OutgoingStore(database=database, vault=Vault([Fernet.generate_key().decode()]))
    database.close()


def signed_with(store: OutgoingStore, endpoint: str) -> list[list[str]]:
    return [each["secrets"] for each in claimed(store, endpoint)]


def sent_with(store: OutgoingStore, endpoint: str) -> list[dict[str, str]]:
    return [each["headers"] for each in claimed(store, endpoint)]


def claimed(store: OutgoingStore, endpoint: str) -> list[dict[str, Any]]:
    wanted = {"claim": str(uuid4()), "most": 1000, "most_risky": 1000, "lease_seconds": 45.0}
    found = store.claim({**wanted, "rate": 100, "concurrency": 10})["deliveries"]
    return [each for each in found if each["endpoint_id"] == endpoint]


def test_the_database_holds_them_sealed_and_the_worker_has_them(
    db: psycopg.Connection, store: OutgoingStore
) -> None:
    owner = new_owner(db)
    made = store.create_endpoint(owner, {"url": "https://example.test/"}, FIRST, 10)
    endpoint = made["row"]["id"]
    store.rotate_secret(owner, endpoint, SECOND, 600.0)
    send(db, owner, endpoint)

    stored = rows(
        db, "select secret from private.endpoint_secrets where endpoint_id = %s", endpoint
    )
    assert len(stored) == 2
    assert all(row["secret"].startswith("sealed:") for row in stored)
    assert signed_with(store, endpoint) == [[SECOND, FIRST]]


def test_without_the_key_there_is_none_to_sign_with(
    db: psycopg.Connection, store: OutgoingStore
) -> None:
    owner = new_owner(db)
    made = store.create_endpoint(owner, {"url": "https://example.test/"}, FIRST, 10)
    send(db, owner, made["row"]["id"])

    assert signed_with(replace(store, vault=Vault()), made["row"]["id"]) == [[]]


def test_what_headers_say_is_sealed_and_the_worker_has_it(
    db: psycopg.Connection, store: OutgoingStore
) -> None:
    owner = new_owner(db)
    wanted = {"url": "https://example.test/", "headers": {"X-A": "one", "X-B": ""}}
    made = store.create_endpoint(owner, wanted, FIRST, 10)
    endpoint = made["row"]["id"]
    changed = store.change_endpoint(owner, endpoint, {"headers": {"X-A": None, "X-C": "three"}})
    send(db, owner, endpoint)

    stored = rows(db, "select value from private.endpoint_headers where endpoint_id = %s", endpoint)
    assert len(stored) == 2
    assert all(row["value"].startswith("sealed:") for row in stored)
    assert made["row"]["headers"] == {"X-A": None, "X-B": None}
    assert changed is not None
    assert changed["headers"] == {"X-A": None, "X-C": None}
    assert sent_with(store, endpoint) == [{"X-A": "one", "X-C": "three"}]


def test_without_the_key_a_sealed_header_is_not_sent(
    db: psycopg.Connection, store: OutgoingStore
) -> None:
    owner = new_owner(db)
    wanted = {"url": "https://example.test/", "headers": {"X-A": "one"}}
    endpoint = store.create_endpoint(owner, wanted, FIRST, 10)["row"]["id"]
    send(db, owner, endpoint)

    assert sent_with(replace(store, vault=Vault()), endpoint) == [{}]


def test_what_headers_said_before_it_was_secret_is_taken_out_of_the_row(
    new_database: MakeDatabase,
) -> None:
    url = new_database()
    apply_sources(url)
    with psycopg.connect(url, autocommit=True) as older:
        endpoint = make_endpoint(older, new_owner(older))
        older.execute("""update public.webhook_endpoints set headers = '{"X-A": "one"}'""")

    for _ in range(2):
        apply_sources(url)

    with psycopg.connect(url, autocommit=True) as newer:
        [shown] = rows(newer, "select headers, version from public.webhook_endpoints")
        [kept] = rows(newer, "select * from private.endpoint_headers")
    assert shown == {"headers": {"X-A": None}, "version": 3}
    assert (str(kept["endpoint_id"]), kept["name"], kept["value"]) == (endpoint, "X-A", "one")
