"""The service, a Chromium, and visitors with windows of their own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext

from services.local.stack import LocalStack
from tests.e2e.accounts import Account, create_account
from tests.e2e.film import film_server
from tests.e2e.rows import create_conversation, create_video
from tests.e2e.visitor import Visitor
from tests.stack import start_service
from tests.web.caller import LIMITS, SETTINGS, Caller

Visit = Callable[..., Visitor]

RECORD = """async () => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
  const chunks = [];
  recorder.ondataavailable = ({ data }) => chunks.push(data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  const start = performance.now();
  const draw = (now) => {
    context.fillStyle = `hsl(${now / 5}, 80%, 50%)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
    now - start < 1500 ? requestAnimationFrame(draw) : recorder.stop();
  };
  recorder.start();
  requestAnimationFrame(draw);
  await stopped;
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture(name="live_url", scope="session")
def _live_url(stack: LocalStack) -> Iterator[str]:
    service = start_service(stack, **SETTINGS)
    yield service.url
    service.kill()


@pytest.fixture(name="caller", scope="session")
def _caller(live_url: str) -> Iterator[Caller]:
    """Sends callbacks as Tavus does."""
    with httpx.Client(base_url=live_url, timeout=30, limits=LIMITS) as http:
        yield Caller(http)


@pytest.fixture(name="visit")
def _visit(browser: Browser, live_url: str, stack: LocalStack, videos: str) -> Iterator[Visit]:
    """Make visitors; at the end none may have met an error or asked another host for anything."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def visit(**options: Any) -> Visitor:
        contexts.append(browser.new_context(**options))
        visitors.append(Visitor(contexts[-1], live_url))
        return visitors[-1]

    yield visit
    for context in contexts:
        context.close()
    assert [visitor.problems for visitor in visitors if visitor.problems] == []
    own = (live_url, stack.url, videos)
    assert [visitor.foreign_hosts(own) for visitor in visitors if visitor.foreign_hosts(own)] == []


@pytest.fixture(name="owner")
def _owner(stack: LocalStack) -> Account:
    return create_account(stack, "owner")


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection, owner: Account) -> str:
    """A conversation of the owner's."""
    return create_conversation(db, owner.id, "Product demo")


@pytest.fixture(name="live_page")
def _live_page(visit: Visit, owner: Account, conversation: str) -> Visitor:
    """The owner on the page of their conversation, which is live."""
    return visit().open(conversation).sign_in(owner).wait_until("Live")


@pytest.fixture(name="pricing_video")
def _pricing_video(db: psycopg.Connection, videos: str) -> Iterator[None]:
    """A video that every conversation may show, and the only one of its title."""
    db.execute("delete from public.demo_videos where title = 'Pricing overview'")
    create_video(db, "Pricing overview", f"{videos}/pricing.webm")
    yield
    db.execute("delete from public.demo_videos where title = 'Pricing overview'")


@pytest.fixture(name="turn_realtime")
def _turn_realtime(stack: LocalStack) -> Iterator[Callable[..., None]]:
    """Make Realtime late (`system_delay_ms`) or drop its connections (`drop`)."""

    def turn(**knobs: Any) -> None:
        headers = {"apikey": stack.secret_key}
        httpx.post(f"{stack.url}/local/realtime", headers=headers, json=knobs).raise_for_status()

    yield turn
    turn(system_delay_ms=0)


@pytest.fixture(name="videos", scope="session")
def _videos(browser: Browser) -> Iterator[str]:
    """The address of a second of real video, filmed by the browser itself."""
    page = browser.new_page()
    film = base64.b64decode(page.evaluate(RECORD))
    page.close()
    with film_server(film) as address:
        yield address
