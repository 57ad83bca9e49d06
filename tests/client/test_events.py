"""Every event of a conversation reaches its watch, once, whatever Realtime does."""

from __future__ import annotations

import threading
from collections import Counter

import psycopg

from services.local.stack import LocalStack
from tests.client.conftest import TurnRealtime, Watch
from tests.client.rows import say
from tests.client.watcher import Watcher
from tests.e2e.accounts import Account


def test_what_was_there_is_history_and_what_comes_is_not(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    say(db, conversation, "before")
    live = watcher(owner)
    live.watch("watchConversation", conversation)
    live.wait_live()

    say(db, conversation, "after")

    live.wait_until(lambda: live.said() == ["before", "after"])
    assert [about for _, about in live.calls("onEvents")] == [
        {"isHistory": True},
        {"isHistory": False},
    ]
    assert live.statuses() == ["connecting", "live"]


def test_an_event_before_the_start_of_the_stream_is_found(
    watcher: Watch,
    owner: Account,
    conversation: str,
    db: psycopg.Connection,
    turn_realtime: TurnRealtime,
) -> None:
    turn_realtime(system_delay_ms=1500)
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing={"poll": 60_000})
    live.wait_until(lambda: live.calls("onMessages"))

    say(db, conversation, "in the gap")

    live.wait_live()
    assert live.said() == ["in the gap"]


def test_what_comes_while_the_connection_is_lost_comes_once(
    live: Watcher, conversation: str, db: psycopg.Connection, turn_realtime: TurnRealtime
) -> None:
    say(db, conversation, "before")
    live.wait_until(lambda: live.said() == ["before"])

    turn_realtime(drop=True, system_delay_ms=1000)
    live.wait_until(lambda: "reconnecting" in live.statuses())
    say(db, conversation, "during")
    live.wait_live(times=2)
    say(db, conversation, "after")

    live.wait_until(lambda: live.said() == ["before", "during", "after"])


def test_hundreds_of_events_come_once_through_one_loss_after_the_other(
    live: Watcher,
    conversation: str,
    stack: LocalStack,
    turn_realtime: TurnRealtime,
) -> None:
    def write(writer: int) -> None:
        with psycopg.connect(stack.database_url, autocommit=True) as db:
            for number in range(200):
                say(db, conversation, f"{writer}-{number}")

    writers = [threading.Thread(target=write, args=[number]) for number in range(3)]
    for thread in writers:
        thread.start()
    for losses in range(1, 4):
        turn_realtime(drop=True, system_delay_ms=300)
        live.wait_live(times=losses + 1)
    for thread in writers:
        thread.join()

    expected = {f"{writer}-{number}" for writer in range(3) for number in range(200)}
    live.wait_until(lambda: len(set(live.said())) >= 600)
    assert set(live.said()) == expected
    assert max(Counter(live.said()).values()) == 1


def test_an_event_that_realtime_has_dropped_without_a_word_is_found(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.do("ignore", "dropped")

    say(db, conversation, "dropped")
    say(db, conversation, "told")

    live.wait_until(lambda: set(live.said()) == {"told", "dropped"})
    assert live.statuses() == ["connecting", "live"]


def test_events_that_commit_in_another_order_come_once(
    live: Watcher, conversation: str, stack: LocalStack, db: psycopg.Connection
) -> None:
    live.do("ignore", "the older")
    with psycopg.connect(stack.database_url) as slow:
        older = say(slow, conversation, "the older")
        newer = say(db, conversation, "the newer")
        live.wait_until(lambda: live.said() == ["the newer"])
        live.do("refresh", 1)

    live.wait_until(lambda: live.said() == ["the newer", "the older"])
    assert older < newer


def test_an_event_that_commits_long_after_the_overlap_is_found_by_the_sweep(
    watcher: Watch,
    owner: Account,
    conversation: str,
    stack: LocalStack,
    db: psycopg.Connection,
) -> None:
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing={"overlap": 0, "live": 300})
    live.wait_live().do("ignore", "the older")
    with psycopg.connect(stack.database_url) as slow:
        say(slow, conversation, "the older")
        for number in range(3):
            say(db, conversation, f"the newer {number}")
        live.wait_until(lambda: len(live.events()) == 3)
        live.do("refresh", 1)

    live.wait_until(lambda: "the older" in live.said())
    assert Counter(live.said()).most_common(1)[0][1] == 1


def test_without_the_sweep_only_the_overlap_is_read_again(
    watcher: Watch,
    owner: Account,
    conversation: str,
    stack: LocalStack,
    db: psycopg.Connection,
) -> None:
    timing = {"overlap": 0, "live": 100, "sweep": 600_000}
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing=timing)
    live.wait_live().do("ignore", "the older")
    with psycopg.connect(stack.database_url) as slow:
        say(slow, conversation, "the older")
        say(db, conversation, "the newer")
        say(db, conversation, "the newest")
        live.wait_until(lambda: len(live.events()) == 2)
        live.do("refresh", 1)
    say(db, conversation, "a sign")
    live.wait_until(lambda: "a sign" in live.said())
    assert "the older" not in live.said()

    live.do("refresh", 1)

    assert "the older" in live.said()


def test_an_event_too_large_for_realtime_is_read_by_its_id(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    say(db, conversation, "a long story", more="x" * 1_200_000)

    live.wait_until(lambda: live.said() == ["a long story"])
    assert len(live.events()[0]["event_data"]["more"]) == 1_200_000


def test_without_realtime_the_watch_asks_now_and_then(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    live = watcher(owner, hasRealtime=False)
    live.watch("watchConversation", conversation)
    live.wait_until(lambda: "polling" in live.statuses())

    say(db, conversation, "found by asking")

    live.wait_until(lambda: live.said() == ["found by asking"])
    assert "live" not in live.statuses()


def test_events_from_before_the_conversation_was_known_come_with_it(
    watcher: Watch, owner: Account, db: psycopg.Connection
) -> None:
    unknown = f"c{owner.id[:14]}"
    live = watcher(owner)
    live.watch("watchConversation", unknown)
    everything = live.watch("watchEvents")
    live.wait_live(1).wait_live(everything)
    say(db, unknown, "too early")
    live.do("refresh", 1)
    assert live.said() == []

    db.execute(
        "insert into public.conversations (conversation_id, user_id) values (%s, %s)",
        [unknown, owner.id],
    )
    say(db, unknown, "in time")

    live.wait_until(lambda: sorted(live.said(1)) == ["in time", "too early"])
    live.wait_until(lambda: sorted(live.said(everything)) == ["in time", "too early"])


def test_earlier_pages_come_when_they_are_asked_for(
    watcher: Watch, owner: Account, conversation: str, db: psycopg.Connection
) -> None:
    for number in range(7):
        say(db, conversation, str(number))
    live = watcher(owner)
    live.watch("watchConversation", conversation, pageSize=3)
    live.wait_live()
    assert live.said() == ["4", "5", "6"]
    assert live.do("state", 1)["hasEarlier"] is True

    live.do("readEarlier", 1)
    live.do("readEarlier", 1)

    assert live.said() == ["4", "5", "6", "1", "2", "3", "0"]
    assert live.calls("onEvents")[-1][1] == {"isHistory": True}
    assert live.do("state", 1)["hasEarlier"] is False


def test_an_event_that_comes_late_hides_no_earlier_page(
    watcher: Watch,
    owner: Account,
    conversation: str,
    stack: LocalStack,
    db: psycopg.Connection,
) -> None:
    say(db, conversation, "0")
    with psycopg.connect(stack.database_url) as slow:
        say(slow, conversation, "late")
        for number in range(1, 6):
            say(db, conversation, str(number))
        live = watcher(owner)
        live.watch("watchConversation", conversation, pageSize=2)
        live.wait_live()
    live.wait_until(lambda: live.said() == ["4", "5", "late"])

    for _ in range(3):
        live.do("readEarlier", 1)

    assert sorted(live.said()) == ["0", "1", "2", "3", "4", "5", "late"]
