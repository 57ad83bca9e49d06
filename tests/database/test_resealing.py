"""A change of WEBHOOK_SECRETS_KEY: `convohooks reseal`, and then the older key may go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from services.database import Database
from services.local.stack import LocalStack
from services.outgoing.store import OutgoingStore
from services.outgoing.vault import Vault
from services.settings import load_settings
from tests.command import convohooks
from tests.database.endpoints import new_owner
from tests.database.events import rows

SECRET, CREDENTIAL = "whsec_b2Ygb25lIGVuZHBvaW50", "Bearer of-a-receiver"


def new_key() -> str:
    return Fernet.generate_key().decode()


MakeStore = Callable[..., OutgoingStore]


@pytest.fixture(name="store_of")
def _store_of(stack: LocalStack) -> Iterator[MakeStore]:
    database = Database(load_settings(stack.env()))
    yield lambda *keys: OutgoingStore(database=database, vault=Vault(keys))
    database.close()


def made(db: psycopg.Connection, store: OutgoingStore) -> str:
    wanted = {"url": "https://example.test/", "headers": {"Authorization": CREDENTIAL}}
    told = store.create_endpoint(new_owner(db), wanted, SECRET, 10)
    endpoint: str = told["row"]["id"]
    return endpoint


def stored(db: psycopg.Connection, endpoint: str) -> list[str]:
    return [
        row["value"]
        for row in rows(
            db,
            "select secret as value from private.endpoint_secrets where endpoint_id = %s"
            " union all select value from private.endpoint_headers where endpoint_id = %s",
            endpoint,
            endpoint,
        )
    ]


def resealed(stack: LocalStack, *keys: str) -> tuple[dict[str, Any], str]:
    """Return what the command counts; other tests' endpoints are in it, under keys of their own."""
    env = {**stack.env(), "WEBHOOK_SECRETS_KEY": ",".join(keys)}
    done = convohooks("reseal", "--json", env=env)
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if told["unreadable"] else 0)
    return told, done.stderr


def test_the_older_key_may_go_once_all_is_sealed_anew(
    stack: LocalStack, db: psycopg.Connection, store_of: MakeStore
) -> None:
    old, new = new_key(), new_key()
    resealed(stack, new)  # what other tests have stored without a key
    endpoint = made(db, store_of(old))
    before = stored(db, endpoint)
    assert Vault([new]).opened(before) == []

    first, _ = resealed(stack, new, old)
    after = stored(db, endpoint)
    second, _ = resealed(stack, new)

    assert Vault([new]).opened(after) == [SECRET, CREDENTIAL]
    assert Vault([old]).opened(after) == []
    assert first["resealed"] == 2
    assert second == {**first, "fresh": first["fresh"] + 2, "resealed": 0}
    assert stored(db, endpoint) == after


def test_what_was_stored_without_a_key_is_sealed(
    stack: LocalStack, db: psycopg.Connection, store_of: MakeStore
) -> None:
    endpoint, key = made(db, store_of()), new_key()
    assert stored(db, endpoint) == [SECRET, CREDENTIAL]

    resealed(stack, key)

    assert all(value.startswith("sealed:") for value in stored(db, endpoint))
    assert Vault([key]).opened(stored(db, endpoint)) == [SECRET, CREDENTIAL]


def test_people_are_told_how_many_were_sealed(
    stack: LocalStack, db: psycopg.Connection, store_of: MakeStore
) -> None:
    key = new_key()
    env = {**stack.env(), "WEBHOOK_SECRETS_KEY": key}
    known, _ = resealed(stack, key)
    made(db, store_of())

    done = convohooks("reseal", env=env)

    assert done.stdout == f"2 sealed anew, {known['fresh'] + known['resealed']} were already.\n"


def test_what_no_key_opens_is_counted_and_left_alone(
    stack: LocalStack, db: psycopg.Connection, store_of: MakeStore
) -> None:
    key = new_key()
    known, _ = resealed(stack, key)
    endpoint = made(db, store_of(new_key()))
    before = stored(db, endpoint)

    told, said = resealed(stack, key)

    assert told["unreadable"] == known["unreadable"] + 2
    assert "can be opened by no key that is set: keep the older keys" in said
    assert stored(db, endpoint) == before


def test_what_changed_meanwhile_stays_as_it_has_become(
    db: psycopg.Connection, store_of: MakeStore
) -> None:
    store = store_of(new_key())
    endpoint = made(db, store)
    [place] = [
        each["place"] for each in store.sealed_values("header ", 1000) if endpoint in each["place"]
    ]

    assert store.reseal_values([{"place": place, "was": "something else", "value": "x"}]) == 0
    assert store.reseal_values([{"place": "secret nothing", "was": "x", "value": "x"}]) == 0
    assert Vault(()).opened(stored(db, endpoint)) == []


def test_every_page_is_read(db: psycopg.Connection, store_of: MakeStore) -> None:
    store = store_of(new_key())
    for _ in range(3):
        made(db, store)
    everything, place = [], ""
    while page := store.sealed_values(place, 2):
        assert len(page) <= 2
        everything += page
        place = page[-1]["place"]

    assert everything == store.sealed_values("", 1000)
    assert len(everything) >= 6


def test_without_a_key_there_is_nothing_to_seal_with(stack: LocalStack) -> None:
    done = convohooks("reseal", env={**stack.env(), "WEBHOOK_SECRETS_KEY": ""})

    assert done.returncode == 1
    assert "WEBHOOK_SECRETS_KEY is not set." in done.stderr
