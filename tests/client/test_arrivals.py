"""Events from before their conversation was this person's, named or known come with it."""

from __future__ import annotations

import psycopg
import pytest

from tests.client.conftest import Watch
from tests.client.rows import say
from tests.client.watcher import Watcher
from tests.e2e.accounts import Account
from tests.e2e.rows import create_conversation

QUIET = {"live": 60_000, "poll": 60_000, "sweep": 60_000}
CREATE = "insert into public.conversations (conversation_id, user_id) values (%s, %s) returning id"


@pytest.fixture(name="everything")
def _everything(watcher: Watch, owner: Account) -> Watcher:
    """The owner, who watches all their events; nothing is read but what has to be."""
    live = watcher(owner)
    live.watch("watchEvents", timing=QUIET)
    return live.wait_live()


def is_history(live: Watcher, said: str) -> bool:
    """Tell how an event was told."""
    (about,) = [
        about["isHistory"]
        for rows, about in live.calls("onEvents")
        if said in [row["event_data"]["said"] for row in rows]
    ]
    return bool(about)


def tell_all(live: Watcher, owner: Account, db: psycopg.Connection) -> None:
    """Wait until all was told and read that there is: what is seen sooner than told is new."""
    say(db, create_conversation(db, owner.id), "a sign")
    live.wait_until(lambda: "a sign" in live.said())
    live.do("refresh", 1)


def test_a_conversation_that_is_named_later_brings_its_events(
    everything: Watcher, owner: Account, db: psycopg.Connection
) -> None:
    name = f"c{owner.id[:14]}"
    made = db.execute(CREATE, [None, owner.id]).fetchone()
    assert made is not None
    say(db, name, "too early")
    tell_all(everything, owner, db)

    db.execute("update public.conversations set conversation_id = %s where id = %s", [name, *made])

    everything.wait_until(lambda: everything.said() == ["a sign", "too early"])
    assert is_history(everything, "too early")


def test_a_conversation_that_is_given_to_a_person_brings_its_events(
    everything: Watcher, owner: Account, db: psycopg.Connection
) -> None:
    name = f"c{owner.id[:14]}"
    db.execute(CREATE, [name, None])
    say(db, name, "not theirs")
    tell_all(everything, owner, db)

    give = "update public.conversations set user_id = %s where conversation_id = %s"
    db.execute(give, [owner.id, name])

    everything.wait_until(lambda: everything.said() == ["a sign", "not theirs"])
    say(db, name, "theirs")
    everything.wait_until(lambda: "theirs" in everything.said())
    assert is_history(everything, "not theirs")
    assert not is_history(everything, "theirs")


@pytest.mark.parametrize("odd", ["", ' "a", (b)\\'])
def test_a_conversation_of_which_realtime_has_not_told_brings_its_events(
    everything: Watcher, owner: Account, db: psycopg.Connection, odd: str
) -> None:
    names = [f"unheard {owner.id[:14]}-{number}{odd}" for number in range(3)]
    plain = [f"unheard-{owner.id[:14]}-{number}" for number in range(3)]
    tell_all(everything, owner, db)
    everything.do("ignore", "unheard")
    for name in [*names, *plain]:
        say(db, name, name)
        db.execute(CREATE, [name, owner.id])

    everything.do("refresh", 1)

    assert sorted(everything.said()) == sorted(["a sign", *names, *plain])
    assert is_history(everything, plain[0])


def test_of_a_conversation_that_is_found_by_asking_what_came_before_is_history(
    watcher: Watch, owner: Account, db: psycopg.Connection
) -> None:
    name = f"unheard-{owner.id[:14]}"
    live = watcher(owner)
    live.watch("watchConversation", name, timing=QUIET)
    live.wait_live().do("refresh", 1)
    live.do("ignore", "unheard")
    say(db, name, "too early")
    db.execute(CREATE, [name, owner.id])

    live.do("refresh", 1)

    assert live.said() == ["too early"]
    assert is_history(live, "too early")
