"""What surrounds every page of the dashboard: signing in, addresses, navigation."""

from __future__ import annotations

import httpx
import psycopg
from playwright.sync_api import Route, expect

from services.local.stack import LocalStack
from tests.e2e.accounts import Account
from tests.e2e.dashboard.browsing import PHONE, barriers, look
from tests.e2e.dashboard.conftest import Dashboard
from tests.web.people import make_admin, sign_up


def test_sign_in_keeps_the_address(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(None, "/dashboard/events?source=stripe")
    expect(operator.page.get_by_role("heading", name="Sign in")).to_be_visible()
    look(operator.page, "sign-in")

    operator.sign_in(admin)

    expect(operator.title).to_have_text("Events")
    assert operator.page.url.endswith("/dashboard/events?source=stripe")


def test_unknown_address_is_not_found(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(admin, "/dashboard/no/such/page")

    expect(operator.title).to_have_text("There is no such page")
    look(operator.page, "not-found")


def test_me_tells_who_asks(stack: LocalStack, live_url: str, db: psycopg.Connection) -> None:
    person, guest, admin = sign_up(stack), sign_up(stack, anonymous=True), sign_up(stack)
    make_admin(db, admin)

    def me(headers: dict[str, str]) -> httpx.Response:
        return httpx.get(f"{live_url}/api/me", headers=headers)

    assert me({}).status_code == 401
    told = me(person.headers).json()
    assert (told["id"], told["is_admin"], told["is_anonymous"]) == (person.id, False, False)
    assert told["email"].endswith("@example.test")
    assert me(admin.headers).json()["is_admin"] is True
    stranger = me(guest.headers).json()
    assert (stranger["email"], stranger["is_anonymous"]) == (None, True)


def test_focus_follows_the_page_and_the_back_button(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(admin, "/dashboard/events")
    expect(operator.title).to_be_focused()

    operator.entry("Dead letters").press("Enter")
    expect(operator.title).to_have_text("Dead letters")
    expect(operator.title).to_be_focused()
    expect(operator.page).to_have_title("Dead letters · Convohooks")
    current = operator.page.get_by_role("navigation").locator("[aria-current=page]")
    expect(current).to_have_text("Dead letters")

    operator.page.go_back()
    expect(operator.title).to_have_text("Events")
    expect(operator.title).to_be_focused()


def test_keyboard_reaches_the_content_first(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(admin, "/dashboard/dead-letters")
    expect(operator.page.get_by_label("Error")).to_be_visible()
    skip = operator.page.get_by_role("link", name="Skip to content")
    assert operator.page.evaluate("document.querySelector('a, button').className") == "skip"

    skip.focus()
    expect(skip).to_be_in_viewport()
    operator.page.keyboard.press("Enter")
    operator.page.keyboard.press("Tab")

    assert operator.page.evaluate("document.activeElement.closest('#page') !== null")
    expect(operator.title).to_have_text("Dead letters")


def test_menu_of_a_phone_opens_and_closes_by_keyboard(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(admin, "/dashboard/events", viewport=PHONE)
    link = operator.entry("Dead letters")
    menu = operator.page.get_by_role("button", name="Menu")
    expect(link).to_be_hidden()

    menu.press("Enter")
    expect(link).to_be_visible()
    assert barriers(operator.page) == []
    operator.page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(menu).to_be_focused()
    menu.press("Enter")
    link.click()

    expect(operator.title).to_have_text("Dead letters")
    expect(link).to_be_hidden()


def test_an_expired_token_is_renewed_unseen(dashboard: Dashboard, admin: Account) -> None:
    operator = dashboard(admin, "/dashboard").expect_problem("401")
    answers: list[int] = []

    def refuse_once(route: Route) -> None:
        if not answers:
            answers.append(401)
            route.fulfill(status=401, content_type="application/problem+json", body="{}")
        else:
            route.continue_()

    operator.page.route("**/api/webhook-events?*", refuse_once)
    operator.entry("Dead letters").click()

    expect(operator.page.get_by_label("Error")).to_be_visible()
    expect(operator.page.get_by_role("button", name="Try again")).to_have_count(0)
    assert answers == [401]


def test_an_ended_session_leads_to_the_sign_in_and_back(
    dashboard: Dashboard, admin: Account
) -> None:
    operator = dashboard(admin, "/dashboard")
    operator.expect_problem("401").expect_problem("400").expect_problem("403")
    refused = {"status": 401, "content_type": "application/problem+json", "body": "{}"}
    ended = {"status": 400, "json": {"code": "refresh_token_not_found", "message": "Gone"}}
    operator.page.route("**/api/webhook-events?*", lambda route: route.fulfill(**refused))
    operator.page.route("**/token?grant_type=refresh*", lambda route: route.fulfill(**ended))

    operator.entry("Dead letters").click()
    expect(operator.page.get_by_role("heading", name="Sign in")).to_be_visible()
    operator.page.unroute_all()
    operator.sign_in(admin)

    expect(operator.title).to_have_text("Dead letters")
    assert operator.page.url.endswith("/dashboard/dead-letters")


def test_page_is_guarded_by_its_policy(live_url: str) -> None:
    for path in ("/dashboard", "/dashboard/events/x"):
        headers = httpx.get(f"{live_url}{path}").headers

        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
