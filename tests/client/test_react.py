"""The hooks for React, in StrictMode, in a browser."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from services.local.stack import LocalStack
from tests.client.rows import say
from tests.client_package import run_node
from tests.e2e.accounts import Account, create_account
from tests.e2e.rows import create_conversation

IN_TIME = 15_000
HTML = '<!doctype html><title>Page</title><div id="root"></div><script src="page.js"></script>'
BUNDLE = """
import { build } from "esbuild";
const [entry, outfile] = process.argv.slice(1);
await build({ entryPoints: [entry], outfile, bundle: true, jsx: "automatic", logLevel: "error" });
"""
Open = Callable[[str | None], Page]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *told: Any) -> None:
        """Keep it to itself."""


@pytest.fixture(name="address", scope="module")
def _address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is served."""
    folder = tmp_path_factory.mktemp("page")
    bundle(folder / "page.js")
    (folder / "index.html").write_text(HTML)
    (folder / "favicon.ico").write_text("")
    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def bundle(outfile: Path) -> None:
    run_node("--input-type=module", "-e", BUNDLE, "--", "tests/page.tsx", str(outfile))


@pytest.fixture(name="open_page")
def _open_page(browser: Browser, stack: LocalStack, owner: Account, address: str) -> Iterator[Open]:
    """Open the page as the owner, with a conversation on it; no page may have met an error."""
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: problems.append(str(error)))

    def open_page(conversation: str | None) -> Page:
        page.goto(address)
        settings = {
            "url": stack.url,
            "key": stack.publishable_key,
            "email": owner.email,
            "password": owner.password,
        }
        page.evaluate("([settings, first]) => open(settings, first)", [settings, conversation])
        return page

    yield open_page
    context.close()
    assert problems == []


def channels(page: Page) -> int:
    count: int = page.evaluate("client.getChannels().length")
    return count


def turn(page: Page, **change: Any) -> None:
    page.evaluate(f"turn({json.dumps(change)})")


def shows(page: Page, *said: str) -> None:
    expect(page.locator("#events li")).to_have_text(list(said), timeout=IN_TIME)


def test_every_event_is_shown_once_though_effects_run_twice(
    open_page: Open, conversation: str, db: psycopg.Connection
) -> None:
    say(db, conversation, "before")
    page = open_page(conversation)
    expect(page.locator("#status")).to_have_text("live", timeout=IN_TIME)

    say(db, conversation, "after")

    shows(page, "before", "after")
    expect(page.locator("#name")).to_have_text("Demo")
    assert channels(page) == 2


def test_another_conversation_takes_the_place_of_the_first(
    open_page: Open, conversation: str, owner: Account, db: psycopg.Connection
) -> None:
    other = create_conversation(db, owner.id, "Other")
    say(db, conversation, "of the first")
    say(db, other, "of the other")
    page = open_page(conversation)
    shows(page, "of the first")

    turn(page, conversation=other)

    shows(page, "of the other")
    expect(page.locator("#name")).to_have_text("Other")
    expect(page.locator("#status")).to_have_text("live", timeout=IN_TIME)
    say(db, conversation, "of the first again")
    say(db, other, "of the other again")
    shows(page, "of the other", "of the other again")
    assert channels(page) == 2


def test_without_a_conversation_nothing_is_shown(
    open_page: Open, conversation: str, db: psycopg.Connection
) -> None:
    say(db, conversation, "there")
    page = open_page(conversation)
    shows(page, "there")

    turn(page, conversation=None)

    shows(page)
    page.wait_for_function("client.getChannels().length === 0")


def test_nothing_is_left_when_the_components_are_gone(open_page: Open, conversation: str) -> None:
    page = open_page(conversation)
    expect(page.locator("#status")).to_have_text("live", timeout=IN_TIME)

    turn(page, isShown=False)

    page.wait_for_function("client.getChannels().length === 0")


def test_earlier_events_come_before_the_others(
    open_page: Open, conversation: str, db: psycopg.Connection
) -> None:
    for number in range(3):
        say(db, conversation, str(number))
    page = open_page(conversation)
    expect(page.locator("#count")).to_have_text("2 of 0", timeout=IN_TIME)

    page.get_by_role("button", name="Earlier").click()

    expect(page.locator("#count")).to_have_text("3 of 0", timeout=IN_TIME)
    expect(page.get_by_role("button", name="Earlier")).to_have_count(0)


def test_who_signs_out_leaves_nothing_on_the_page_and_finds_it_again(
    open_page: Open, conversation: str, owner: Account, db: psycopg.Connection
) -> None:
    say(db, conversation, "mine")
    page = open_page(conversation)
    shows(page, "mine")

    page.evaluate("client.auth.signOut({ scope: 'local' })")
    shows(page)
    expect(page.locator("#status")).to_have_text("stopped")
    page.evaluate(
        "([email, password]) => client.auth.signInWithPassword({ email, password })",
        [owner.email, owner.password],
    )

    shows(page, "mine")
    expect(page.locator("#status")).to_have_text("live", timeout=IN_TIME)


def test_an_error_goes_away_when_reads_work(open_page: Open, conversation: str) -> None:
    page = open_page(conversation)
    expect(page.locator("#status")).to_have_text("live", timeout=IN_TIME)
    page.evaluate(
        "new MutationObserver(() => (window.wasShown ||= error.textContent))"
        ".observe(document.body, { subtree: true, childList: true, characterData: true })"
    )

    page.evaluate("refused.count = 1")

    page.wait_for_function("window.wasShown === 'refused'")
    expect(page.locator("#error")).to_have_text("", timeout=IN_TIME)
    expect(page.locator("#status")).to_have_text("live")


def test_the_next_person_sees_nothing_of_the_last_ones_not_even_for_a_moment(
    open_page: Open, conversation: str, owner: Account, stack: LocalStack
) -> None:
    page = open_page(conversation)
    expect(page.locator("#name")).to_have_text("Demo", timeout=IN_TIME)
    turn(page, conversation=None)
    page.wait_for_function("client.getChannels().length === 0")
    other = create_account(stack, "next")
    page.evaluate(
        "([email, password]) => client.auth.signInWithPassword({ email, password })",
        [other.email, other.password],
    )
    page.evaluate("rendered.length = 0")

    turn(page, conversation=conversation)

    expect(page.locator("#status")).to_have_text("live", timeout=IN_TIME)
    assert set(page.evaluate("rendered")) == {""}
