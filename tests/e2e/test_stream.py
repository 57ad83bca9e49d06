"""Every event reaches the live page, once, whatever Realtime does."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from playwright.sync_api import expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import utterance
from tests.e2e.conftest import Visit
from tests.e2e.rows import show_event
from tests.e2e.visitor import IN_TIME, Visitor
from tests.web.caller import Caller


def test_a_callback_between_subscribed_and_the_start_of_the_stream_appears(
    visit: Visit,
    owner: Account,
    conversation: str,
    caller: Caller,
    turn_realtime: Callable[..., None],
) -> None:
    turn_realtime(system_delay_ms=2500)
    visitor = visit().open(conversation).sign_in(owner)
    expect(visitor.page.get_by_text("No events yet.")).to_be_visible(timeout=IN_TIME)
    visitor.wait_for_frame('"phx_reply",{"status":"ok","response":{"postgres_changes":[{')

    caller.send(utterance(conversation, "In the gap"))

    expect(visitor.status).to_have_text("Connecting")
    visitor.sees("In the gap")
    visitor.wait_until("Live")
    assert visitor.changes() == []


def test_what_comes_while_the_connection_is_lost_appears_once(
    live_page: Visitor, caller: Caller, conversation: str, turn_realtime: Callable[..., None]
) -> None:
    caller.send(utterance(conversation, "Before the loss"))
    live_page.sees("Before the loss")

    turn_realtime(drop=True, system_delay_ms=1500)
    live_page.wait_until("Reconnecting")
    caller.send(utterance(conversation, "During the loss"))
    live_page.wait_until("Live")
    caller.send(utterance(conversation, "After the loss"))

    live_page.sees("Before the loss", "During the loss", "After the loss")
    expect(live_page.events).to_have_count(3)


def test_without_a_stream_the_page_asks_now_and_then(
    visit: Visit,
    owner: Account,
    conversation: str,
    caller: Caller,
    turn_realtime: Callable[..., None],
) -> None:
    turn_realtime(system_delay_ms=120_000)
    visitor = visit()
    visitor.page.clock.install()
    visitor.open(conversation).sign_in(owner)
    caller.send(utterance(conversation, "Found by asking"))

    visitor.page.clock.fast_forward(10_500)

    visitor.sees("Found by asking")
    visitor.wait_until("Offline, checking every 10 s")


def test_an_event_that_realtime_dropped_is_found(
    visit: Visit, owner: Account, conversation: str, caller: Caller, db: psycopg.Connection
) -> None:
    visitor = visit()
    visitor.page.clock.install()
    visitor.open(conversation).sign_in(owner).wait_until("Live")
    db.execute("alter publication supabase_realtime drop table public.processed_webhook_events")
    caller.send(utterance(conversation, "Dropped"))
    db.execute("alter publication supabase_realtime add table public.processed_webhook_events")
    caller.send(utterance(conversation, "Delivered"))
    visitor.sees("Delivered")

    visitor.page.clock.fast_forward(30_500)

    visitor.sees("Dropped", "Delivered")
    assert len(visitor.changes()) == 1
    expect(visitor.events.last).to_contain_text("Dropped")


def test_a_callback_sent_twice_is_one_row(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    twice = utterance(conversation, "Said once")

    caller.send(twice)
    caller.send(twice)
    caller.send(utterance(conversation, "The next"))

    live_page.sees("The next", "Said once")


def test_an_event_too_large_for_realtime_is_read_by_its_id(
    live_page: Visitor, db: psycopg.Connection, conversation: str
) -> None:
    story = {"role": "user", "speech": "Long story", "more": "x" * 1_200_000}

    show_event(db, conversation, "conversation.utterance", **story)

    live_page.sees("Long story")
