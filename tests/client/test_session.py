"""A watch belongs to the person who began it, for as long as they are there."""

from __future__ import annotations

import time

import jwt
import psycopg

from services.local.stack import LocalStack
from tests.client.conftest import Watch
from tests.client.rows import say
from tests.e2e.accounts import Account, create_account
from tests.e2e.rows import create_conversation


def token(stack: LocalStack, account: Account, seconds: int) -> str:
    claims = {"sub": account.id, "role": "authenticated", "exp": int(time.time()) + seconds}
    return jwt.encode(claims, stack.jwt_secret, "HS256")


def test_a_sign_out_stops_every_watch(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    live = watcher(owner)
    live.watch("watchConversation", conversation)
    live.watch("watchRows", "conversations", orderBy="created_at")
    live.wait_live(1).wait_live(2)

    live.do("signOut")

    live.wait_until(lambda: live.last("onStatus", 1) == live.last("onStatus", 2) == "stopped")
    say(db, conversation, "for nobody")
    live.do("refresh", 1)
    assert live.events() == []
    assert live.do("left") == [0, 0]


def test_another_person_does_not_inherit_a_watch(
    watcher: Watch, owner: Account, conversation: str, stack: LocalStack
) -> None:
    live = watcher(owner)
    live.watch("watchConversation", conversation)
    live.wait_live()

    live.sign_in(create_account(stack, "next"))

    live.wait_until(lambda: live.last("onStatus") == "stopped")
    assert live.do("left") == [0, 0]


def test_a_renewed_token_is_used(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing={"live": 60_000, "sweep": 60_000})
    live.wait_live()

    assert live.do("renew") is None
    say(db, conversation, "after the renewal")

    live.wait_until(lambda: live.said() == ["after the renewal"])
    assert live.statuses() == ["connecting", "live"]


def test_a_token_that_expires_is_replaced_and_nothing_is_lost(
    watcher: Watch, owner: Account, conversation: str, stack: LocalStack, db: psycopg.Connection
) -> None:
    live = watcher(tokens=True)
    live.do("setToken", token(stack, owner, 6))
    live.watch("watchConversation", conversation)
    live.wait_live()

    live.wait_until(lambda: live.last("onStatus") == "reconnecting")
    say(db, conversation, "without a token")
    live.do("setToken", token(stack, owner, 600))

    live.wait_live(times=2)
    say(db, conversation, "with the next token")
    live.wait_until(lambda: live.said() == ["without a token", "with the next token"])


def test_a_watch_that_begins_before_the_sign_in_becomes_live_with_it(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    say(db, conversation, "before")
    live = watcher()
    live.watch("watchConversation", conversation)
    live.wait_until(lambda: live.calls("onError"))
    assert live.events() == []

    live.sign_in(owner)

    live.wait_live()
    say(db, conversation, "after")
    live.wait_until(lambda: live.said() == ["before", "after"])


def test_the_token_of_another_person_ends_the_watch(
    watcher: Watch, owner: Account, conversation: str, stack: LocalStack, db: psycopg.Connection
) -> None:
    live = watcher(tokens=True)
    live.do("setToken", token(stack, owner, 600))
    live.watch("watchEvents", timing={"live": 300})
    live.wait_live()
    say(db, conversation, "for the owner")
    live.wait_until(lambda: live.said() == ["for the owner"])

    other = create_account(stack, "next")
    live.do("setToken", token(stack, other, 600))

    live.wait_until(lambda: live.last("onStatus") == "stopped")
    say(db, create_conversation(db, other.id), "for the next")
    live.do("refresh", 1)
    assert live.said() == ["for the owner"]
    assert live.do("left") == [0, 0]
