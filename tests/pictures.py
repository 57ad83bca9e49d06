"""Take the pictures of docs/images anew: `python -m tests.pictures`.

They show a service of their own, with what the README sends, in a real browser.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from services.local import checkout
from services.local.demo import ADMIN, CONVERSATION, EMAIL, seed_demo
from services.local.stack import LocalStack, discard, local_stack
from services.local.state import State, remove_tree
from tests.chromium import ARGUMENTS, chromium
from tests.e2e.accounts import Account
from tests.e2e.visitor import Visitor
from tests.stack import TESTS, never, start_service, unused_backend
from tests.web.caller import SETTINGS, Caller

IMAGES = checkout.ROOT / "docs" / "images"
SAMPLES = checkout.ROOT / "services" / "samples" / "tavus"
SENT = (
    "system.replica_joined",
    "conversation.utterance-replica",
    "conversation.utterance",
    "conversation.objective.completed",
    "conversation.tool_call",
)
SIZE = {"width": 1120, "height": 780}


def main() -> None:
    """Start everything, send what Tavus would, take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with running() as stack, sync_playwright() as playwright:
        service = start_service(stack, **SETTINGS)
        seed_demo(stack, service.url)
        with playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS) as browser:
            take = {"viewport": SIZE, "color_scheme": "light", "reduced_motion": "reduce"}
            live = Visitor(browser.new_context(**take), service.url)  # type: ignore[arg-type]
            live.open(CONVERSATION).sign_in(person(stack, EMAIL)).wait_until("Live")
            send(service.url)
            live.sees("objective")
            keep(live.page, "live")
            desk = Visitor(browser.new_context(**take), service.url)  # type: ignore[arg-type]
            desk.page.goto(f"{service.url}/dashboard/events")
            desk.sign_in(person(stack, ADMIN))
            desk.page.get_by_role("link", name="system.replica_joined").first.click()
            expect(desk.page.get_by_role("button", name="Replay")).to_be_visible()
            keep(desk.page, "event")
        service.kill()


@contextmanager
def running() -> Iterator[LocalStack]:
    """Run a stack that is gone afterwards."""
    state = State(TESTS / secrets.token_hex(4))
    try:
        with local_stack(state, unused_backend(), pause=never) as stack:
            yield stack
    finally:
        discard(state)
        remove_tree(state.folder)


def person(stack: LocalStack, email: str) -> Account:
    """Return how one of the demo's people signs in."""
    return Account("", email, stack.secrets.demo_password)


def send(url: str) -> None:
    """Send samples as callbacks of the demo's conversation."""
    with httpx.Client(base_url=url, timeout=30) as http:
        for name in SENT:
            payload = json.loads((SAMPLES / f"{name}.json").read_text())
            answer = Caller(http).send({**payload, "conversation_id": CONVERSATION})
            answer.raise_for_status()


def keep(page: Page, name: str) -> None:
    """Write what is to be seen to docs/images."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
