"""Who sees which conversation on the live page."""

from __future__ import annotations

import psycopg
from playwright.sync_api import expect

from services.local.stack import LocalStack
from tests.e2e.accounts import Account, create_account
from tests.e2e.callbacks import utterance
from tests.e2e.conftest import Visit
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import Visitor
from tests.web.caller import Caller

NOTHING = "Nothing to see here yet"


def test_another_person_sees_nothing(
    visit: Visit, live_page: Visitor, caller: Caller, conversation: str, stack: LocalStack
) -> None:
    other = visit().open(conversation).sign_in(create_account(stack, "other")).wait_until("Live")

    caller.send(utterance(conversation, "For the owner only"))

    live_page.sees("For the owner only")
    expect(other.page.get_by_role("heading", name=NOTHING)).to_be_visible()
    expect(other.events).to_have_count(0)
    assert "For the owner only" not in other.page.content()
    assert other.changes() == []


def test_a_conversation_that_does_not_exist_looks_like_one_of_another(
    visit: Visit, conversation: str, stack: LocalStack
) -> None:
    person = create_account(stack, "other")
    visitor = visit().open(conversation).sign_in(person).wait_until("Live")
    expect(visitor.page.get_by_role("heading", name=NOTHING)).to_be_visible()
    of_another = visitor.page.locator("main").inner_text()

    visitor.open("c0000000000000000").wait_until("Live")
    expect(visitor.page.get_by_role("heading", name=NOTHING)).to_be_visible()

    assert visitor.page.locator("main").inner_text() == of_another


def test_a_guest_who_owns_the_conversation_sees_it(
    visit: Visit, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    guest = visit().open(conversation)
    user_id = guest.enter_as_guest()
    guest.wait_until("Live")
    expect(guest.page.get_by_role("heading", name=NOTHING)).to_be_visible()

    db.execute(
        "update public.conversations set user_id = %s where conversation_id = %s",
        [user_id, conversation],
    )
    caller.send(utterance(conversation, "Hello, guest"))

    guest.sees("Hello, guest")


def test_events_from_before_the_conversation_was_known_appear_with_it(
    visit: Visit, owner: Account, caller: Caller, db: psycopg.Connection
) -> None:
    unknown = "c11111111111111"
    visitor = visit().open(unknown).sign_in(owner).wait_until("Live")
    caller.send(utterance(unknown, "Too early"))
    expect(visitor.page.get_by_role("heading", name=NOTHING)).to_be_visible()

    db.execute(
        "insert into public.conversations (conversation_id, user_id) values (%s, %s)",
        [unknown, owner.id],
    )

    visitor.sees("Too early")


def test_a_session_outlives_a_reload_and_ends_with_sign_out(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    caller.send(utterance(conversation, "Mine"))
    live_page.page.reload()
    live_page.wait_until("Live").sees("Mine")

    live_page.page.get_by_role("button", name="Sign out").click()

    expect(live_page.page.get_by_label("E-mail")).to_be_focused()
    assert "Mine" not in live_page.page.content()
    expect(live_page.status).to_be_hidden()


def test_the_next_person_in_the_same_window_sees_nothing(
    live_page: Visitor, caller: Caller, conversation: str, stack: LocalStack
) -> None:
    caller.send(utterance(conversation, "Of the first"))
    live_page.sees("Of the first")
    live_page.page.get_by_role("button", name="Sign out").click()

    live_page.sign_in(create_account(stack, "next")).wait_until("Live")
    told = len(live_page.changes())
    caller.send(utterance(conversation, "Of the first again"))

    expect(live_page.page.get_by_role("heading", name=NOTHING)).to_be_visible()
    assert "Of the first" not in live_page.page.content()
    assert len(live_page.changes()) == told


def test_a_wrong_password_is_told_of(visit: Visit, owner: Account, conversation: str) -> None:
    visitor = visit().open(conversation)
    visitor.page.get_by_label("E-mail").fill(owner.email)
    visitor.page.get_by_label("Password").fill("wrong-password")
    visitor.page.get_by_label("Password").press("Enter")

    expect(visitor.page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    visitor.problems.clear()  # The browser tells of the refused request.
