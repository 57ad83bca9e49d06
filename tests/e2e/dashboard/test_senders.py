"""The page of senders: who calls, how well, and how to set up who cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import expect

from services.local import checkout
from services.local.stack import LocalStack
from services.providers import PROVIDERS
from tests.e2e.accounts import Account
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.sending import local_service
from tests.e2e.visitor import IN_TIME

PATH = "/dashboard/senders"
NOBODY = "00000000-0000-4000-8000-00000000d0d1"


@pytest.fixture(name="url", scope="module")
def _url(stack: LocalStack) -> Iterator[str]:
    """A service that does not know what Calendly signs with."""
    without = {"CALENDLY_WEBHOOK_SIGNING_KEY": "", "CALENDLY_WEBHOOK_TOKEN": ""}
    with local_service(stack, **without) as url:
        yield url


@pytest.fixture(name="counted")
def _counted(db: psycopg.Connection) -> Iterator[None]:
    """What three senders have sent lately."""
    db.execute("delete from private.webhook_minutes")
    told = (("tavus", 1200, 0, 3), ("stripe", 200, 40, 0), ("twilio", 0, 0, 431))
    for source, received, failed, unauthentic in told:
        db.execute(
            "insert into private.webhook_minutes (minute, source, process_id, received, failed,"
            " unauthentic, duplicates, last_at)"
            " values (date_trunc('minute', now()), %s, %s, %s, %s, %s, 7, now())",
            [source, NOBODY, received, failed, unauthentic],
        )
    yield
    db.execute("delete from private.webhook_minutes where process_id = %s", [NOBODY])


def test_each_sender_is_told_with_how_it_does(
    dashboard: Dashboard, admin: Account, url: str, counted: None
) -> None:
    operator = dashboard(admin, PATH, url=url)

    tavus, stripe, twilio = (operator.row(name) for name in ("/api/tavus", "/stripe", "/twilio"))
    # The service that all tests share may tell of a call or two of the test before.
    expect(tavus.locator("td").nth(3)).to_have_text(
        re.compile("^1,20\\d\\s*\\d repeated$"), timeout=IN_TIME
    )
    expect(tavus).to_contain_text("3 not signed right")
    expect(tavus).to_contain_text("just now")
    expect(stripe).to_contain_text("Some failed")
    expect(stripe.locator("td").nth(4)).to_have_text("80 %")
    expect(twilio).to_contain_text("Signatures fail")
    look(operator.page, "senders")


def test_who_is_not_set_up_is_told_how(
    dashboard: Dashboard, admin: Account, url: str, counted: None
) -> None:
    context = {"permissions": ["clipboard-read", "clipboard-write"]}
    page = dashboard(admin, PATH, url=url, **context).page
    card = page.get_by_role("article").filter(has_text="calendly")

    expect(card).to_contain_text("CALENDLY_WEBHOOK_SIGNING_KEY", timeout=IN_TIME)
    expect(card).to_contain_text("docs/senders/calendly.md")
    card.get_by_role("button", name="Copy the address").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "https://hooks.example.test/api/webhooks/calendly"
    expect(page.locator("table")).not_to_contain_text("calendly")


def test_new_counts_are_seen_without_reload(
    dashboard: Dashboard, admin: Account, url: str, counted: None, db: psycopg.Connection
) -> None:
    operator = dashboard(admin, PATH, url=url, has_clock=True)
    received = operator.row("/api/tavus").locator("td").nth(3)
    expect(received).to_contain_text("1,20", timeout=IN_TIME)

    change = "update private.webhook_minutes set received = 1300 where process_id = %s"
    db.execute(change, [NOBODY])
    operator.let_pass()

    expect(received).to_contain_text("1,30", timeout=20_000)


def test_it_is_for_admins(dashboard: Dashboard, person: Account, counted: None) -> None:
    operator = dashboard(person, PATH)

    expect(operator.page.get_by_text("This is for admins only")).to_be_visible()
    assert "/api/tavus" not in operator.page.content()
    expect(operator.page.get_by_role("link", name="Senders")).to_have_count(0)


def test_every_built_in_sender_has_its_instructions() -> None:
    text = (checkout.ROOT / "services/web/static/dashboard/operations/sender-setup.js").read_text()

    for provider in PROVIDERS:
        assert f'{provider.name}: {{ doc: "docs/senders/{provider.name}.md"' in text
        assert (checkout.ROOT / "docs" / "senders" / f"{provider.name}.md").exists()
