"""The list of events: live, filtered by its address, calm while somebody reads."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import psycopg
from playwright.sync_api import expect

from services.local.stack import LocalStack
from tests.e2e.accounts import Account
from tests.e2e.callbacks import utterance
from tests.e2e.dashboard.browsing import Operator, look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.inbox import empty_inbox, inbox_id, let_fail, say, store_dead
from tests.e2e.rows import create_conversation, show_event
from tests.web.caller import Caller
from tests.web.people import sign_up

EVENTS = "/dashboard/events"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def of(conversation: str) -> str:
    return f"{EVENTS}?conversation_id={conversation}"


def test_event_appears_without_reload(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    operator = dashboard(admin, EVENTS)
    operator.wait_until("Live")

    say(caller, conversation, "Here I am.")

    expect(operator.row(conversation)).to_have_count(1)
    expect(operator.row(conversation)).to_contain_text("conversation.utterance")
    expect(operator.row(conversation)).to_contain_text("Processed")


def test_list_in_all_its_states(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    for number in range(14):
        say(caller, conversation, f"Line {number} of the talk")
    let_fail(db, inbox_id(db, "Line 3 of the talk"))
    let_fail(db, inbox_id(db, "Line 5 of the talk"), "failed")
    say(caller, "c-nobody-knows", "Who are you?")

    operator = dashboard(admin, EVENTS)

    expect(operator.row(conversation).filter(has_text="Odd number")).to_have_count(2)
    expect(operator.row("c-nobody-knows").filter(has_text="Unmatched")).to_have_count(1)
    operator.wait_until("Live")
    look(operator.page, "events")


def test_filters_live_in_the_address(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "I like apples.")
    say(caller, conversation, "I like pears.")
    let_fail(db, inbox_id(db, "apples"))
    operator = dashboard(admin, of(conversation))
    expect(operator.row("conversation.utterance")).to_have_count(2)

    operator.page.get_by_label("State").select_option("dead")
    expect(operator.row("conversation.utterance")).to_have_count(1)
    assert "state=dead" in operator.page.url

    operator.page.reload()
    expect(operator.row("conversation.utterance")).to_have_count(1)
    expect(operator.page.get_by_label("State")).to_have_value("dead")

    operator.page.go_back()
    expect(operator.row("conversation.utterance")).to_have_count(2)
    expect(operator.page.get_by_label("State")).to_have_value("")

    operator.page.get_by_label("Text in the body").fill("PEARS")
    expect(operator.row("conversation.utterance")).to_have_count(1)
    expect(operator.row("Processed")).to_have_count(1)
    operator.page.get_by_role("button", name="Clear").click()
    expect(operator.page).to_have_url(re.compile(r"/events$"))


def test_back_undoes_what_was_typed(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    for speech in ("I like apples.", "I like pears."):
        say(caller, conversation, speech)
    operator = dashboard(admin, of(conversation))
    field = operator.page.get_by_label("Text in the body")
    expect(operator.row(conversation)).to_have_count(2)

    field.press_sequentially("apples", delay=400)
    expect(operator.row(conversation)).to_have_count(1)
    operator.page.go_back()
    expect(field).to_have_value("")
    expect(operator.row(conversation)).to_have_count(2)

    # What is typed after going back is another step, also where the field was not left.
    field.press_sequentially("pears", delay=400)
    expect(operator.row(conversation)).to_have_count(1)
    field.press("Enter")
    operator.page.get_by_label("State").select_option("dead")
    expect(operator.row(conversation)).to_have_count(0)
    operator.page.go_back()
    expect(operator.row(conversation)).to_have_count(1)
    expect(field).to_have_value("pears")
    operator.page.go_back()
    expect(operator.row(conversation)).to_have_count(2)
    assert operator.page.url.endswith(of(conversation))


def test_what_no_filter_can_be_is_left_out_and_said(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Hello.")
    store_dead(db, conversation, 1)
    bad = "since=garbage&until=%2B275760-09-13T00:00:00Z"

    operator = dashboard(admin, f"{of(conversation)}&{bad}&state=bogus&text=%00")

    note = operator.page.locator(".ignored")
    for part in ("since=garbage", "until=+275760", "state=bogus", "text="):
        expect(note).to_contain_text(part)
    expect(operator.row(conversation)).to_have_count(2)
    look(operator.page, "events-left-out")
    for page in ("dead-letters", "conversations", "qualification"):
        operator.open(f"/dashboard/{page}?{bad}&text={'x' * 300}")
        expect(note).to_contain_text("since=garbage")
        expect(operator.page.get_by_role("alert")).to_have_count(0)


def test_older_rows_are_not_new(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, caller: Caller
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 70)
    operator = dashboard(admin, of(conversation))
    expect(operator.row(conversation)).to_have_count(50)
    operator.wait_until("Live")
    operator.page.get_by_role("button", name="Pause").click()

    say(caller, conversation, "Really new.")

    new = operator.page.get_by_role("button", name=re.compile(r"new events?$"))
    expect(new).to_have_text("1 new event")
    operator.page.get_by_role("button", name="Resume").click()
    expect(operator.row(conversation)).to_have_count(51)


def test_number_of_waiting_events_only_grows(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, caller: Caller
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "The first.")
    operator = dashboard(admin, of(conversation), has_clock=True)
    operator.wait_until("Live")
    operator.page.get_by_role("button", name="Pause").click()
    new = operator.page.get_by_role("button", name=re.compile(r"new events?$"))

    for count, said in ((90, "90 new events"), (90, "180 new events"), (90, "270 new events")):
        store_dead(db, conversation, count)
        operator.let_pass()
        expect(new).to_have_text(said)
    store_dead(db, conversation, 150)
    operator.let_pass()
    expect(new).to_have_text("370+ new events")
    look(operator.page, "events-paused")
    store_dead(db, conversation, 700)
    operator.let_pass()
    expect(new).to_have_text("470+ new events")

    operator.page.get_by_role("button", name="Resume").click()
    expect(operator.row(conversation)).to_have_count(100)
    operator.page.get_by_role("button", name="Show earlier events").click()
    expect(operator.row(conversation)).to_have_count(150)


def test_typing_is_not_disturbed_by_new_rows(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    operator = dashboard(admin, of(conversation))
    operator.wait_until("Live")
    field = operator.page.get_by_label("Text in the body")

    field.press_sequentially("hello ", delay=60)
    say(caller, conversation, "hello world, said somebody")
    expect(operator.row(conversation)).to_have_count(1)
    field.press_sequentially("world", delay=60)

    expect(field).to_have_value("hello world")
    expect(field).to_be_focused()
    expect(operator.row(conversation)).to_have_count(1)


def test_rows_wait_while_somebody_reads(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "The first.")
    operator = dashboard(admin, of(conversation))
    operator.wait_until("Live")
    operator.row(conversation).first.hover()

    say(caller, conversation, "The second.")

    pill = operator.page.get_by_role("button", name="1 new event")
    expect(pill).to_be_visible()
    expect(operator.row(conversation)).to_have_count(1)
    pill.click()
    expect(operator.row(conversation)).to_have_count(2)


def test_paused_list_holds_new_rows_until_resumed(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    operator = dashboard(admin, of(conversation))
    operator.wait_until("Live")
    operator.page.get_by_role("button", name="Pause").click()

    for number in range(3):
        say(caller, conversation, f"Number {number}")

    expect(operator.page.get_by_role("button", name="3 new events")).to_be_visible()
    expect(operator.row(conversation)).to_have_count(0)
    operator.page.get_by_role("button", name="Resume").click()
    expect(operator.row(conversation)).to_have_count(3)


def test_list_catches_up_after_a_lost_connection(
    dashboard: Dashboard,
    admin: Account,
    caller: Caller,
    db: psycopg.Connection,
    turn_realtime: Callable[..., None],
) -> None:
    conversation = create_conversation(db, None)
    operator = dashboard(admin, of(conversation))
    operator.wait_until("Live")
    turn_realtime(system_delay_ms=4000, drop=True)

    operator.wait_until("Reconnecting")
    say(caller, conversation, "While you were away.")

    operator.wait_until("Live")
    expect(operator.row(conversation)).to_have_count(1)


def test_earlier_events_are_a_button_away(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, person: Account
) -> None:
    conversation = create_conversation(db, person.id)
    for number in range(70):
        show_event(db, conversation, "conversation.utterance", speech=f"No {number}")
    operator = dashboard(person, of(conversation))
    expect(operator.row(conversation)).to_have_count(50)

    operator.page.get_by_role("button", name="Show earlier events").click()

    expect(operator.row(conversation)).to_have_count(70)


def test_a_person_sees_their_own_events_live_and_no_others(
    dashboard: Dashboard, person: Account, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    own, foreign = create_conversation(db, person.id), create_conversation(db, admin.id)
    say(caller, foreign, "A secret.")
    operator = dashboard(person, EVENTS)
    expect(operator.page.get_by_text("No events yet")).to_be_visible()
    operator.wait_until("Live")

    say(caller, foreign, "Another secret.")
    say(caller, own, "My own words.")

    expect(operator.row(own)).to_have_count(1)
    expect(operator.row(foreign)).to_have_count(0)
    expect(operator.page.get_by_role("link", name="Dead letters")).to_have_count(0)
    look(operator.page, "events-of-a-person")


def test_first_run_shows_how_to_send_and_turns_into_the_list(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    empty_inbox(db)
    operator = dashboard(admin, EVENTS, has_clock=True)
    command = ".venv/bin/convohooks send tavus system.replica_joined --fresh"
    expect(operator.page.get_by_text(command, exact=True)).to_be_visible()
    expect(operator.page.get_by_text("/api/tavus/webhook")).to_be_visible()
    look(operator.page, "first-run")

    say(caller, conversation, "Hello there.")
    operator.let_pass()

    expect(operator.row(conversation)).to_have_count(1)
    expect(operator.page.get_by_text("convohooks send tavus")).to_have_count(0)


def test_hostile_texts_stay_texts(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    payload = {**utterance("c-hostile", HOSTILE), "event_type": HOSTILE}
    assert caller.send(payload).status_code == 200
    let_fail(db, inbox_id(db, "onerror=alert(1)"), "failed", f"{HOSTILE}\nError: {HOSTILE}")

    operator = dashboard(admin, of("c-hostile"))

    row = operator.row("<script>")
    expect(row).to_have_count(1)
    expect(operator.page.locator("#page img, #page script")).to_have_count(0)
    row.get_by_role("link", name="<img").click()
    expect(operator.title).to_have_text(HOSTILE)
    expect(operator.page.locator("#page img, #page script")).to_have_count(0)


def test_a_stranger_is_shown_a_closed_door(
    dashboard: Dashboard, person: Account, stack: LocalStack, live_url: str
) -> None:
    operator = dashboard(person, "/dashboard")

    for page in ("dead-letters", "senders", "operations"):
        operator.open(f"/dashboard/{page}")
        expect(operator.page.get_by_text("This is for admins only")).to_be_visible()
        expect(operator.page.get_by_role("search")).to_have_count(0)
        expect(operator.page.get_by_role("button", name="Try again")).to_have_count(0)
    look(operator.page, "for-admins-only")
    headers = sign_up(stack).headers
    answers = [
        httpx.get(f"{live_url}/api/webhook-events", params=query, headers=headers)
        for query in ({}, {"text": "a"}, {"ids": "6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17"})
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_lost_sign_in_keeps_the_address(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Still here.")
    operator: Operator = dashboard(admin, of(conversation))
    expect(operator.row(conversation)).to_have_count(1)

    operator.page.get_by_role("button", name="Sign out").click()
    expect(operator.page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(operator.page.locator("#page")).not_to_contain_text(conversation)
    operator.sign_in(admin)

    expect(operator.row(conversation)).to_have_count(1)
    assert operator.page.url.endswith(of(conversation))
