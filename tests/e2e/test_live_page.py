"""The live page, seen in a browser: what it shows of callbacks as they come."""

from __future__ import annotations

import json

import psycopg
from playwright.sync_api import expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import objective, transcript, utterance
from tests.e2e.conftest import Visit
from tests.e2e.rows import show_event
from tests.e2e.visitor import IN_TIME, Visitor
from tests.web.caller import Caller, conversation_query, joined, signature


def test_a_signed_and_a_token_carrying_callback_appear_without_reload(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    live_page.page.evaluate("window.isStillThisPage = true")
    signed = json.dumps(utterance(conversation, "By signature")).encode()

    assert caller.send(signed, query={}, headers=signature(signed)).status_code == 200
    assert caller.send(utterance(conversation, "By token")).status_code == 200

    live_page.sees("By signature", "By token")
    assert live_page.page.evaluate("window.isStillThisPage")
    assert len(live_page.changes()) >= 2


def test_a_callback_with_the_conversations_own_token_appears(
    live_page: Visitor, caller: Caller, conversation: str, db: psycopg.Connection
) -> None:
    found = db.execute(
        "select id::text from public.conversations where conversation_id = %s", [conversation]
    ).fetchone()
    assert found is not None

    caller.send(utterance(conversation, "By its own token"), query=conversation_query(found[0]))

    live_page.sees("By its own token")


def test_what_came_before_the_visit_is_there_in_order(
    visit: Visit, caller: Caller, owner: Account, conversation: str
) -> None:
    for speech in ("First", "Second", "Third"):
        caller.send(utterance(conversation, speech))

    visitor = visit().open(conversation).sign_in(owner).wait_until("Live")

    expect(visitor.events.locator(".said")).to_have_text(
        ["Visitor: Third", "Visitor: Second", "Visitor: First"]
    )


def test_older_events_are_a_page_away(
    visit: Visit, db: psycopg.Connection, owner: Account, conversation: str
) -> None:
    for number in range(1, 251):
        show_event(db, conversation, "conversation.utterance", role="user", speech=f"No {number}")
    visitor = visit().open(conversation).sign_in(owner)
    expect(visitor.events).to_have_count(200, timeout=IN_TIME)

    visitor.page.get_by_role("button", name="Show earlier events").click()

    expect(visitor.events).to_have_count(250, timeout=IN_TIME)
    expect(visitor.events.last).to_contain_text("No 1")
    expect(visitor.page.get_by_role("button", name="Show earlier events")).to_be_hidden()


def test_markup_in_an_event_is_text(
    live_page: Visitor, caller: Caller, conversation: str, db: psycopg.Connection
) -> None:
    markup = '<img src=x onerror="window.isBroken=1"><script>window.isBroken=1</script>'
    caller.send(utterance(conversation, markup))
    caller.send(objective(conversation, first_name=markup))
    result = {"text": markup, "url": "https://example.test"}
    show_event(
        db, conversation, "tool_call_result", tool_name="display_cta", success=True, result=result
    )

    expect(live_page.page.get_by_role("link", name="<img")).to_be_visible(timeout=IN_TIME)
    expect(live_page.page.locator("#messages p")).to_have_text([markup])
    expect(live_page.page.locator("#qualification dd")).to_have_text([markup])
    spoken = live_page.events.filter(has=live_page.page.locator("code", has_text="utterance"))
    spoken.locator("summary").click()
    expect(spoken.locator("pre")).to_contain_text("<script>window.isBroken=1</script>")
    assert live_page.page.locator("main img, main script").count() == 0
    assert live_page.page.evaluate("window.isBroken") is None


def test_no_and_nought_are_answers_to_an_objective(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    caller.send(objective(conversation, decides=False, budget=0, company=""))

    answers = live_page.page.locator("#qualification dd")
    expect(answers).to_have_text(["0", "false"], timeout=IN_TIME)


def test_state_messages_qualification_and_feedback_follow_the_talk(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    page = live_page.page
    expect(page.get_by_role("heading", name="Product demo")).to_be_visible()

    caller.send(joined(conversation))
    caller.send(objective(conversation, first_name="Ada", company="Example"))
    caller.send(transcript(conversation, ("user", "Could we try it?"), ("assistant", "Of course.")))
    caller.send(
        {
            "event_type": "conversation.ended",
            "conversation_id": conversation,
            "end_reason": "user_left",
            "duration_seconds": 62,
        }
    )

    expect(page.locator("#messages p")).to_have_text(
        ["Could we try it?", "Of course."], timeout=IN_TIME
    )
    expect(page.locator("#qualification")).to_contain_text("Ada", timeout=IN_TIME)
    expect(page.locator("#feedback")).to_contain_text("of 100", timeout=IN_TIME)
    expect(page.locator("#conversation-state")).to_have_text("Completed", timeout=IN_TIME)
    expect(page.locator("#conversation-facts")).to_contain_text("User left")
    assert "Be brief" not in page.content()


def test_the_page_fits_a_phone(
    visit: Visit, owner: Account, conversation: str, caller: Caller
) -> None:
    caller.send(objective(conversation, first_name="Ada", **{"a" * 60: "b" * 300}))
    caller.send(utterance(conversation, "x" * 300))
    visitor = visit(viewport={"width": 390, "height": 844}, color_scheme="dark")

    visitor.open(conversation).sign_in(owner).wait_until("Live").sees("Objective")
    visitor.event("Objective").locator("summary").press("Enter")

    expect(visitor.event("Objective").locator("pre")).to_be_visible()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
