"""The page of operations: what runs, what waits, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from services.local.stack import LocalStack
from tests.database.endpoints import make_endpoint, send
from tests.e2e.accounts import Account
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.sending import local_worker
from tests.e2e.visitor import IN_TIME

PATH = "/dashboard/operations"
REPORTED = 30_000


def queue(page: Page, label: str) -> Locator:
    item = page.locator(".queues li").filter(has_text=label)
    return item.locator("strong")


@pytest.fixture(name="calm")
def _calm(db: psycopg.Connection) -> Iterator[None]:
    """A database in which nobody else has left waiting or dead processes."""
    db.execute("delete from private.process_reports")
    db.execute("delete from private.incidents")
    db.execute("delete from private.realtime_minutes")
    yield
    db.execute("delete from private.process_reports where host like 'test-%'")
    db.execute("delete from private.incidents where name like 'test_%'")
    db.execute("delete from private.realtime_minutes")


def report(db: psycopg.Connection, kind: str, host: str, age: str, facts: str = "{}") -> None:
    """Let a process have told of itself."""
    db.execute(
        "insert into private.process_reports"
        " (process_id, kind, host, started_at, reported_at, facts) values"
        " (gen_random_uuid(), %s, %s, now() - interval '2 hours', now() - %s::interval, %s)",
        [kind, host, age, facts],
    )


def test_killed_worker_is_missed(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, stack: LocalStack, calm: None
) -> None:
    page = dashboard(admin, PATH).page
    worker = page.locator("tbody tr").filter(has_text="A worker")
    with local_worker(stack) as process:
        expect(worker).to_contain_text("Running", timeout=REPORTED)
        expect(page.get_by_text("No worker is running")).to_have_count(0)

        process.kill()
        process.wait()
        # It is believed for half a minute; that it is silent from now on is what counts.
        db.execute(
            "update private.process_reports set reported_at = reported_at - interval '1 minute'"
            " where kind = 'worker'"
        )

        expect(worker).to_contain_text("Silent", timeout=IN_TIME)
        missed = page.get_by_role("region", name="What does not run")
        expect(missed).to_contain_text("No worker is running")
        expect(missed).to_contain_text("convohooks worker")
        page.goto(page.url.replace(PATH, "/dashboard"))
        expect(missed).to_contain_text("No worker is running")
        look(page, "overview-no-worker")
        page.go_back()
        expect(missed).to_be_visible()
    look(page, "operations-no-worker")


def test_silence_is_told_in_seconds(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, calm: None
) -> None:
    report(db, "worker", "test-silent", "34 seconds")

    row = dashboard(admin, PATH).page.locator("tbody tr").filter(has_text="test-silent")

    expect(row).to_contain_text("Silent")
    expect(row).to_contain_text(re.compile(r"(3[4-9]|4\d) sec. ago"))


def test_queues_processes_and_incidents_are_told(
    dashboard: Dashboard, admin: Account, person: Account, db: psycopg.Connection, calm: None
) -> None:
    send(db, person.id, make_endpoint(db, person.id), 3)
    cut_off = '{"breaker": "open", "spooled": 41, "unsendable": 1, "spool_bytes": 2400000}'
    report(db, "web", "test-cut-off", "2 seconds", cut_off)
    report(db, "worker", "test-worker", "2 seconds")
    db.execute(
        "insert into private.incidents (name, severity, title, detail, began_at, ended_at) values"
        " ('test_a', 'warning', 'Deliveries fail', '<i>12</i> of 40', now() - '2 h'::interval,"
        " null),"
        " ('test_b', 'warning', 'It was silent', 'For an hour.', now() - '3 h'::interval, now())"
    )
    page = dashboard(admin, PATH).page

    expect(queue(page, "Deliveries waiting")).to_have_text(re.compile(r"^[1-9]"), timeout=IN_TIME)
    cut = page.locator("tbody tr").filter(has_text="test-cut-off")
    expect(cut).to_contain_text("Cut off")
    expect(cut).to_contain_text("41 wait, 1 cannot be sent, 2.3 MB")
    incidents = page.get_by_role("table", name="Incidents").locator("tbody tr")
    expect(incidents).to_have_text([re.compile("Going on.*<i>12</i> of 40"), re.compile("Over")])
    expect(page.get_by_role("region", name="Open incidents")).to_have_text(
        re.compile("Deliveries fail")
    )
    look(page, "operations")


def test_critical_incident_is_red_and_another_is_not(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection, calm: None
) -> None:
    db.execute(
        "insert into private.incidents (name, severity, title, detail, began_at) values"
        " ('test_c', 'critical', 'Calls fail', 'All of them.', now()),"
        " ('test_w', 'warning', 'It is slow', 'A bit.', now())"
    )
    page = dashboard(admin, PATH).page
    incidents = page.get_by_role("region", name="Open incidents").get_by_role("article")

    def colour(title: str) -> str:
        one = incidents.filter(has_text=title)
        expect(one).to_be_visible()
        return str(one.evaluate("it => getComputedStyle(it).color"))

    bad = page.evaluate(
        "() => { document.body.append(Object.assign(document.createElement('i'), {id: 'bad'}));"
        " bad.style.color = 'var(--bad)'; return getComputedStyle(bad).color; }"
    )
    assert colour("Calls fail") == bad
    assert colour("It is slow") != bad


@pytest.mark.parametrize(("changes", "said"), [(60, "Within its limit"), (1500, "Near its limit")])
def test_load_of_realtime_is_told_against_its_limit(
    dashboard: Dashboard,
    admin: Account,
    db: psycopg.Connection,
    calm: None,
    changes: int,
    said: str,
) -> None:
    db.execute(
        "insert into private.realtime_minutes (minute, changes, seconds, peak)"
        " values (date_trunc('minute', now()), %s, 60, %s / 60.0)",
        [changes, changes],
    )
    page = dashboard(admin, PATH).page
    card = page.get_by_role("region", name="Realtime")

    expect(card).to_contain_text(said, timeout=IN_TIME)
    expect(card).to_contain_text("30 a second")
    is_near = said.startswith("Near")
    expect(card.get_by_text("REALTIME_EVENTS")).to_have_count(1 if is_near else 0)
    expect(card.get_by_text("docs/broadcast.md")).to_have_count(1 if is_near else 0)


def test_load_that_nobody_has_measured_is_not_called_none(
    dashboard: Dashboard, admin: Account, calm: None
) -> None:
    page = dashboard(admin, PATH).page

    expect(page.get_by_role("region", name="Realtime")).to_contain_text(
        "Not measured", timeout=IN_TIME
    )


def test_it_is_for_admins(dashboard: Dashboard, person: Account) -> None:
    operator = dashboard(person, PATH)

    expect(operator.page.get_by_text("This is for admins only")).to_be_visible()
    expect(operator.page.locator(".queues")).to_have_count(0)
