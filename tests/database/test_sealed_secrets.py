"""Endpoints' secrets on their way into the database and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
from cryptography.fernet import Fernet

from services.database import Database
from services.local.stack import LocalStack
from services.outgoing.store import OutgoingStore
from services.outgoing.vault import Vault
from services.settings import load_settings
from tests.database.endpoints import new_owner, send
from tests.database.events import rows

FIRST, SECOND = "whsec_Zmlyc3Q=", "whsec_c2Vjb25k"


@pytest.fixture(name="store")
def _store(stack: LocalStack) -> Iterator[OutgoingStore]:
    database = Database(load_settings(stack.env()))
    yield OutgoingStore(database=database, vault=Vault([Fernet.generate_key().decode()]))
    database.close()


def signed_with(store: OutgoingStore, endpoint: str) -> list[list[str]]:
    wanted = {"claim": str(uuid4()), "most": 1000, "most_risky": 1000, "lease_seconds": 45.0}
    claimed = store.claim({**wanted, "rate": 100, "concurrency": 10})["deliveries"]
    return [each["secrets"] for each in claimed if each["endpoint_id"] == endpoint]


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
