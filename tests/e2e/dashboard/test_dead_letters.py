"""Dead letters: found, tried again in numbers, deleted."""

from __future__ import annotations

import re

import httpx
import psycopg
from playwright.sync_api import expect

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.e2e.accounts import Account
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.inbox import running_worker, store_dead
from tests.e2e.rows import create_conversation
from tests.web.people import sign_up


def of(conversation: str) -> str:
    return f"/dashboard/dead-letters?conversation_id={conversation}"


def states(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select state from private.webhook_inbox where conversation_id = %s order by seq",
        conversation,
    )
    return [row["state"] for row in found]


def test_some_are_chosen_and_replayed(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, stack: LocalStack
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 4, "Down since noon")
    operator = dashboard(admin, of(conversation))
    expect(operator.row("Down since noon")).to_have_count(4)
    boxes = operator.page.get_by_role("checkbox", name="Select conversation.utterance")
    boxes.nth(0).check()
    boxes.nth(2).check()
    look(operator.page, "dead-letters")

    operator.page.get_by_role("button", name="Replay selected").click()
    operator.page.get_by_role("dialog").get_by_role("button", name="Replay").click()

    expect(operator.page.get_by_role("heading", name="2 dead letters due again")).to_be_visible()
    expect(operator.row("Down since noon")).to_have_count(2)
    assert sorted(states(db, conversation)) == ["dead", "dead", "received", "received"]
    with running_worker(stack):
        expect(operator.page.get_by_text("2 worked")).to_be_visible(timeout=30_000)
    assert sorted(states(db, conversation)) == ["dead", "dead", "processed", "processed"]


def test_all_that_match_are_replayed_however_many(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, stack: LocalStack
) -> None:
    conversation, other = create_conversation(db, None), create_conversation(db, None)
    store_dead(db, conversation, 230)
    store_dead(db, other, 2)
    operator = dashboard(admin, of(conversation))
    expect(operator.row(conversation)).to_have_count(50)

    expect(operator.page.get_by_text("230 dead letters match")).to_be_visible()
    operator.page.get_by_role("button", name="Replay all that match (230)").click()
    dialog = operator.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Replay all 230 dead letters that match?")
    dialog.get_by_role("button", name="Replay").click()

    expect(operator.page.get_by_role("heading", name="230 dead letters due again")).to_be_visible()
    expect(operator.page.get_by_text("No dead letter matches")).to_be_visible()
    assert set(states(db, conversation)) == {"received"}
    assert states(db, other) == ["dead", "dead"]
    with running_worker(stack):
        expect(operator.page.get_by_text("230 worked")).to_be_visible(timeout=60_000)
    look(operator.page, "dead-letters-replayed")


def test_one_that_fails_again_is_told_of(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, stack: LocalStack
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 2)
    db.execute(
        "update private.webhook_inbox set body = '[]' where seq = ("
        " select min(seq) from private.webhook_inbox where conversation_id = %s)",
        [conversation],
    )
    operator = dashboard(admin, of(conversation))
    operator.page.get_by_role("checkbox", name="Select all shown").check()
    expect(operator.page.get_by_text("2 selected")).to_be_visible()

    operator.page.get_by_role("button", name="Replay selected").click()
    operator.page.get_by_role("dialog").get_by_role("button", name="Replay").click()

    with running_worker(stack):
        result = operator.page.get_by_text("1 worked · 1 failed again, and will be retried")
        expect(result).to_be_visible(timeout=30_000)


def test_purge_asks_and_deletes_for_good(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation, other = create_conversation(db, None), create_conversation(db, None)
    store_dead(db, conversation, 3)
    store_dead(db, other, 1)
    operator = dashboard(admin, of(conversation))

    operator.page.get_by_role("button", name="Delete all that match").click()
    dialog = operator.page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be undone")
    dialog.get_by_role("button", name="Cancel").click()
    assert states(db, conversation) == ["dead"] * 3

    operator.page.get_by_role("checkbox", name="Select conversation.utterance").first.check()
    operator.page.get_by_role("button", name="Delete selected").click()
    look(operator.page, "dead-letters-delete")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(operator.row(conversation)).to_have_count(2)
    assert states(db, conversation) == ["dead"] * 2

    operator.page.get_by_role("button", name="Delete all that match").click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(operator.page.get_by_text("No dead letter matches")).to_be_visible()
    assert (states(db, conversation), states(db, other)) == ([], ["dead"])


def test_it_is_said_how_many_there_are(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 1200)
    [found] = rows(
        db, "select count(*) as dead from private.webhook_inbox where state = %s", "dead"
    )
    operator = dashboard(admin, "/dashboard/dead-letters")
    everything = f"{found['dead']:,}"

    expect(operator.page.locator(".total")).to_have_text(f"{everything} dead letters")
    operator.page.get_by_role("button", name=f"Delete all ({everything})").click()
    dialog = operator.page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Delete all {everything} dead letters?")
    dialog.get_by_role("button", name="Cancel").click()
    look(operator.page, "dead-letters-many")

    operator.open(of(conversation))
    expect(operator.page.locator(".total")).to_have_text("650+ dead letters match")
    db.execute(
        "delete from private.webhook_inbox where conversation_id = %s and seq not in (select seq"
        " from private.webhook_inbox where conversation_id = %s order by seq desc limit 120)",
        [conversation, conversation],
    )
    operator.page.get_by_role("button", name="Delete all that match").click()
    expect(dialog).to_contain_text("Delete all 120 dead letters that match?")


def test_older_dead_letters_are_not_new(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 70)
    operator = dashboard(admin, of(conversation), has_clock=True)
    expect(operator.row(conversation)).to_have_count(50)
    operator.page.get_by_role("checkbox", name="Select all shown").check()

    store_dead(db, conversation, 1)
    operator.let_pass()

    new = operator.page.get_by_role("button", name=re.compile("new$"))
    expect(new).to_have_text("1 new", timeout=20_000)
    expect(operator.page.locator(".total")).to_have_text("71 dead letters match")


def test_an_event_leads_back_to_where_one_came_from(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 1)
    operator = dashboard(admin, of(conversation))
    operator.row(conversation).get_by_role("link", name="conversation.utterance").click()
    expect(operator.title).to_have_text("conversation.utterance")
    operator.page.get_by_role("button", name="Raw").click()
    operator.page.reload()

    operator.page.get_by_role("main").get_by_role("link", name="Dead letters").click()

    expect(operator.title).to_have_text("Dead letters")
    assert operator.page.url.endswith(of(conversation))


def test_filter_by_error_lives_in_the_address(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 1, "ValueError: <b>odd</b> number")
    store_dead(db, conversation, 1, "TimeoutError: too slow")
    operator = dashboard(admin, of(conversation))
    expect(operator.row(conversation)).to_have_count(2)

    operator.page.get_by_label("Error").fill("ODD</b>")

    expect(operator.row(conversation)).to_have_count(1)
    expect(operator.row("<b>odd</b>")).to_have_count(1)
    operator.page.reload()
    expect(operator.row(conversation)).to_have_count(1)


def test_new_dead_letter_waits_while_some_are_chosen(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 1)
    operator = dashboard(admin, of(conversation), has_clock=True)
    operator.page.get_by_role("checkbox", name="Select conversation.utterance").check()

    store_dead(db, conversation, 1)
    operator.let_pass()

    expect(operator.page.get_by_role("button", name="1 new")).to_be_visible(timeout=20_000)
    expect(operator.row(conversation)).to_have_count(1)


def test_a_service_that_is_away_is_said_and_tried_again(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    store_dead(db, conversation, 1)
    operator = dashboard(admin, "/dashboard/events").expect_problem("Failed to load resource")
    operator.page.route("**/api/webhook-events?*", lambda route: route.abort())

    operator.open(of(conversation))
    expect(operator.page.get_by_text("The service cannot be reached", exact=True)).to_be_visible()
    look(operator.page, "service-away")
    operator.page.unroute("**/api/webhook-events?*")
    operator.page.get_by_role("button", name="Try again").click()

    expect(operator.row(conversation)).to_have_count(1)


def test_the_api_takes_nothing_from_a_person(live_url: str, stack: LocalStack) -> None:
    headers = sign_up(stack).headers

    answers = [
        httpx.post(f"{live_url}/api/webhook-events/replay", json={"ids": []}, headers=headers),
        httpx.delete(f"{live_url}/api/webhook-events", headers=headers),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
