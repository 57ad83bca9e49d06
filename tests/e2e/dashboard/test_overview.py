"""The overview: figures, charts and their numbers, over an hour, a day, a week."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from services.telemetry.tally import SECONDS
from tests.database.endpoints import make_endpoint, send
from tests.e2e.accounts import Account
from tests.e2e.callbacks import utterance
from tests.e2e.dashboard.browsing import look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import IN_TIME
from tests.waiting import until
from tests.web.caller import Caller

NOBODY = "00000000-0000-4000-8000-00000000d0d0"
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
PIXELS = """([canvas, name]) => {
  const paint = document.createElement("canvas").getContext("2d");
  paint.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  paint.fillRect(0, 0, 1, 1);
  const wanted = paint.getImageData(0, 0, 1, 1).data;
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let at = 0; at < all.length; at += 4) {
    if ([0, 1, 2].every((part) => all[at + part] === wanted[part])) found += 1;
  }
  return found;
}"""

NINE_SENDERS = """async () => {
  const { CHARTS, drawn, percent } = await import("/static/dashboard/overview/numbers.js");
  const counts = (n) =>
    ({ received: [n + 1, 10], failed: [0, 0], p50_ms: [1, null], p95_ms: [2, null] });
  const named = [..."012345678"].map((n) => [`source-${n}`, counts(Number(n))]);
  const sources = Object.fromEntries(named);
  const times = ["2026-03-01T10:00:00Z", "2026-03-01T10:15:00Z"];
  const statistics = { sources, times, step_seconds: 900 };
  const chartOf = (name) => CHARTS.find((chart) => chart.name === name);
  const seriesOf = (name) => drawn(chartOf(name), statistics).series;
  const shares = [0.99996, 1, 0.5, 0, null].map(percent);
  return { shares, events: seriesOf("events"), times: seriesOf("time").length };
}"""


def count(
    db: psycopg.Connection, ago: timedelta, source: str, received: int, failed: int = 0
) -> None:
    """Let a process have counted the calls of a sender."""
    times = [0] * (len(SECONDS) + 1)
    times[3], times[4], times[5] = received - 3, 2, 1
    db.execute(
        "insert into private.webhook_minutes"
        " (minute, source, process_id, received, failed, seconds, buckets, last_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s)",
        [NOW - ago, source, NOBODY, received, failed, received / 50, times, NOW - ago],
    )


@pytest.fixture(name="day")
def _day(db: psycopg.Connection) -> Iterator[None]:
    """What three senders have sent in a week, most of it in the last day."""
    db.execute("delete from private.webhook_minutes")
    for half in range(47):
        ago = timedelta(minutes=30 * half + 5)
        count(db, ago, "tavus", 20 + 2 * abs(half % 23 - 11), half % 7 // 6)
        count(db, ago + timedelta(minutes=4), "twilio", 4 + half % 5)
    count(db, timedelta(hours=3), "stripe", 55, 4)
    count(db, timedelta(days=3), "calendly", 1000)
    yield
    db.execute("delete from private.webhook_minutes where process_id = %s", [NOBODY])


def figure(page: Page, name: str) -> Locator:
    return page.get_by_role("list", name="The last").get_by_role("listitem").filter(has_text=name)


def chart(page: Page, name: str) -> Locator:
    return page.locator(f'[data-chart="{name}"]')


def test_figures_and_charts_of_a_day(
    dashboard: Dashboard, admin: Account, day: None, db: psycopg.Connection, person: Account
) -> None:
    send(db, person.id, make_endpoint(db, person.id))
    operator = dashboard(admin).wait_until("Live")
    page = operator.page

    expect(figure(page, "Received").locator("strong")).to_have_text(re.compile(r"^1,\d\d\d$"))
    expect(figure(page, "Success rate")).to_contain_text("%")
    expect(figure(page, "Dead letters").get_by_role("link")).to_have_attribute(
        "href", "/dashboard/dead-letters"
    )
    for title in ("Events", "Success rate", "Processing time", "Deliveries", "Delivery time"):
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(chart(page, "events").locator(".legend li")).to_have_text(["stripe", "tavus", "twilio"])
    look(page, "overview")


def test_bars_are_drawn_in_the_colours_of_the_page(
    dashboard: Dashboard, admin: Account, day: None
) -> None:
    page = dashboard(admin, color_scheme="light").page
    events = chart(page, "events")
    expect(events.locator("canvas")).to_be_visible(timeout=IN_TIME)

    def pixels(name: str) -> int:
        canvas = events.locator("canvas").element_handle()
        found: int = page.evaluate(PIXELS, [canvas, name])
        return found

    light = pixels("--chart-2")
    page.emulate_media(color_scheme="dark")
    until(lambda: page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))

    assert light > 1000
    assert pixels("--chart-2") == pytest.approx(light, rel=0.1)


def test_span_is_in_the_address_and_comes_back(
    dashboard: Dashboard, admin: Account, day: None
) -> None:
    page = dashboard(admin).page
    received = figure(page, "Received").locator("strong")
    expect(received).to_have_text(re.compile(r"^1,\d\d\d$"), timeout=IN_TIME)

    page.get_by_role("button", name="Week").click()
    expect(received).to_have_text(re.compile(r"^2,\d\d\d$"), timeout=IN_TIME)
    assert page.url.endswith("?span=week")
    expect(chart(page, "events").locator(".legend li").first).to_have_text("calendly")
    page.reload()
    expect(received).to_have_text(re.compile(r"^2,\d\d\d$"), timeout=IN_TIME)
    page.get_by_role("button", name="Hour").click()
    expect(received).to_have_text(re.compile(r"^\d\d$"), timeout=IN_TIME)

    page.go_back()
    expect(received).to_have_text(re.compile(r"^2,\d\d\d$"), timeout=IN_TIME)
    expect(page.get_by_role("button", name="Week")).to_have_attribute("aria-pressed", "true")


def test_charts_are_read_by_keyboard_and_as_a_table(
    dashboard: Dashboard, admin: Account, day: None
) -> None:
    page = dashboard(admin, "/dashboard?span=hour").page
    events = chart(page, "events")
    expect(events.locator("canvas")).to_be_visible()

    events.get_by_role("group", name="Arrow keys").focus()
    page.keyboard.press("Home")
    voice = events.locator(".voice")
    expect(voice).to_have_text(re.compile(r"\d\d:\d\d.*: tavus \d+, twilio \d+$"))
    for _ in range(70):
        if "tavus 42" in voice.inner_text():
            break
        page.keyboard.press("ArrowRight")
    expect(events.locator(".tip")).to_contain_text("42")
    page.keyboard.press("Escape")
    expect(events.locator(".tip")).to_be_hidden()

    events.get_by_text("Show the numbers").press("Enter")
    table = events.get_by_role("table")
    expect(table.locator("thead th")).to_have_text(["Time", "tavus", "twilio"])
    cells = table.locator("tbody tr td:nth-of-type(1)").all_inner_texts()
    assert sorted(map(int, cells))[-2:] == [40, 42]
    look(page, "overview-numbers")


def test_callback_of_theirs_is_counted_before_their_eyes(
    dashboard: Dashboard, person: Account, caller: Caller, db: psycopg.Connection
) -> None:
    conversation = create_conversation(db, person.id)
    page = dashboard(person).wait_until("Live").page
    expect(figure(page, "Received").locator("strong")).to_have_text("0", timeout=IN_TIME)
    expect(page.get_by_text("Nothing has come in this time")).to_be_visible()
    look(page, "overview-nothing")
    canvas = chart(page, "deliveries").locator("canvas")
    canvas.evaluate("canvas => canvas.isStillThis = true")

    caller.send(utterance(conversation, "Hello"))

    # Well before the next look at everything, which is after 15 seconds.
    expect(figure(page, "Received").locator("strong")).to_have_text("1", timeout=10_000)
    assert canvas.evaluate("canvas => canvas.isStillThis")
    expect(page.get_by_text("Dead letters")).to_have_count(0)
    expect(chart(page, "retries")).to_have_count(0)


def test_open_incident_is_told_and_markup_in_it_is_text(
    dashboard: Dashboard, admin: Account, db: psycopg.Connection
) -> None:
    db.execute(
        "insert into private.incidents (name, severity, title, detail, began_at) values"
        " ('test_open', 'critical', 'Deliveries fail', '<b>12</b> of 40 failed.', now())"
    )
    try:
        page = dashboard(admin).page
        told = page.get_by_role("region", name="Open incidents")
        expect(told).to_contain_text("<b>12</b> of 40 failed.", timeout=IN_TIME)
    finally:
        db.execute("delete from private.incidents where name = 'test_open'")


def test_failure_is_told_and_mended_by_a_retry(
    dashboard: Dashboard, admin: Account, day: None
) -> None:
    operator = dashboard(admin, "/dashboard/senders").expect_problem("503")
    page, statistics = operator.page, re.compile("/api/webhooks/statistics")
    problem = json.dumps({"title": "Away", "detail": "Supabase cannot be reached."})

    def away(route: Route) -> None:
        route.fulfill(status=503, body=problem, content_type="application/problem+json")

    page.route(statistics, away)
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "Supabase cannot be reached.", timeout=IN_TIME
    )
    page.unroute(statistics)
    page.get_by_role("button", name="Try again").click()

    expect(figure(page, "Received")).to_be_visible(timeout=IN_TIME)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_shares_are_never_rounded_up_and_many_senders_are_summed(
    dashboard: Dashboard, admin: Account
) -> None:
    page = dashboard(admin, "/dashboard/senders").page

    told = page.evaluate(NINE_SENDERS)

    assert told["shares"] == ["99.9 %", "100 %", "50 %", "0 %", "\N{EN DASH}"]
    kept = [series["label"] for series in told["events"]]
    assert kept == [*(f"source-{n}" for n in range(4, 9)), "Other"]
    assert told["events"][-1]["values"] == [1 + 2 + 3 + 4, 40]
    assert told["times"] == 2 * 5
