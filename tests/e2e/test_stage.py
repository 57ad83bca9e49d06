"""What the agent's tools show on the live page: a video, a button, or why there is none."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import tool_call
from tests.e2e.conftest import Visit
from tests.e2e.rows import show_event
from tests.e2e.visitor import IN_TIME, Visitor
from tests.waiting import until
from tests.web.caller import Caller


def test_a_fetched_video_plays(
    live_page: Visitor, caller: Caller, conversation: str, pricing_video: None
) -> None:
    caller.send(tool_call(conversation, "fetch_video", video_title="pricing"))

    video = live_page.page.locator("video")
    expect(video).to_be_visible(timeout=IN_TIME)
    until(lambda: live_page.page.evaluate("document.querySelector('video').currentTime > 0"))
    assert video.evaluate("video => video.videoWidth") > 0
    expect(live_page.outcome).to_have_text("Now playing: Pricing overview")
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
    expect(visitor.outcome).to_have_text("Shown before: Pricing overview")


def test_a_video_that_is_not_found_is_told_of(
    live_page: Visitor, caller: Caller, conversation: str
) -> None:
    caller.send(tool_call(conversation, "fetch_video", video_title="zebra"))

    expect(live_page.outcome).to_have_text(
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
    show_event(
        db, conversation, "tool_call_result", tool_name="display_cta", success=True, result=result
    )

    expect(live_page.outcome).to_have_text("The button's address was refused.", timeout=IN_TIME)
    expect(live_page.page.get_by_role("link", name="Click me")).to_have_count(0)
