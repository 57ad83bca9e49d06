"""The pages of endpoints: making one, its secret, changing it, and who may not."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Page, expect

from services.local import checkout
from services.outgoing.endpoint_request import EVENT_TYPES
from tests.database.endpoints import call, make_endpoint, send
from tests.database.events import rows
from tests.e2e.accounts import Account
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.visitor import IN_TIME

LIST = "/dashboard/endpoints"
HOOK = "https://hooks.example.test/in"
MARKUP = '<img src=x onerror="window.isBroken=1">'
PARTS = checkout.ROOT / "services/web/static/dashboard/endpoints/parts.js"


def address(endpoint: str) -> str:
    return f"{LIST}/{endpoint}"


def secrets_of(db: psycopg.Connection, endpoint: str) -> list[str]:
    query = "select secret from private.endpoint_secrets where endpoint_id = %s order by id desc"
    return [row["secret"] for row in rows(db, query, endpoint)]


def headers_of(db: psycopg.Connection, endpoint: object) -> dict[str, str]:
    query = "select name, value from private.endpoint_headers where endpoint_id = %s"
    return {row["name"]: row["value"] for row in rows(db, query, endpoint)}


def endpoint_row(db: psycopg.Connection, endpoint: str) -> dict[str, object]:
    [row] = rows(db, "select * from public.webhook_endpoints where id = %s", endpoint)
    return dict(row)


def agree(page: Page, action: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=action).click()


def attempt(db: psycopg.Connection, delivery: str, number: int, error: str | None = None) -> None:
    """Write down an attempt as a worker does."""
    db.execute(
        "insert into public.delivery_attempts"
        " (delivery_id, endpoint_id, user_id, attempt, status, error, duration_ms)"
        " select id, endpoint_id, user_id, %s, %s, %s, 12.5"
        " from public.webhook_deliveries where id = %s",
        [number, 500 if error else 204, error, delivery],
    )


@pytest.fixture(name="endpoint")
def _endpoint(db: psycopg.Connection, person: Account) -> str:
    """An endpoint of the person's."""
    return make_endpoint(db, person.id, url=HOOK)


def test_first_endpoint_is_made_and_its_secret_shown_once(
    dashboard: Dashboard, person: Account, db: psycopg.Connection
) -> None:
    operator = dashboard(person, LIST).wait_until("Live")
    page = operator.page
    expect(page.get_by_text("No endpoint yet")).to_be_visible()
    look(page, "endpoints-none")

    page.get_by_role("button", name="Make your first endpoint").click()
    expect(page.get_by_label("URL")).to_be_focused()
    page.get_by_label("URL").fill(HOOK)
    page.get_by_label("Description").fill(MARKUP)
    page.get_by_role("checkbox", name="call.completed").check()
    page.get_by_text("Limits, retries, headers").click()
    page.get_by_label("Seconds before each retry").fill("5, 60")
    page.get_by_label("Headers, one a line").fill("X-Tenant: 42\nX-Note: a:b")
    look(page, "endpoint-form")
    page.get_by_role("button", name="Make the endpoint").click()

    card = page.get_by_role("region", name="Keep this secret")
    expect(card.locator("code")).to_have_text(re.compile("^whsec_"))
    secret = card.locator("code").inner_text()
    look(page, "endpoint-secret")
    [row] = rows(db, "select * from public.webhook_endpoints where user_id = %s", person.id)
    assert (row["url"], row["description"], row["event_types"]) == (
        HOOK,
        MARKUP,
        ["call.completed"],
    )
    assert (row["retry_schedule"], row["headers"]) == ([5, 60], {"X-Tenant": None, "X-Note": None})
    assert headers_of(db, row["id"]) == {"X-Tenant": "42", "X-Note": "a:b"}
    assert secrets_of(db, row["id"]) == [secret]

    page.get_by_role("button", name="I have kept it").click()
    expect(operator.row(HOOK)).to_contain_text(MARKUP)
    assert secret not in page.content()
    page.reload()
    expect(operator.row(HOOK)).to_be_visible(timeout=IN_TIME)
    assert secret not in page.content()
    assert page.evaluate("window.isBroken") is None


def test_form_says_what_the_api_refuses(dashboard: Dashboard, person: Account) -> None:
    operator = dashboard(person, LIST).expect_problem("422")
    page = operator.page
    page.get_by_role("button", name="Make your first endpoint").click()
    page.get_by_label("URL").fill("https://127.0.0.1/hook")

    page.get_by_role("button", name="Make the endpoint").click()

    expect(page.get_by_role("alert")).to_contain_text("127.0.0.1", timeout=IN_TIME)
    expect(page.get_by_label("URL")).to_have_value("https://127.0.0.1/hook")


def test_list_tells_how_each_does(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    delivery = send(db, person.id, endpoint)[0]
    attempt(db, delivery, 1, "The endpoint answered 500.")
    attempt(db, delivery, 2)
    make_endpoint(db, person.id, url=f"{HOOK}/quiet")
    operator = dashboard(person, LIST)

    told = operator.row(HOOK).filter(has_not_text="quiet").locator("td")
    expect(told.nth(2)).to_contain_text("Enabled")
    expect(told.nth(3)).to_contain_text("just now")
    expect(told.nth(4)).to_contain_text("just now")
    expect(told.nth(5)).to_have_text("50 %")
    quiet = operator.row("quiet").locator("td")
    expect(quiet.nth(3)).to_have_text("never")
    expect(quiet.nth(5)).to_have_text("\N{EN DASH}")
    look(operator.page, "endpoints")


def test_what_the_service_disables_is_seen_without_reload(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    operator = dashboard(person, LIST).wait_until("Live")
    expect(operator.row(HOOK)).to_contain_text("Enabled")

    db.execute("select private.disable_endpoint(%s, 'gone')", [endpoint])

    expect(operator.row(HOOK)).to_contain_text("Disabled: it answered 410, gone", timeout=IN_TIME)


def test_endpoint_is_changed(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    page = dashboard(person, address(endpoint)).page
    page.get_by_role("button", name="Edit").click()

    page.get_by_label("Description").fill("Billing")
    page.get_by_role("checkbox", name="message.created").check()
    page.get_by_text("Limits, retries, headers").click()
    page.get_by_label("Attempts a minute").fill("30")
    page.get_by_role("checkbox", name="One after the other").check()
    page.get_by_role("button", name="Save").click()

    about = page.get_by_role("region", name="About this endpoint")
    expect(about).to_contain_text("30 attempts a minute, one after the other", timeout=IN_TIME)
    row = endpoint_row(db, endpoint)
    assert (row["description"], row["event_types"]) == ("Billing", ["message.created"])
    assert (row["rate_per_minute"], row["ordered"], row["concurrency"]) == (30, True, None)
    expect(page.get_by_role("button", name="Edit")).to_be_focused()


def test_what_headers_say_is_kept_and_not_shown(
    dashboard: Dashboard, person: Account, db: psycopg.Connection
) -> None:
    endpoint = make_endpoint(db, person.id, url=HOOK, headers={"X-Team": "blue", "X-Old": "x"})
    page = dashboard(person, address(endpoint)).page
    page.get_by_role("button", name="Edit").click()
    headers = page.get_by_label("Headers, one a line")

    expect(headers).to_have_value(re.compile("^(X-Team\nX-Old|X-Old\nX-Team)$"))
    headers.fill("X-Team\nX-New: a:b")
    page.get_by_role("button", name="Save").click()

    about = page.get_by_role("region", name="About this endpoint")
    expect(about).to_contain_text("X-New", timeout=IN_TIME)
    assert headers_of(db, endpoint) == {"X-Team": "blue", "X-New": "a:b"}


def test_what_is_typed_stays_when_rows_come(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    operator = dashboard(person, address(endpoint)).wait_until("Live")
    operator.page.get_by_role("button", name="Edit").click()
    operator.page.get_by_label("Description").fill("Half a sen")

    send(db, person.id, endpoint)
    expect(operator.row("message.created")).to_have_count(1, timeout=IN_TIME)

    expect(operator.page.get_by_label("Description")).to_have_value("Half a sen")
    expect(operator.page.get_by_label("Description")).to_be_focused()


def test_endpoint_is_disabled_and_enabled(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    operator = dashboard(person, address(endpoint))
    page, button = operator.page, operator.page.get_by_role("button", name="Disable", exact=True)
    button.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert endpoint_row(db, endpoint)["disabled"] is False

    button.click()
    agree(page, "Disable")
    about = page.get_by_role("region", name="About this endpoint")
    expect(about).to_contain_text("Disabled by its owner", timeout=IN_TIME)
    expect(page.get_by_role("button", name="Send a test")).to_have_count(0)
    assert endpoint_row(db, endpoint)["disabled_reason"] == "owner"

    page.get_by_role("button", name="Enable").click()
    expect(button).to_be_visible(timeout=IN_TIME)
    assert endpoint_row(db, endpoint)["disabled"] is False


def test_secret_is_rotated_and_the_old_one_still_signs(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    page = dashboard(person, address(endpoint)).page
    [old] = secrets_of(db, endpoint)

    page.get_by_role("button", name="Rotate the secret").click()
    page.get_by_label("The old one still signs for").select_option("an hour")
    agree(page, "Make a new secret")

    card = page.get_by_role("region", name="Keep this secret")
    expect(card.locator("code")).to_have_text(re.compile("^whsec_"), timeout=IN_TIME)
    assert secrets_of(db, endpoint) == [card.locator("code").inner_text(), old]
    [left] = rows(
        db,
        "select extract(epoch from expires_at - now())::int as seconds"
        " from private.endpoint_secrets where endpoint_id = %s and secret = %s",
        endpoint,
        old,
    )
    assert 3500 < left["seconds"] <= 3600


def test_endpoint_is_deleted_once_that_was_agreed_to(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    operator = dashboard(person, address(endpoint))
    operator.page.get_by_role("button", name="Delete").click()
    expect(operator.page.get_by_role("dialog")).to_contain_text(HOOK)
    agree(operator.page, "Delete")

    expect(operator.title).to_have_text("Endpoints", timeout=IN_TIME)
    assert rows(db, "select id from public.webhook_endpoints where id = %s", endpoint) == []


def test_page_tells_that_its_endpoint_was_deleted_elsewhere(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    operator = dashboard(person, address(endpoint)).wait_until("Live")

    db.execute("delete from public.webhook_endpoints where id = %s", [endpoint])

    expect(operator.page.get_by_role("alert")).to_contain_text("was deleted", timeout=IN_TIME)
    expect(operator.page.get_by_role("button", name="Delete")).to_have_count(0)


@pytest.mark.parametrize("wanted", ["another's", "not-an-id", "../../etc"])
def test_what_is_not_theirs_is_not_found(
    dashboard: Dashboard, db: psycopg.Connection, admin: Account, person: Account, wanted: str
) -> None:
    secret_place = "https://secret-place.example.test/in"
    others = make_endpoint(db, admin.id, url=secret_place)
    wanted = others if wanted == "another's" else wanted.replace("/", "%2F")
    operator = dashboard(person, address(wanted)).expect_problem("404")

    expect(operator.page.get_by_role("alert")).to_contain_text("Not found", timeout=IN_TIME)
    assert "secret-place" not in operator.page.content()
    assert "secret-place" not in "".join(operator.frames)


def test_admin_sees_an_endpoint_and_cannot_change_it(
    dashboard: Dashboard, admin: Account, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    send(db, person.id, endpoint)
    operator = dashboard(admin, address(endpoint))

    expect(operator.page.get_by_text("Somebody else's")).to_be_visible(timeout=IN_TIME)
    expect(operator.row("message.created")).to_have_count(1)
    for name in ("Edit", "Rotate the secret", "Disable", "Delete", "Send a test", "Send now"):
        expect(operator.page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_own_row_is_the_owners_in_an_admins_list(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, endpoint: str
) -> None:
    call(db, "create_endpoint", admin.id, {"url": f"{HOOK}/mine"}, "whsec_x", 1000)
    operator = dashboard(admin, LIST)

    expect(operator.row(f"{HOOK}/mine").locator("td").last).to_have_text("you")
    expect(operator.page.locator(f'a[href="{address(endpoint)}"]')).to_be_visible()


def test_form_offers_every_type_that_the_api_takes() -> None:
    listed = Path(PARTS).read_text().partition("EVENT_TYPES = [")[2].partition("]")[0]

    assert tuple(re.findall(r'"([^"]+)"', listed)) == EVENT_TYPES
