"""The page of one event: what came, what it did, and another try."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from playwright.sync_api import Route, expect

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.e2e.accounts import Account
from tests.e2e.callbacks import objective, tool_call, utterance
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.inbox import TRACEBACK, inbox_id, let_fail, running_worker, say
from tests.e2e.rows import create_conversation
from tests.web.caller import TOKEN, Caller


@pytest.fixture(name="worker")
def _worker(stack: LocalStack) -> Iterator[None]:
    with running_worker(stack):
        yield


def address(event_id: str) -> str:
    return f"/dashboard/events/{event_id}"


def shown_id(db: psycopg.Connection, conversation: str) -> str:
    """Return the id of the one row that browsers see of a conversation."""
    [row] = rows(
        db,
        "select id from public.processed_webhook_events where conversation_id = %s",
        conversation,
    )
    return str(row["id"])


def test_page_tells_what_came_and_what_it_did(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    caller.send(
        {**objective(conversation, budget="20000", timeline="spring"), "seat": 12345678901234567890}
    )
    operator = dashboard(admin, address(inbox_id(db, f'"{conversation}"')))

    expect(operator.title).to_have_text("conversation.objective.completed")
    body = operator.page.get_by_role("region", name="Body", exact=True)
    expect(body).to_contain_text('"budget": "20000"')
    expect(body).to_contain_text('"seat": 12345678901234567890')
    did = operator.page.get_by_role("region", name="What it did")
    expect(did).to_contain_text("Objective")
    expect(did).to_contain_text("Shown to browsers")
    expect(operator.page.get_by_role("link", name=conversation)).to_be_visible()
    assert TOKEN not in operator.page.content()
    did.get_by_text("Objective", exact=True).click()
    look(operator.page, "event")


def test_raw_view_is_the_stored_body_and_in_the_address(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    payload = tool_call(conversation, "fetch_video", title="Pricing")
    caller.send(payload)
    operator = dashboard(admin, address(inbox_id(db, f'"{conversation}"')))

    operator.page.get_by_role("button", name="Raw").click()

    raw = operator.page.get_by_role("region", name="Raw body")
    expect(raw).to_have_text(json.dumps(payload))
    assert operator.page.url.endswith("?view=raw")
    operator.page.reload()
    expect(raw).to_be_visible()


def test_dead_event_is_replayed_and_the_page_says_so(
    dashboard: Dashboard,
    admin: Account,
    caller: Caller,
    db: psycopg.Connection,
    worker: None,
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Try me again.")
    event_id = inbox_id(db, "Try me again.")
    let_fail(db, event_id)
    operator = dashboard(admin, address(event_id))
    expect(operator.page.get_by_text("ValueError: Odd number").first).to_be_visible()
    operator.page.get_by_text("Traceback", exact=True).click()
    expect(operator.page.get_by_text("most recent call last")).to_be_visible()
    look(operator.page, "event-dead")

    button = operator.page.get_by_role("button", name="Replay", exact=True)
    button.click()
    dialog = operator.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Replay").click()

    expect(operator.page.get_by_text("Replayed: the event is processed.")).to_be_visible()
    expect(operator.page.locator(".head .badge")).to_have_text("Processed")
    [row] = rows(db, "select state from private.webhook_inbox where id = %s", event_id)
    assert row["state"] == "processed"


def test_replay_asks_first_and_escape_is_no(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Leave me alone.")
    event_id = inbox_id(db, "Leave me alone.")
    let_fail(db, event_id)
    operator = dashboard(admin, address(event_id))
    button = operator.page.get_by_role("button", name="Replay", exact=True)

    button.focus()
    operator.page.keyboard.press("Enter")
    expect(operator.page.get_by_role("dialog")).to_be_visible()
    operator.page.keyboard.press("Escape")

    expect(operator.page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()
    [row] = rows(db, "select state from private.webhook_inbox where id = %s", event_id)
    assert row["state"] == "dead"


def test_replay_cannot_be_pressed_twice(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Only once.")
    event_id = inbox_id(db, "Only once.")
    let_fail(db, event_id)
    operator = dashboard(admin, address(event_id))

    operator.page.get_by_role("button", name="Replay", exact=True).click()
    operator.page.get_by_role("dialog").get_by_role("button", name="Replay").click()

    # No worker runs: it stays due, and the page waits for one.
    expect(operator.page.get_by_role("button", name="Replaying…")).to_be_disabled()
    expect(operator.page.get_by_text("Due again.")).to_be_visible()


def test_replay_is_not_over_while_a_worker_has_it_in_hand(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Take your time.")
    event_id = inbox_id(db, "Take your time.")
    let_fail(db, event_id)
    operator = dashboard(admin, address(event_id))
    operator.page.get_by_role("button", name="Replay", exact=True).click()
    with operator.page.expect_response(lambda answer: answer.url.endswith("/replay")):
        operator.page.get_by_role("dialog").get_by_role("button", name="Replay").click()

    claim = "update private.webhook_inbox set claim_id = gen_random_uuid(), attempts = attempts + 1"
    db.execute(f"{claim} where id = %s", [event_id])
    about = operator.page.get_by_role("region", name="About")
    expect(about.get_by_text("7", exact=True)).to_be_visible()
    expect(operator.page.get_by_role("button", name="Replaying…")).to_be_disabled()
    db.execute(
        "update private.webhook_inbox set state = 'processed', claim_id = null where id = %s",
        [event_id],
    )

    expect(operator.page.get_by_text("Replayed: the event is processed.")).to_be_visible()


def test_replay_whose_answer_is_lost_is_seen_all_the_same(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection, worker: None
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "Was it done?")
    event_id = inbox_id(db, "Was it done?")
    let_fail(db, event_id)
    operator = dashboard(admin, address(event_id)).expect_problem("503")

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.fulfill(status=503, content_type="application/problem+json", body="{}")

    operator.page.route("**/replay", lose_answer)
    operator.page.get_by_role("button", name="Replay", exact=True).click()
    operator.page.get_by_role("dialog").get_by_role("button", name="Replay").click()

    expect(operator.page.get_by_text("Replayed: the event is processed.")).to_be_visible()


def test_replay_that_is_refused_says_why(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "In somebody's hands.")
    event_id = inbox_id(db, "In somebody's hands.")
    operator = dashboard(admin, address(event_id)).expect_problem("404")
    db.execute(
        "update private.webhook_inbox set claim_id = gen_random_uuid() where id = %s", [event_id]
    )

    operator.page.get_by_role("button", name="Replay", exact=True).click()
    operator.page.get_by_role("dialog").get_by_role("button", name="Replay").click()

    expect(operator.page.get_by_text("or a worker has it in hand")).to_be_visible()
    expect(operator.page.get_by_role("button", name="Replay", exact=True)).to_be_enabled()


def test_effects_of_a_body_that_no_handler_reads_are_explained(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "To be broken.")
    event_id = inbox_id(db, "To be broken.")
    db.execute("update private.webhook_inbox set body = '[1]' where id = %s", [event_id])

    operator = dashboard(admin, address(event_id))

    expect(operator.page.get_by_text("Its handler cannot tell")).to_be_visible()


def test_a_person_sees_what_browsers_see_of_their_event_and_nothing_of_others(
    dashboard: Dashboard,
    person: Account,
    admin: Account,
    caller: Caller,
    db: psycopg.Connection,
    live_url: str,
) -> None:
    own, foreign = create_conversation(db, person.id), create_conversation(db, admin.id)
    say(caller, own, "My words.")
    say(caller, foreign, "Not yours.")
    ids = {
        row["conversation_id"]: str(row["id"])
        for row in rows(db, "select id, conversation_id from public.processed_webhook_events")
    }
    operator = dashboard(person, address(ids[own]))
    expect(operator.page.get_by_text("My words.")).to_be_visible()
    look(operator.page, "event-of-a-person")

    for path in (ids[foreign], inbox_id(db, "Not yours."), str(uuid.uuid4()), "nonsense"):
        operator.open(address(path))
        expect(operator.title).to_have_text("There is no such event")
        assert "Not yours." not in operator.page.content()
    asked = httpx.get(f"{live_url}/api/webhook-events/{inbox_id(db, 'Not yours.')}")
    assert asked.status_code == 401


def test_an_admin_reaches_an_event_by_the_row_that_browsers_see(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "By the other id.")

    operator = dashboard(admin, address(shown_id(db, conversation)))

    about = operator.page.get_by_role("region", name="About")
    expect(about).to_contain_text(inbox_id(db, "By the other id."))
    expect(operator.page.get_by_role("button", name="Replay", exact=True)).to_be_visible()


def test_an_admin_sees_the_row_of_an_event_that_is_not_in_the_inbox_any_more(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, None)
    say(caller, conversation, "By the other id.")
    row_id = shown_id(db, conversation)
    db.execute("delete from private.webhook_inbox where conversation_id = %s", [conversation])
    operator = dashboard(admin, "/dashboard/events").expect_problem("404")

    operator.open(address(row_id))
    expect(operator.page.get_by_text("By the other id.")).to_be_visible()
    operator.page.get_by_role("link", name="Find what came").click()

    expect(operator.page).to_have_url(re.compile(f"conversation_id={conversation}"))
    expect(operator.page.get_by_text("No event matches")).to_be_visible()


def test_hostile_error_and_body_stay_texts(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    hostile = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"
    conversation = create_conversation(db, None)
    caller.send(utterance(conversation, hostile))
    event_id = inbox_id(db, f'"{conversation}"')
    let_fail(db, event_id, error=f"{TRACEBACK}\n{hostile}")

    operator = dashboard(admin, address(event_id))

    expect(operator.page.get_by_text("window.hit").first).to_be_visible()
    for name in ("Raw", "Pretty"):
        operator.page.get_by_role("button", name=name).click()
    assert operator.page.evaluate("window.hit") is None
    expect(operator.page.locator("#page img, #page script")).to_have_count(0)
