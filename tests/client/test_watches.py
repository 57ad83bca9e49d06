"""What each watch is of, and that it disturbs no other."""

from __future__ import annotations

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.client.conftest import Watch
from tests.client.rows import say
from tests.client.watcher import Watcher
from tests.e2e.accounts import Account, create_account
from tests.e2e.rows import create_conversation


def test_a_stranger_is_told_nothing(
    watcher: Watch,
    live: Watcher,
    stack: LocalStack,
    conversation: str,
    db: psycopg.Connection,
) -> None:
    say(db, conversation, "for the owner")
    stranger = watcher(create_account(stack, "stranger"))
    stranger.watch("watchConversation", conversation)
    stranger.watch("watchEvents")
    stranger.watch("watchRows", "conversations", orderBy="created_at")
    for number in (1, 2, 3):
        stranger.wait_live(number)

    say(db, conversation, "for the owner again")
    db.execute("update public.conversations set demo_id = 'x'")

    live.wait_until(lambda: live.said() == ["for the owner", "for the owner again"])
    for number in (1, 2, 3):
        stranger.do("refresh", number)
    told = {call["name"] for call in stranger.told}
    assert stranger.events(1) + stranger.events(2) == []
    assert stranger.calls("onRows", 3) == [[[]]]
    assert "onConversation" not in told
    assert "onError" not in told


def test_two_watches_of_one_conversation_do_not_disturb_each_other(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.watch("watchConversation", conversation)
    live.wait_live(2)
    say(db, conversation, "for both")
    live.wait_until(lambda: live.said(1) == live.said(2) == ["for both"])

    live.do("stop", 1)
    say(db, conversation, "for the second")

    live.wait_until(lambda: live.said(2) == ["for both", "for the second"])
    assert live.said(1) == ["for both"]
    assert live.statuses(1)[-1] == "stopped"
    assert live.statuses(2) == ["connecting", "live"]
    assert live.do("left")[0] == 1


def test_a_watch_can_begin_while_the_last_one_ends(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.do("stop", 1)
    live.watch("watchConversation", conversation)
    live.wait_live(2)

    say(db, conversation, "for the second")

    live.wait_until(lambda: live.said(2) == ["for the second"])
    assert live.said(1) == []


def test_an_admin_watches_the_events_of_one_source_and_type(
    watcher: Watch, admin: Account, db: psycopg.Connection
) -> None:
    live = watcher(admin)
    live.watch("watchEvents", source="stripe", eventType="invoice.paid")
    live.wait_live()

    say(db, None, "another type", source="stripe", event_type="invoice.sent")
    say(db, None, "another source", source="tavus", event_type="invoice.paid")
    say(db, None, "the one", source="stripe", event_type="invoice.paid")
    live.do("refresh", 1)

    assert live.said() == ["the one"]


@pytest.mark.parametrize("name", ["a,b", 'say "hi"', "back\\slash", "(x)", "ü & ?=#%"])
def test_a_conversation_may_be_called_anything(
    watcher: Watch, owner: Account, db: psycopg.Connection, name: str
) -> None:
    odd = f"{name} {owner.id}"
    db.execute(
        "insert into public.conversations (conversation_id, user_id) values (%s, %s)",
        [odd, owner.id],
    )
    live = watcher(owner)
    live.watch("watchConversation", odd, timing={"live": 60_000, "sweep": 60_000})
    live.wait_live()

    say(db, odd, "heard")

    live.wait_until(lambda: live.said() == ["heard"])


def test_handlers_that_throw_stop_nothing(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.do("throwNext")
    say(db, conversation, "thrown at")
    live.wait_until(lambda: live.calls("onError"))

    say(db, conversation, "heard")

    live.wait_until(lambda: "heard" in live.said())
    assert live.last("onError") == "thrown by a handler"


def test_another_conversation_is_not_told_of(
    live: Watcher, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    other = create_conversation(db, owner.id)

    say(db, other, "elsewhere")
    say(db, conversation, "here")

    live.wait_until(lambda: live.said() == ["here"])
