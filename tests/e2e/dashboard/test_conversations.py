"""The list of conversations: what is there, what comes, and what a filter leaves."""

from __future__ import annotations

import psycopg
from playwright.sync_api import expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import objective
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.talks import ended, whole_talk
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import IN_TIME
from tests.web.caller import Caller, joined

LIST = "/dashboard/conversations"


def test_a_person_sees_their_own_newest_first(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account, admin: Account
) -> None:
    create_conversation(db, admin.id, "Somebody else's")
    create_conversation(db, person.id, "The first")
    whole_talk(db, caller, person.id, "The second")

    operator = dashboard(person, LIST)

    names = operator.page.locator("tbody .named a")
    expect(names).to_have_text(["The second", "The first"], timeout=IN_TIME)
    second = operator.row("The second")
    expect(second).to_contain_text("Completed")
    expect(second).to_contain_text("3:00 min")
    score = second.locator("td[data-label='Score']")
    assert 0 < int(score.inner_text()) <= 100


def test_an_admin_sees_everybody_s_and_can_ask_for_one_person_s(
    dashboard: Dashboard, db: psycopg.Connection, person: Account, admin: Account
) -> None:
    create_conversation(db, person.id, "Of the person")
    create_conversation(db, admin.id, "Of the admin")
    operator = dashboard(admin, LIST)
    expect(operator.row("Of the person")).to_be_visible(timeout=IN_TIME)
    expect(operator.row("Of the admin")).to_be_visible()

    operator.page.get_by_label("Person's id").fill(person.id)

    expect(operator.row("Of the admin")).to_have_count(0, timeout=IN_TIME)
    expect(operator.row("Of the person")).to_be_visible()
    operator.page.get_by_label("Person's id").fill("not an id")
    expect(operator.page.get_by_text("No conversation fits these filters")).to_be_visible(
        timeout=IN_TIME
    )


def test_a_new_one_and_its_end_appear_without_reload(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    old = create_conversation(db, person.id, "Long going")
    operator = dashboard(person, LIST)
    operator.wait_until("Live")
    operator.page.evaluate("window.isStillThisPage = true")

    caller.send(joined(old))
    new = create_conversation(db, person.id, "Just begun")
    expect(operator.row("Just begun")).to_be_visible(timeout=IN_TIME)
    expect(operator.row("Long going")).to_contain_text("Active", timeout=IN_TIME)
    caller.send(joined(new))
    caller.send(ended(old))

    expect(operator.row("Long going")).to_contain_text("Completed", timeout=IN_TIME)
    expect(operator.row("Just begun")).to_contain_text("Active", timeout=IN_TIME)
    assert operator.page.evaluate("window.isStillThisPage")


def test_filters_live_in_the_address(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    over = create_conversation(db, person.id, "Onboarding, 100% done")
    caller.send(joined(over))
    caller.send(ended(over))
    going = create_conversation(db, person.id, "Onboarding of Zoë")
    caller.send(joined(going))
    create_conversation(db, person.id, "Something else")
    operator = dashboard(person, LIST)
    expect(operator.row("Something else")).to_be_visible(timeout=IN_TIME)

    operator.page.get_by_label("Name or id").fill("onboarding")
    expect(operator.row("Something else")).to_have_count(0, timeout=IN_TIME)
    operator.page.get_by_label("Status").select_option("active")
    expect(operator.row("100%")).to_have_count(0, timeout=IN_TIME)
    expect(operator.row("Zoë")).to_be_visible()
    operator.page.reload()
    expect(operator.row("Zoë")).to_be_visible(timeout=IN_TIME)
    expect(operator.row("")).to_have_count(1)

    operator.page.go_back()
    expect(operator.row("100%")).to_be_visible(timeout=IN_TIME)
    operator.page.get_by_label("Name or id").fill("0% D")
    expect(operator.row("Zoë")).to_have_count(0, timeout=IN_TIME)
    expect(operator.row("100%")).to_be_visible()


def test_no_text_that_is_looked_for_is_taken_for_a_filter(
    dashboard: Dashboard, db: psycopg.Connection, person: Account
) -> None:
    names = ["Ada, Ben", 'He said "no"', "(in brackets)", "back\\slash", "50%_off", "id.eq.1"]
    for name in names:
        create_conversation(db, person.id, name)
    operator = dashboard(person, LIST)
    expect(operator.row("id.eq.1")).to_be_visible(timeout=IN_TIME)

    for name in names:
        operator.page.get_by_label("Name or id").fill(name)
        expect(operator.page.locator("tbody .named a")).to_have_text([name], timeout=IN_TIME)


def test_older_ones_are_a_page_away(
    dashboard: Dashboard, db: psycopg.Connection, person: Account
) -> None:
    for number in range(1, 121):
        create_conversation(db, person.id, f"No {number:03}")
    operator = dashboard(person, LIST)
    names = operator.page.locator("tbody .named a")
    expect(names).to_have_count(50, timeout=IN_TIME)

    operator.page.get_by_role("button", name="Show more").click()
    expect(names).to_have_count(100, timeout=IN_TIME)
    operator.page.get_by_role("button", name="Show more").click()

    expect(names).to_have_text([f"No {number:03}" for number in range(120, 0, -1)], timeout=IN_TIME)
    expect(operator.page.get_by_role("button", name="Show more")).to_have_count(0)


def test_an_empty_list_says_what_will_come(dashboard: Dashboard, person: Account) -> None:
    operator = dashboard(person, LIST)

    expect(operator.page.get_by_text("No conversations yet")).to_be_visible(timeout=IN_TIME)
    look(operator.page, "conversations-empty")


def test_how_it_looks(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account, admin: Account
) -> None:
    whole_talk(db, caller, person.id, "Product demo for Example Ltd")
    going = create_conversation(db, person.id, "Onboarding")
    caller.send(joined(going))
    caller.send(objective(going, first_name="Ada"))
    failed = create_conversation(
        db, person.id, "<b>Practice</b> with a very long name that goes on " * 3
    )
    caller.send({"event_type": "conversation.ended", "conversation_id": failed, "status": "failed"})
    operator = dashboard(admin, f"{LIST}?person={person.id}")
    expect(operator.row("<b>Practice</b>")).to_contain_text("Failed", timeout=IN_TIME)

    look(operator.page, "conversations")
    assert operator.page.locator("main b").count() == 0
