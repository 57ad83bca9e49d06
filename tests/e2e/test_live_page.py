"""The live page, seen in a browser: who sees which events, and when."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import expect

from services.local.stack import LocalStack
from tests.e2e.accounts import Account, create_account, create_conversation
from tests.e2e.callbacks import objective, tool_call, transcript, utterance
from tests.e2e.conftest import Visit
from tests.e2e.visitor import IN_TIME, Visitor
from tests.web.caller import Caller, conversation_query, joined, signature

NOTHING = "Nothing to see here yet"


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
        show(db, conversation, "conversation.utterance", role="user", speech=f"No {number}")
    visitor = visit().open(conversation).sign_in(owner)
    expect(visitor.events).to_have_count(200, timeout=IN_TIME)

    visitor.page.get_by_role("button", name="Show earlier events").click()

    expect(visitor.events).to_have_count(250, timeout=IN_TIME)
    expect(visitor.events.last).to_contain_text("No 1")
    expect(visitor.page.get_by_role("button", name="Show earlier events")).to_be_hidden()


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
    live_page: Visitor, visit: Visit, owner: Account, caller: Caller, db: psycopg.Connection
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

    show(db, conversation, "conversation.utterance", **story)

    live_page.sees("Long story")


def test_a_fetched_video_plays(
    live_page: Visitor, caller: Caller, conversation: str, pricing_video: None
) -> None:
    caller.send(tool_call(conversation, "fetch_video", video_title="pricing"))

    video = live_page.page.locator("video")
    expect(video).to_be_visible(timeout=IN_TIME)
    live_page.page.wait_for_function("() => document.querySelector('video').currentTime > 0")
    assert video.evaluate("video => video.videoWidth") > 0
    expect(live_page.page.get_by_text("Now playing: Pricing overview")).to_be_visible()
    expect(live_page.page.get_by_role("heading", name="Pricing overview")).to_be_visible()


def test_a_video_from_before_the_visit_waits_for_a_click(
    visit: Visit,
    caller: Caller,
    owner: Account,
    conversation: str,
    pricing_video: None,
) -> None:
    caller.send(tool_call(conversation, "fetch_video", video_title="pricing"))

    visitor = visit().open(conversation).sign_in(owner).wait_until("Live")

    expect(visitor.page.locator("video")).to_have_js_property("paused", True)
    expect(visitor.page.get_by_text("Shown before: Pricing overview")).to_be_visible()


def test_a_video_that_is_not_found_is_told_of(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    caller.send(tool_call(conversation, "fetch_video", video_title="zebra"))

    expect(live_page.page.locator("#outcome")).to_have_text(
        "Fetch video failed: No video found matching: zebra", timeout=IN_TIME
    )


def test_the_button_of_display_cta_opens_its_page(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    caller.send(
        tool_call(conversation, "display_cta", text="Start a trial", url="https://example.test/t")
    )

    button = live_page.page.get_by_role("link", name="Start a trial")
    expect(button).to_be_visible(timeout=IN_TIME)
    expect(button).to_have_attribute("href", "https://example.test/t")
    expect(button).to_have_attribute("target", "_blank")
    expect(button).to_have_attribute("rel", "noopener noreferrer")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "//example.test",
        "https://a@b.test",
    ],
)
def test_a_button_with_a_bad_address_is_refused_by_the_page_too(
    live_page: Visitor, db: psycopg.Connection, conversation: str, address: str
) -> None:
    result = {"text": "Click me", "url": address}
    show(db, conversation, "tool_call_result", tool_name="display_cta", success=True, result=result)

    expect(live_page.page.get_by_text("The button's address was refused.")).to_be_visible(
        timeout=IN_TIME
    )
    expect(live_page.page.get_by_role("link", name="Click me")).to_have_count(0)


def test_markup_in_an_event_is_text(
    live_page: Visitor, caller: Caller, conversation: str, db: psycopg.Connection
) -> None:
    markup = '<img src=x onerror="window.isBroken=1"><script>window.isBroken=1</script>'
    caller.send(utterance(conversation, markup))
    caller.send(objective(conversation, first_name=markup))
    result = {"text": markup, "url": "https://example.test"}
    show(db, conversation, "tool_call_result", tool_name="display_cta", success=True, result=result)

    expect(live_page.page.get_by_role("link", name="<img")).to_be_visible(timeout=IN_TIME)
    expect(live_page.page.locator("#messages p")).to_have_text([markup])
    expect(live_page.page.locator("#qualification dd")).to_have_text([markup])
    spoken = live_page.events.filter(has=live_page.page.locator("code", has_text="utterance"))
    spoken.locator("summary").click()
    expect(spoken.locator("pre")).to_contain_text("<script>window.isBroken=1</script>")
    assert live_page.page.locator("main img, main script").count() == 0
    assert live_page.page.evaluate("window.isBroken") is None


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
    expect(page.locator("#conversation-state")).to_have_text("Ended", timeout=IN_TIME)
    expect(page.locator("#conversation-facts")).to_contain_text("User left")
    assert "Be brief" not in page.content()


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


def test_a_wrong_password_is_told_of(visit: Visit, owner: Account, conversation: str) -> None:
    visitor = visit().open(conversation)
    visitor.page.get_by_label("E-mail").fill(owner.email)
    visitor.page.get_by_label("Password").fill("wrong-password")
    visitor.page.get_by_label("Password").press("Enter")

    expect(visitor.page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    visitor.problems.clear()  # The browser tells of the refused request.


def show(db: psycopg.Connection, conversation: str, event_type: str, **data: object) -> None:
    """Put a row where browsers see it, whatever the service itself would write."""
    db.execute(
        "insert into public.processed_webhook_events"
        " (source, conversation_id, event_type, event_data) values ('tavus', %s, %s, %s)",
        [conversation, event_type, json.dumps(data)],
    )
