"""Watchers, and people with conversations for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.client.watcher import Watcher
from tests.e2e.accounts import Account, create_account
from tests.e2e.rows import create_conversation

TurnRealtime = Callable[..., None]
Watch = Callable[..., Watcher]


@pytest.fixture(name="watcher")
def _watcher(stack: LocalStack) -> Iterator[Watch]:
    """Make clients; at the end each is to go by itself, without an error that nobody heard."""
    watchers: list[Watcher] = []

    def make(account: Account | None = None, **options: Any) -> Watcher:
        watchers.append(Watcher(stack, **options))
        return watchers[-1].sign_in(account) if account else watchers[-1]

    yield make
    try:
        for watcher in watchers:
            watcher.close()
    finally:
        for watcher in watchers:
            watcher.kill()


@pytest.fixture(name="owner")
def _owner(stack: LocalStack) -> Account:
    return create_account(stack, "owner")


@pytest.fixture(name="admin")
def _admin(stack: LocalStack, db: psycopg.Connection) -> Account:
    account = create_account(stack, "admin")
    db.execute("update public.profiles set role = 'admin' where id = %s", [account.id])
    return account


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection, owner: Account) -> str:
    """A conversation of the owner's, by the id that its sender calls it by."""
    return create_conversation(db, owner.id)


@pytest.fixture(name="live")
def _live(watcher: Watch, owner: Account, conversation: str) -> Watcher:
    """The owner, who watches their conversation."""
    live = watcher(owner)
    live.watch("watchConversation", conversation)
    return live.wait_live()


@pytest.fixture(name="turn_realtime")
def _turn_realtime(stack: LocalStack) -> Iterator[TurnRealtime]:
    """Make Realtime late (`system_delay_ms`) or drop its connections (`drop`)."""

    def turn(**knobs: Any) -> None:
        headers = {"apikey": stack.secret_key}
        httpx.post(f"{stack.url}/local/realtime", headers=headers, json=knobs).raise_for_status()

    yield turn
    turn(system_delay_ms=0)
