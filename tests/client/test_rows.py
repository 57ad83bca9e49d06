"""A watch of rows shows the newest of a table, each in its highest version."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.client.conftest import TurnRealtime, Watch
from tests.client.watcher import Watcher
from tests.e2e.accounts import Account
from tests.e2e.rows import create_conversation

QUIET = {"live": 60_000, "poll": 60_000, "sweep": 60_000}


def shown(watcher: Watcher, watch: int = 1) -> list[Any]:
    """Return the names of the rows that were shown last."""
    return [row["conversation_name"] for row in watcher.last("onRows", watch) or []]


def rename(db: psycopg.Connection, conversation: str, name: str) -> None:
    db.execute(
        "update public.conversations set conversation_name = %s where conversation_id = %s",
        [name, conversation],
    )


def create(db: psycopg.Connection, owner: Account, *names: str) -> list[str]:
    """Make conversations, the last one the newest."""
    made = [create_conversation(db, owner.id, name) for name in names]
    for place, conversation in enumerate(made):
        db.execute(
            "update public.conversations set created_at = now() + %s * interval '1 s'"
            " where conversation_id = %s",
            [place, conversation],
        )
    return made


@pytest.fixture(name="live")
def _live(watcher: Watch, owner: Account) -> Watcher:
    """The owner, who watches their conversations; nothing is read but what has to be."""
    live = watcher(owner)
    live.watch("watchRows", "conversations", orderBy="created_at", timing=QUIET)
    return live.wait_live()


def test_rows_come_change_and_go(live: Watcher, owner: Account, db: psycopg.Connection) -> None:
    assert live.calls("onRows") == [[[]]]

    first, second = create(db, owner, "first", "second")
    live.wait_until(lambda: shown(live) == ["second", "first"])
    rename(db, first, "first again")
    live.wait_until(lambda: shown(live) == ["second", "first again"])
    db.execute("delete from public.conversations where conversation_id = %s", [second])

    live.wait_until(lambda: shown(live) == ["first again"])


def test_what_has_changed_while_the_connection_was_lost_is_found(
    watcher: Watch, owner: Account, db: psycopg.Connection, turn_realtime: TurnRealtime
) -> None:
    gone, changed = create(db, owner, "gone", "changed")
    live = watcher(owner)
    live.watch("watchRows", "conversations", orderBy="created_at")
    live.wait_live()

    turn_realtime(drop=True, system_delay_ms=500)
    db.execute("delete from public.conversations where conversation_id = %s", [gone])
    rename(db, changed, "changed again")
    create(db, owner, "new")

    live.wait_live(times=2)
    live.wait_until(lambda: sorted(shown(live)) == ["changed again", "new"])


def test_no_row_goes_back_to_a_lower_version(
    live: Watcher,
    owner: Account,
    stack: LocalStack,
    db: psycopg.Connection,
    turn_realtime: TurnRealtime,
) -> None:
    made = create(db, owner, "0", "0", "0")

    def write() -> None:
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            for number in range(1, 100):
                for conversation in made:
                    rename(connection, conversation, str(number))

    writer = threading.Thread(target=write)
    writer.start()
    for times in (2, 3):
        turn_realtime(drop=True, system_delay_ms=200)
        live.wait_live(times=times)
    writer.join()
    live.wait_until(lambda: shown(live) == ["99", "99", "99"])

    versions: dict[str, list[int]] = {}
    for row in itertools.chain.from_iterable(rows for (rows,) in live.calls("onRows")):
        versions.setdefault(row["id"], []).append(row["version"])
    assert all(told == sorted(told) for told in versions.values())


def test_an_answer_that_comes_late_does_not_bring_an_older_version_back(
    live: Watcher, owner: Account, db: psycopg.Connection
) -> None:
    (conversation,) = create(db, owner, "first")
    live.wait_until(lambda: shown(live) == ["first"])
    live.do("hold", "select=*")
    rename(db, conversation, "x" * 1_200_000)
    live.wait_until(lambda: live.do("waiting") == 1)

    rename(db, conversation, "short again")
    live.wait_until(lambda: shown(live) == ["short again"])
    live.do("release")

    live.do("refresh", 1)
    sizes = [len(row["conversation_name"]) for (rows,) in live.calls("onRows") for row in rows]
    assert list(dict.fromkeys(sizes)) == [5, 11]
    assert sizes[-1] == 11


def test_an_update_that_leaves_a_long_value_alone_loses_none_of_it(
    live: Watcher, owner: Account, db: psycopg.Connection
) -> None:
    (conversation,) = create(db, owner, "first")
    db.execute(
        "update public.conversations set tavus_metadata = jsonb_build_object('long', %s::text)"
        " where conversation_id = %s",
        ["".join(map(str, range(30_000))), conversation],
    )
    rename(db, conversation, "renamed")

    live.wait_until(lambda: shown(live) == ["renamed"])
    assert len(live.last("onRows")[0]["tavus_metadata"]["long"]) > 100_000


def test_a_row_of_a_page_that_nobody_asked_for_does_not_appear(
    watcher: Watch, owner: Account, db: psycopg.Connection
) -> None:
    made = create(db, owner, "1", "2", "3", "4", "5")
    live = watcher(owner)
    live.watch("watchRows", "conversations", orderBy="created_at", pageSize=2, timing=QUIET)
    live.wait_live()
    assert shown(live) == ["5", "4"]

    rename(db, made[0], "1 again")
    rename(db, made[4], "5 again")
    live.wait_until(lambda: shown(live) == ["5 again", "4"])
    assert live.do("state", 1)["hasEarlier"] is True
    live.do("readEarlier", 1)
    live.do("readEarlier", 1)

    assert shown(live) == ["5 again", "4", "3", "2", "1 again"]
    assert live.do("state", 1)["hasEarlier"] is False


def test_only_rows_with_the_value_are_shown(
    watcher: Watch, owner: Account, db: psycopg.Connection
) -> None:
    (other, mine) = create(db, owner, "other", "mine")
    live = watcher(owner)
    live.watch(
        "watchRows",
        "conversations",
        orderBy="created_at",
        column="conversation_id",
        value=mine,
        timing=QUIET,
    )
    live.wait_live()

    rename(db, other, "other again")
    rename(db, mine, "mine again")

    live.wait_until(lambda: shown(live) == ["mine again"])
    assert all(len(rows) == 1 for (rows,) in live.calls("onRows"))


def test_a_table_that_realtime_does_not_carry_is_asked_now_and_then(
    watcher: Watch, admin: Account, db: psycopg.Connection
) -> None:
    live = watcher(admin)
    live.watch("watchRows", "scenarios", orderBy="created_at")
    live.wait_until(lambda: live.last("onStatus") == "polling")

    db.execute("insert into public.scenarios (title, created_at) values ('A scenario', now())")

    live.wait_until(lambda: [row["title"] for row in live.last("onRows")] == ["A scenario"])
    db.execute("delete from public.scenarios where title = 'A scenario'")
    live.wait_until(lambda: live.last("onRows") == [])
