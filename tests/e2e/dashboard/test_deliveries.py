"""Deliveries on the dashboard: as they go, filtered, sent again."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from playwright.sync_api import expect

from services.local.stack import LocalStack
from tests.database.endpoints import SECRET, make_endpoint, send
from tests.database.events import rows
from tests.e2e.accounts import Account
from tests.e2e.dashboard.browsing import Operator, look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.sending import local_service, local_worker
from tests.e2e.visitor import IN_TIME
from tests.receivers import Call, Receiver, Reply, receiving

MARKUP = b"<script>window.isBroken = 1</script>"


@pytest.fixture(name="url", scope="module")
def _url(stack: LocalStack) -> Iterator[str]:
    with local_service(stack) as url:
        yield url


@pytest.fixture(name="worker")
def _worker(stack: LocalStack) -> Iterator[None]:
    with local_worker(stack):
        yield


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    """A receiver that answers 500 until it is told otherwise."""

    def broken(call: Call) -> Reply:
        return Reply(status=500, body=MARKUP)

    with receiving(SECRET, answer=broken) as receiver:
        yield receiver


@pytest.fixture(name="endpoint")
def _endpoint(db: psycopg.Connection, person: Account, receiver: Receiver) -> str:
    """The person's endpoint at the receiver, which is tried once."""
    return make_endpoint(db, person.id, url=receiver.url, retry_schedule=[])


def mend(receiver: Receiver) -> None:
    receiver.answer = lambda call: Reply(status=200, body=b"thanks")


def finished(db: psycopg.Connection, deliveries: list[str], state: str, error: str | None) -> None:
    """Let deliveries have ended, as if a worker had sent them once."""
    db.execute(
        "update public.webhook_deliveries set state = %s, last_error = %s, attempts = 1,"
        " last_status = 500, next_attempt_at = null, finished_at = now()"
        " where id = any(%s::uuid[])",
        [state, error, deliveries],
    )
    db.execute(
        "delete from private.delivery_queue where delivery_id = any(%s::uuid[])", [deliveries]
    )


def states(db: psycopg.Connection, endpoint: str) -> list[str]:
    query = "select state from public.webhook_deliveries where endpoint_id = %s order by created_at"
    return [row["state"] for row in rows(db, query, endpoint)]


def test_failed_delivery_is_resent_and_seen_to_arrive(
    dashboard: Dashboard, person: Account, url: str, endpoint: str, receiver: Receiver, worker: None
) -> None:
    operator = dashboard(person, f"/dashboard/endpoints/{endpoint}", url=url).wait_until("Live")
    page = operator.page
    page.evaluate("window.isStillThisPage = true")
    page.get_by_label("Type of the test event").select_option("call.completed")
    page.get_by_role("button", name="Send a test").click()
    row = operator.row("call.completed")
    expect(row).to_contain_text("Failed", timeout=IN_TIME)
    expect(row).to_contain_text("The endpoint answered 500")
    look(page, "endpoint")

    mend(receiver)
    row.get_by_role("button", name="Resend").click()

    expect(row).to_contain_text("Delivered", timeout=IN_TIME)
    expect(row.locator("td").nth(3)).to_have_text("2")
    assert page.evaluate("window.isStillThisPage")
    assert len({call.webhook_id for call in receiver.calls}) == 1


def test_everything_that_failed_since_then_is_resent(
    dashboard: Dashboard,
    person: Account,
    db: psycopg.Connection,
    url: str,
    endpoint: str,
    receiver: Receiver,
    worker: None,
) -> None:
    deliveries = send(db, person.id, endpoint, 3)
    receiver.wait_for_calls(3)
    operator = dashboard(person, f"/dashboard/endpoints/{endpoint}", url=url).wait_until("Live")
    expect(operator.row("Failed")).to_have_count(3, timeout=IN_TIME)
    db.execute(
        "update public.webhook_deliveries set created_at = now() - interval '2 days' where id = %s",
        [deliveries[0]],
    )

    mend(receiver)
    operator.page.get_by_role("button", name="Resend what has failed").click()
    dialog = operator.page.get_by_role("dialog")
    expect(dialog.get_by_label("Since")).not_to_have_value("")
    dialog.get_by_role("button", name="Resend all").click()

    expect(operator.page.get_by_text("2 deliveries go out again.")).to_be_visible(timeout=IN_TIME)
    expect(operator.row("Delivered")).to_have_count(2, timeout=IN_TIME)
    assert sorted(states(db, endpoint)) == ["delivered", "delivered", "failed"]


def test_page_of_a_delivery_tells_each_attempt_as_it_ends(
    dashboard: Dashboard,
    person: Account,
    db: psycopg.Connection,
    url: str,
    endpoint: str,
    receiver: Receiver,
    worker: None,
) -> None:
    [delivery] = send(db, person.id, endpoint)
    receiver.wait_for_calls(1)
    operator = dashboard(person, f"/dashboard/deliveries/{delivery}", url=url).wait_until("Live")
    page = operator.page
    attempts = page.locator(".tries > li")
    expect(attempts).to_have_count(1, timeout=IN_TIME)
    expect(attempts).to_contain_text("The endpoint answered 500")
    expect(attempts.locator("pre")).to_have_text(MARKUP.decode())

    mend(receiver)
    page.get_by_role("button", name="Resend").click()

    expect(page.locator(".toast")).to_have_text("It goes out again.")
    expect(attempts).to_have_count(2, timeout=IN_TIME)
    expect(attempts.first).to_contain_text("Attempt 2")
    expect(attempts.first.locator("pre")).to_have_text("thanks")
    expect(page.locator(".head .badge")).to_have_text("Delivered")
    expect(page.get_by_role("link", name=receiver.url).first).to_be_visible()
    assert page.evaluate("window.isBroken") is None
    look(page, "delivery")


def test_next_attempt_is_told_of_what_is_retried(
    dashboard: Dashboard,
    person: Account,
    db: psycopg.Connection,
    url: str,
    receiver: Receiver,
    worker: None,
) -> None:
    endpoint = make_endpoint(db, person.id, url=receiver.url, retry_schedule=[3600])
    [delivery] = send(db, person.id, endpoint)
    receiver.wait_for_calls(1)

    operator = dashboard(person, f"/dashboard/endpoints/{endpoint}", url=url)
    expect(operator.row("Retrying").locator("td").nth(5)).to_have_text("in 1 hr.", timeout=IN_TIME)
    operator.row("Retrying").get_by_role("link").click()

    expect(operator.page.get_by_role("region", name="About this delivery")).to_contain_text(
        re.compile("Next attempt\\s*in 1 hr."), timeout=IN_TIME
    )
    assert operator.page.url.endswith(delivery)


def test_filters_are_in_the_address_and_come_back(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    failed, waiting, delivered = send(db, person.id, endpoint, 3)
    finished(db, [failed], "failed", "The endpoint answered 500.")
    finished(db, [delivered], "delivered", None)
    operator = dashboard(person, f"/dashboard/endpoints/{endpoint}")
    page, every = operator.page, operator.page.locator("#page tbody tr")
    expect(every).to_have_count(3)

    page.get_by_label("State").select_option("Failed")
    expect(every).to_have_count(1)
    assert page.url.endswith("?state=failed")
    page.reload()
    expect(every).to_have_count(1, timeout=IN_TIME)
    page.go_back()
    expect(every).to_have_count(3, timeout=IN_TIME)

    [row] = rows(db, "select * from public.webhook_deliveries where id = %s", waiting)
    page.get_by_label("webhook-id").fill(row["webhook_id"])
    expect(every).to_have_count(1)
    expect(every).to_contain_text("Waiting")
    page.get_by_label("State").select_option("Delivered")
    expect(page.get_by_text("No delivery fits")).to_be_visible()


def test_row_that_no_longer_fits_leaves_and_one_that_fits_arrives(
    dashboard: Dashboard, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    deliveries = send(db, person.id, endpoint, 2)
    path = f"/dashboard/endpoints/{endpoint}?state=failed"
    operator: Operator = dashboard(person, path).wait_until("Live")
    expect(operator.page.get_by_text("No delivery fits")).to_be_visible(timeout=IN_TIME)

    finished(db, deliveries, "failed", "It took no connection.")
    expect(operator.row("It took no connection.")).to_have_count(2, timeout=IN_TIME)

    finished(db, deliveries[:1], "delivered", None)
    expect(operator.row("It took no connection.")).to_have_count(1, timeout=IN_TIME)


def test_what_came_while_the_connection_was_down_is_caught_up_with(
    dashboard: Dashboard,
    person: Account,
    db: psycopg.Connection,
    endpoint: str,
    turn_realtime: Callable[..., None],
) -> None:
    operator = dashboard(person, f"/dashboard/endpoints/{endpoint}").wait_until("Live")
    expect(operator.page.get_by_text("Nothing was sent yet")).to_be_visible(timeout=IN_TIME)

    turn_realtime(system_delay_ms=1500, drop=True)
    operator.wait_until("Reconnecting")
    send(db, person.id, endpoint, 3)

    operator.wait_until("Live")
    expect(operator.row("message.created")).to_have_count(3)


def test_old_ones_are_a_page_away_and_resent_they_are_followed_too(
    dashboard: Dashboard,
    person: Account,
    db: psycopg.Connection,
    url: str,
    endpoint: str,
    receiver: Receiver,
    stack: LocalStack,
) -> None:
    deliveries = send(db, person.id, endpoint, 60)
    finished(db, deliveries, "delivered", None)
    finished(db, deliveries[:1], "failed", "The endpoint answered 500.")
    operator = dashboard(person, f"/dashboard/endpoints/{endpoint}", url=url).wait_until("Live")
    every = operator.page.locator("#page tbody tr")
    expect(every).to_have_count(50)

    operator.page.get_by_role("button", name="Show older ones").click()
    expect(every).to_have_count(60, timeout=IN_TIME)
    mend(receiver)
    with local_worker(stack):
        every.last.get_by_role("button", name="Resend").click()

        expect(every.last).to_contain_text("Delivered", timeout=IN_TIME)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("wanted", ["another's", "nobody's", "not-an-id"])
def test_delivery_that_is_not_theirs_is_not_found(
    dashboard: Dashboard, admin: Account, person: Account, db: psycopg.Connection, wanted: str
) -> None:
    theirs = make_endpoint(db, admin.id, url="https://secret-place.example.test/in")
    [delivery] = send(db, admin.id, theirs)
    ids = {"another's": delivery, "nobody's": str(uuid.uuid4())}
    operator = dashboard(person, f"/dashboard/deliveries/{ids.get(wanted, wanted)}")

    expect(operator.page.get_by_role("alert")).to_contain_text("Not found", timeout=IN_TIME)
    assert "secret-place" not in operator.page.content()
    assert "secret-place" not in "".join(operator.frames)


def test_admin_reads_a_delivery_and_cannot_resend_it(
    dashboard: Dashboard, admin: Account, person: Account, db: psycopg.Connection, endpoint: str
) -> None:
    [delivery] = send(db, person.id, endpoint)
    operator = dashboard(admin, f"/dashboard/deliveries/{delivery}")

    expect(operator.page.get_by_text("Not tried yet")).to_be_visible(timeout=IN_TIME)
    expect(operator.page.get_by_role("button", name=re.compile("Resend|Send now"))).to_have_count(0)
