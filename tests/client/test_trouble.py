"""What a watch says, and what it still finds, where reads fail or say little."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.client.conftest import Watch
from tests.client.rows import say
from tests.client.watcher import EVENTS, Watcher
from tests.client_package import run_node
from tests.e2e.accounts import Account
from tests.e2e.rows import create_conversation

FEW = 3
"""Rows that PostgREST gives at most."""
QUIET = {"live": 60_000, "poll": 60_000, "sweep": 60_000}
UNDEFINED = """
import { watchConversation, watchEvents, watchRows } from "../services/web/static/convohooks.js";
const told = [
  () => watchEvents({}, {}, { conversationId: undefined }),
  () => watchEvents({}, {}, { source: undefined }),
  () => watchConversation({}, undefined, {}),
  () => watchRows({}, "conversations", {}, { orderBy: "id", column: "id", value: undefined }),
  () => watchRows({}, "conversations", {}, { orderBy: "id", column: undefined, value: 1 }),
].map((call) => { try { call(); return "nothing"; } catch (error) { return error.name; } });
console.log(told.join());
"""


def test_a_stream_alone_is_not_live(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.do("ignore", "dropped")
    live.do("fail", EVENTS)
    live.wait_until(lambda: live.last("onStatus") == "reconnecting")

    say(db, conversation, "dropped")
    live.do("heal")

    live.wait_live(times=2)
    live.wait_until(lambda: live.said() == ["dropped"])
    assert live.calls("onError") == [["refused"]]
    assert live.calls("onRecovery") == [[]]


def test_a_short_page_is_no_end(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    for number in range(20):
        say(db, conversation, str(number))
    live = watcher(owner, maxRows=FEW)
    live.watch("watchConversation", conversation, pageSize=7, timing=QUIET)
    live.wait_live()
    assert live.said() == [str(number) for number in range(13, 20)]

    while live.do("state", 1)["hasEarlier"]:
        live.do("readEarlier", 1)

    assert sorted(live.said(), key=int) == [str(number) for number in range(20)]
    assert [len(rows) for rows, _ in live.calls("onEvents")] == [7, 7, 6]


def test_what_was_missed_is_found_though_answers_are_short(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    live = watcher(owner, maxRows=FEW)
    live.watch("watchConversation", conversation, timing=QUIET)
    live.wait_live().do("ignore", "missed")
    for number in range(20):
        say(db, conversation, f"missed {number}")

    live.do("refresh", 1)

    assert live.said() == [f"missed {number}" for number in range(20)]


def test_records_and_rows_are_whole_though_answers_are_short(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    for number in range(8):
        create_conversation(db, owner.id, f"Talk {number}")
        db.execute(
            "insert into public.conversation_messages (conversation_id, message_id, role, content,"
            " seq) values (%s, %s, 'user', 'said', %s)",
            [conversation, f"m{number}", number],
        )
    live = watcher(owner, maxRows=FEW)
    live.watch("watchConversation", conversation, timing=QUIET)
    live.watch("watchRows", "conversations", orderBy="created_at", timing=QUIET)
    live.wait_live(1).wait_live(2)

    assert [row["message_id"] for row in live.last("onMessages")] == [f"m{n}" for n in range(8)]
    assert len(live.last("onRows", 2)) == 9


def test_what_is_too_much_for_a_link_comes_in_small_pages(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    for number in range(60):
        say(db, conversation, str(number))
    live = watcher(owner, heavy=30, patience=300)

    live.watch("watchConversation", conversation)

    live.wait_live()
    assert live.said() == [str(number) for number in range(60)]
    # Given up, not only forgotten.
    assert live.do("givenUp") > 0


def test_what_is_out_of_sight_for_a_while_is_no_end_of_what_came_earlier(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    for number in range(6):
        say(db, conversation, str(number))
    live = watcher(owner)
    live.watch("watchConversation", conversation, pageSize=3, timing=QUIET)
    live.wait_live()
    belong = "update public.conversations set user_id = %s where conversation_id = %s"
    db.execute(belong, [None, conversation])
    with pytest.raises(RuntimeError, match="cannot be seen"):
        live.do("readEarlier", 1)

    db.execute(belong, [owner.id, conversation])
    assert live.do("state", 1)["hasEarlier"] is True
    live.do("readEarlier", 1)

    assert sorted(live.said()) == [str(number) for number in range(6)]
    assert live.do("state", 1)["hasEarlier"] is False


def test_a_table_that_realtime_does_not_carry_is_an_error_once(
    watcher: Watch, admin: Account
) -> None:
    live = watcher(admin)
    live.watch("watchRows", "scenarios", orderBy="created_at", timing={"poll": 100})
    live.wait_until(lambda: live.last("onStatus") == "polling")

    before = len(live.do("requests"))
    end = time.monotonic() + 15
    while len(live.do("requests")) < before + 40 and time.monotonic() < end:
        live.do("refresh", 1)
        time.sleep(0.05)

    assert len(live.calls("onError")) == 1
    assert live.calls("onRecovery") == []


def test_a_clock_that_is_set_back_ends_no_sweep(
    watcher: Watch,
    owner: Account,
    conversation: str,
    stack: LocalStack,
    db: psycopg.Connection,
) -> None:
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing={"overlap": 0, "live": 300})
    live.wait_live().do("ignore", "the older")
    live.do("turnClock", -3 * 3_600_000)
    with psycopg.connect(stack.database_url) as slow:
        say(slow, conversation, "the older")
        for number in range(3):
            say(db, conversation, f"the newer {number}")
        live.wait_until(lambda: len(live.events()) == 3)
        live.do("refresh", 1)

    live.wait_until(lambda: "the older" in live.said())


def test_what_an_asynchronous_handler_rejects_is_told(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.do("rejectNext")

    say(db, conversation, "rejected")

    live.wait_until(lambda: live.last("onError") == "rejected by a handler")
    assert live.said() == ["rejected"]


def test_what_is_not_there_does_not_mean_all_rows() -> None:
    told = run_node("--input-type=module", "-e", UNDEFINED).strip()

    assert told == ",".join(["TypeError"] * 5)


def test_many_messages_are_read_a_few_times(
    watcher: Watch, owner: Account, conversation: str, stack: LocalStack
) -> None:
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing=QUIET)
    live.wait_live()

    def write() -> None:
        with psycopg.connect(stack.database_url, autocommit=True) as db:
            for number in range(30):
                db.execute(
                    "insert into public.conversation_messages (conversation_id, message_id, role,"
                    " content, seq) values (%s, %s, 'user', 'said', %s)",
                    [conversation, f"m{number}", number],
                )
                say(db, conversation, str(number))

    begun = time.monotonic()
    writer = threading.Thread(target=write)
    writer.start()
    live.wait_until(lambda: len(live.last("onMessages")) == 30)
    writer.join()

    asked = [url for url in live.do("requests") if "conversation_messages" in url]
    # One at first, one at the opening of the stream, one at once, and one a second.
    assert len(asked) <= 4 + (time.monotonic() - begun)
