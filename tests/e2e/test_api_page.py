"""/docs: the API's page, which runs no script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.dashboard.browsing import DESK, PHONE, look

OPENED = ("list_events", "create_endpoint", "api_webhooks_stripe", "on_call_completed")


@pytest.fixture(name="context")
def _context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=DESK)
    yield context
    context.close()


@pytest.fixture(name="page")
def _page(context: BrowserContext, live_url: str) -> Page:
    page = context.new_page()
    page.goto(f"{live_url}/docs")
    return page


def test_page_is_readable_everywhere(page: Page) -> None:
    for name in OPENED:
        page.locator(f"#{name} summary").click()

    look(page, "api")

    # What is closed now is not seen by axe; wide it must not be either.
    page.set_viewport_size(PHONE)
    page.locator("details").evaluate_all("all => all.forEach((one) => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_page_asks_nobody_else_and_breaks_no_rule_of_its_own(
    context: BrowserContext, live_url: str
) -> None:
    page, told, asked = context.new_page(), [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{live_url}/docs", wait_until="networkidle")

    assert told == []
    assert [url for url in asked if not url.startswith(live_url)] == []
    assert page.request.get(f"{live_url}/openapi.json").json()["openapi"].startswith("3.1")


def test_an_operation_is_found_and_opened_by_keyboard(page: Page) -> None:
    one = page.locator("#create_endpoint")
    expect(one.get_by_text("event_types", exact=True).first).to_be_hidden()

    one.locator("summary").focus()
    page.keyboard.press("Enter")

    expect(one.get_by_text("event_types", exact=True).first).to_be_visible()
    expect(one.get_by_text("https://hooks.example.test/convohooks")).to_be_visible()
