"""The live page hosts its owner's call, and what is heard there reaches the rows."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Frame, Route, expect

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.e2e.accounts import Account, create_account
from tests.e2e.callbacks import utterance
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import IN_TIME, Visitor
from tests.waiting import until

ROOMS = "https://tavus.daily.co"
# A room as the vendored library meets it: it is there, lets one in, and passes messages on.
ROOM = """<!doctype html><title>Room</title><script>
  const envelope = { what: "iframe-call-message", from: "embedded" };
  const tell = (message) => parent.postMessage({ ...envelope, ...message }, "*");
  const say = (data) => tell({ action: "app-message", fromId: "agent", data });
  const end = () => tell({ action: "left-meeting" });
  window.addEventListener("message", ({ data }) => {
    if (data?.what !== "iframe-call-message" || data.action !== "join-meeting") return;
    tell({ action: "joined-meeting", participants: { local: { session_id: "me", local: true } } });
    document.title = "Joined";
  });
  tell({ action: "loaded" });
</script>"""

Enter = Callable[..., Visitor]


@pytest.fixture(name="enter")
def _enter(browser: Browser, live_url: str, stack: LocalStack) -> Iterator[Enter]:
    """Open a conversation's page for somebody; its room is ours, and nobody else is asked."""
    context = browser.new_context()
    context.route(f"{ROOMS}/**", lambda route: route.fulfill(body=ROOM, content_type="text/html"))
    visitor = Visitor(context, live_url)

    def enter(account: Account, conversation: str) -> Visitor:
        return visitor.open(conversation).sign_in(account).wait_until("Live")

    yield enter
    context.close()
    failed = "Failed to load resource"  # what a test refuses on purpose
    assert [problem for problem in visitor.problems if failed not in problem] == []
    assert visitor.foreign_hosts((live_url, stack.url, ROOMS)) == set()


@pytest.fixture(name="call")
def _call(db: psycopg.Connection, owner: Account) -> str:
    """A conversation of the owner's that has a room."""
    conversation = create_conversation(db, owner.id, "Video call")
    set_room(db, conversation, f"{ROOMS}/{conversation}")
    return conversation


def set_room(
    db: psycopg.Connection, conversation: str, address: str, status: str = "active"
) -> None:
    db.execute(
        "update public.conversations set conversation_url = %s, status = %s"
        " where conversation_id = %s",
        [address, status, conversation],
    )


def join(visitor: Visitor) -> Frame:
    """Press the button; return the room once it has let the visitor in."""
    visitor.page.get_by_role("button", name="Join the call").click()
    iframe = visitor.page.wait_for_selector("#call-room iframe")
    frame = iframe.content_frame()
    assert frame is not None
    frame.wait_for_url(f"{ROOMS}/**")
    until(lambda: frame.evaluate("document.title === 'Joined'"))
    return frame


def say(room: Frame, *messages: dict[str, Any]) -> None:
    for message in messages:
        room.evaluate("message => say(message)", message)


def spoken(conversation: str, seq: int, speech: str, role: str = "user") -> dict[str, Any]:
    return utterance(conversation, speech, role) | {"seq": seq, "inference_id": f"i{seq}"}


def stored(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s order by seq",
        conversation,
    )
    return [row["content"] for row in found]


def test_what_is_heard_in_the_call_appears_on_the_page_and_in_the_rows(
    enter: Enter, owner: Account, call: str, db: psycopg.Connection
) -> None:
    visitor = enter(owner, call)
    room = join(visitor)
    button = {"text": "Try it", "url": "https://shop.example.test"}
    tool = {"name": "display_cta", "arguments": json.dumps(button), "tool_call_id": "call_1"}

    say(
        room,
        spoken(call, 1, "Can I try it?"),
        spoken(call, 2, "Of course.", "pal"),
        spoken(call, 2, "Of course.", "replica"),
        {"event_type": "conversation.tool_call", "seq": 3, "properties": tool},
        {"event_type": "conversation.replica.started_speaking", "seq": 4, "properties": {}},
        {"event_type": "system.shutdown", "properties": {"shutdown_reason": "none"}},
    )

    visitor.sees("Can I try it?", "Of course.")
    expect(visitor.page.get_by_role("link", name="Try it")).to_be_visible(timeout=IN_TIME)
    expect(visitor.page.locator("#messages p")).to_have_text(["Can I try it?", "Of course."])
    expect(visitor.page.locator("#conversation-state")).to_have_text("Active")
    assert stored(db, call) == ["Can I try it?", "Of course."]


def test_what_is_heard_while_offline_is_sent_later(
    enter: Enter, owner: Account, call: str, db: psycopg.Connection
) -> None:
    visitor = enter(owner, call)
    room = join(visitor)
    tries: list[str] = []

    def refuse(route: Route) -> None:
        tries.append(route.request.url)
        if len(tries) == 2:
            route.fulfill(status=503, headers={"Retry-After": "0"}, body="{}")
        else:
            route.abort("internetdisconnected")

    visitor.page.route("**/app-messages", refuse)
    say(room, spoken(call, 1, "Into the tunnel"))
    until(lambda: visitor.page.evaluate("sessionStorage.length > 0"))
    for _ in range(100):
        if len(tries) >= 3:
            break
        visitor.page.wait_for_timeout(100)
    say(room, spoken(call, 2, "Out of the tunnel"))
    assert len(tries) >= 3
    assert stored(db, call) == []
    visitor.page.unroute("**/app-messages")

    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")

    visitor.sees("Into the tunnel", "Out of the tunnel")
    assert stored(db, call) == ["Into the tunnel", "Out of the tunnel"]


def test_what_was_not_sent_survives_a_reload(
    enter: Enter, owner: Account, call: str, db: psycopg.Connection
) -> None:
    visitor = enter(owner, call)
    room = join(visitor)
    visitor.page.route("**/app-messages", lambda route: route.abort("internetdisconnected"))
    say(room, spoken(call, 1, "Before the reload"))
    until(lambda: visitor.page.evaluate("sessionStorage.length > 0"))
    visitor.page.unroute("**/app-messages")

    visitor.page.reload()

    visitor.sees("Before the reload")
    until(lambda: visitor.page.evaluate("sessionStorage.length === 0"))
    assert stored(db, call) == ["Before the reload"]


def test_a_message_that_is_refused_does_not_hold_up_the_others(
    enter: Enter, owner: Account, call: str, db: psycopg.Connection
) -> None:
    visitor = enter(owner, call)
    room = join(visitor)
    broken = {"event_type": "conversation.utterance", "seq": 2, "properties": {"role": "user"}}

    say(room, spoken(call, 1, "Before"), broken, spoken(call, 3, "After"))

    visitor.sees("Before", "After")
    until(lambda: visitor.page.evaluate("sessionStorage.length === 0"))
    assert stored(db, call) == ["Before", "After"]


def test_leaving_the_call_brings_the_button_back(enter: Enter, owner: Account, call: str) -> None:
    visitor = enter(owner, call)

    join(visitor).evaluate("end()")

    expect(visitor.page.locator("#call-room iframe")).to_have_count(0, timeout=IN_TIME)
    expect(visitor.page.get_by_role("button", name="Join the call")).to_be_visible()


def test_nobody_finds_the_words_of_another_after_signing_out(
    enter: Enter, owner: Account, call: str
) -> None:
    visitor = enter(owner, call)
    room = join(visitor)
    visitor.page.route("**/app-messages", lambda route: route.abort("internetdisconnected"))
    say(room, spoken(call, 1, "My secret"))
    until(lambda: visitor.page.evaluate("sessionStorage.length > 0"))

    visitor.page.get_by_role("button", name="Sign out").click()

    expect(visitor.page.get_by_role("button", name="Continue as a guest")).to_be_visible()
    expect(visitor.page.locator("#call-room iframe")).to_have_count(0)
    assert "My secret" not in visitor.page.evaluate("JSON.stringify({...sessionStorage})")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("https://rooms.example.test/x", "active"),
        ("https://daily.co.example.test/x", "active"),
        ("http://tavus.daily.co/x", "active"),
        ("https://user@tavus.daily.co/x", "active"),
        ("javascript:alert(1)//.daily.co", "active"),
        ("", "active"),
        (f"{ROOMS}/x", "ended"),
        (f"{ROOMS}/x", "failed"),
    ],
)
def test_there_is_no_call_to_join_but_a_running_one_in_a_room_of_dailys(
    enter: Enter, owner: Account, call: str, db: psycopg.Connection, address: str, status: str
) -> None:
    set_room(db, call, address, status)

    visitor = enter(owner, call)

    expect(visitor.page.get_by_role("heading", name="Video call")).to_be_visible(timeout=IN_TIME)
    expect(visitor.page.locator("#call")).to_be_hidden()


def test_an_admin_watches_and_does_not_join(
    enter: Enter, stack: LocalStack, call: str, db: psycopg.Connection
) -> None:
    admin = create_account(stack, f"admin-{secrets.token_hex(2)}")
    db.execute("update public.profiles set role = 'admin' where id = %s", [admin.id])

    visitor = enter(admin, call)

    expect(visitor.page.get_by_role("heading", name="Video call")).to_be_visible(timeout=IN_TIME)
    expect(visitor.page.locator("#call")).to_be_hidden()
