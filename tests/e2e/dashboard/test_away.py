"""What the dashboard says while nothing can be read, and that it comes back by itself."""

from __future__ import annotations

import re

import psycopg
import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import utterance
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.inbox import say, store_dead
from tests.e2e.rows import create_conversation
from tests.web.caller import Caller

LIVE = ("", "/events", "/dead-letters", "/conversations", "/qualification", "/endpoints")
PAGES = (*LIVE, "/senders", "/operations")
READS = re.compile(r"/api/|/rest/v1/")
NOTICED = 30_000
# Seconds after which a read has failed.
PATIENCE = 12
SAID = re.compile(r"cannot be read since \d\d:\d\d, shown as of \d\d:\d\d")


def cut_off(page: Page) -> None:
    """Let no read of the page be answered."""
    page.route(READS, lambda route: route.abort())


@pytest.mark.parametrize("pages", [PAGES[:4], PAGES[4:]], ids=["half", "other-half"])
def test_each_page_says_since_when_it_cannot_be_read(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, pages: tuple[str, ...]
) -> None:
    store_dead(db, create_conversation(db, admin.id), 1)
    operators = {path: dashboard(admin, f"/dashboard{path}", has_clock=True) for path in pages}
    for path, operator in operators.items():
        operator.expect_problem("Failed to load resource")
        expect(operator.page.locator(".skeleton")).to_have_count(0)
        if path in LIVE:
            operator.wait_until("Live")

    for operator in operators.values():
        cut_off(operator.page)
        operator.let_pass()

    for operator in operators.values():
        expect(operator.page.locator("#trouble")).to_have_text(SAID, timeout=NOTICED)
        expect(operator.status).to_have_text("Not up to date")
        expect(operator.page.get_by_role("alert")).to_have_count(0)
    if "/dead-letters" in operators:
        look(operators["/dead-letters"].page, "dead-letters-away")

    for operator in operators.values():
        operator.page.unroute_all()
        operator.let_pass()
    for path, operator in operators.items():
        expect(operator.page.locator("#trouble")).to_be_hidden(timeout=NOTICED)
        if path in LIVE:
            operator.wait_until("Live")


def test_read_that_is_never_answered_has_failed(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    create_conversation(db, admin.id)
    operator = dashboard(admin, "/dashboard/conversations", has_clock=True)
    operator.wait_until("Live")
    held: list[Route] = []
    read = "**/rest/v1/conversations?*"

    operator.page.route(read, lambda route: held.append(route))
    with operator.page.expect_request(read, timeout=NOTICED):
        operator.let_pass()
    operator.let_pass(PATIENCE - 2)
    expect(operator.page.locator("#trouble")).to_be_hidden()
    operator.let_pass(2)

    expect(operator.page.locator("#trouble")).to_have_text(SAID, timeout=2 * NOTICED)
    operator.page.unroute_all(behavior="ignoreErrors")


def test_list_that_could_not_be_read_at_first_comes_by_itself(
    dashboard: Dashboard, admin: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, admin.id, "Product demo")
    say(caller, conversation, "Hello.")
    operator = dashboard(admin, "/dashboard/senders", has_clock=True)
    operator.expect_problem("Failed to load resource")
    operator.page.route("**/rest/v1/conversations?*", lambda route: route.abort())
    operator.page.route("**/api/webhook-events?*", lambda route: route.abort())

    for path in ("/dashboard/conversations", f"/dashboard/events?conversation_id={conversation}"):
        operator.page.evaluate(
            "path => document.querySelector(`a[href='${path}']`)?.click()", path.split("?")[0]
        )
        expect(operator.page.get_by_role("alert")).to_be_visible()
        expect(operator.status).to_have_text("Not up to date")
    operator.page.unroute_all()
    operator.let_pass()
    expect(operator.row(conversation).first).to_be_visible(timeout=NOTICED)
    operator.entry("Conversations").click()

    expect(operator.row(conversation).first).to_be_visible(timeout=NOTICED)
    expect(operator.page.locator("#trouble")).to_be_hidden()


def test_dashboard_that_cannot_be_opened_tries_again(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(admin, "/dashboard/senders").expect_problem("503")
    away = {"status": 503, "content_type": "application/problem+json", "body": "{}"}
    operator.page.route("**/api/me", lambda route: route.fulfill(**away))

    operator.open("/dashboard/senders")
    expect(operator.title).to_have_text("The dashboard cannot be opened")
    look(operator.page, "cannot-be-opened")
    operator.page.unroute_all()

    expect(operator.title).to_have_text("Senders")


def test_refusal_is_no_failure_of_reads(
    dashboard: Dashboard, admin: Account, caller: Caller
) -> None:
    caller.send(utterance("c-nobody", "Hello."))
    operator = dashboard(admin, "/dashboard/events").expect_problem("400")
    operator.wait_until("Live")
    refused = {"status": 400, "content_type": "application/problem+json", "body": "{}"}

    operator.page.route("**/api/webhook-events?*", lambda route: route.fulfill(**refused))
    operator.page.get_by_label("Text in the body").fill("odd")

    expect(operator.page.get_by_role("alert")).to_be_visible()
    expect(operator.page.locator("#trouble")).to_be_hidden()
