"""A visitor of the dashboard, and what a page looks like to them."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

from services.local import checkout
from tests.client_package import node_modules
from tests.e2e.accounts import Account
from tests.e2e.visitor import IN_TIME, Visitor
from tests.waiting import until

SCREENSHOTS = checkout.ROOT / ".convohooks" / "screenshots"
DESK = {"width": 1280, "height": 860}
OFTEN = 15
"""Seconds within which every page looks again by itself."""
PHONE = {"width": 360, "height": 760}
# Of what holds axe tells much more, which takes longer to hand over than to find out.
VIOLATIONS = """rules => axe.run(document, {
  runOnly: { type: "tag", values: rules },
  resultTypes: ["violations"],
}).then(({ violations }) => violations)"""
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


class Operator(Visitor):
    """Acts on the dashboard as a person does."""

    def __init__(self, context: BrowserContext, service_url: str) -> None:
        """Open an empty page; nothing that goes wrong on it is expected yet."""
        super().__init__(context, service_url)
        self.expected: list[str] = []

    def open(self, path: str) -> Operator:
        """Go to an address of the dashboard."""
        self.page.goto(f"{self.service_url}{path}")
        return self

    def enter(self, account: Account, path: str) -> Operator:
        """Go to an address and sign in there."""
        self.open(path).sign_in(account)
        expect(self.page.locator("#page h1")).to_be_visible(timeout=IN_TIME)
        # Where the button was may be a row now, which would be one that is read.
        self.page.mouse.move(0, 0)
        return self

    def let_pass(self, seconds: float = OFTEN) -> None:
        """Let time go by at once on a page that was opened with a clock."""
        self.page.clock.fast_forward(1000 * seconds)

    def expect_problem(self, part: str) -> Operator:
        """Say that the console will tell of something, such as an answer 404."""
        self.expected.append(part)
        return self

    def unexpected(self) -> list[str]:
        """Return what went wrong and was not expected to."""
        return [text for text in self.problems if not any(part in text for part in self.expected)]

    def row(self, text: str) -> Locator:
        """Return the rows of the page's tables that hold a text."""
        return self.page.locator("#page tbody tr").filter(has_text=text)

    def entry(self, name: str) -> Locator:
        """Return a link of the navigation."""
        return self.page.locator("#nav").get_by_role("link", name=name)

    @property
    def title(self) -> Locator:
        """The page's heading."""
        return self.page.locator("#page h1")


def look(page: Page, name: str) -> None:
    """Keep pictures of a page in light, in dark and on a phone; fail where axe finds a barrier."""
    size = page.viewport_size
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for scheme, viewport, kind in (
        ("light", DESK, "light"),
        ("dark", DESK, "dark"),
        ("light", PHONE, "phone"),
        ("dark", PHONE, "phone-dark"),
    ):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        # Charts are drawn anew for the new width, a moment later.
        until(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
        page.screenshot(path=SCREENSHOTS / f"{name}-{kind}.png", full_page=True)
        found[kind] = barriers(page)
    page.emulate_media(color_scheme="light")
    if size:
        page.set_viewport_size(size)
    told = {kind: barriers for kind, barriers in found.items() if barriers}
    assert not told, json.dumps(told, indent=1)


def barriers(page: Page) -> list[str]:
    """Return what axe finds wrong with a page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((node_modules() / "axe-core" / "axe.min.js").read_text())
    told = page.evaluate(VIOLATIONS, list(RULES))
    return [
        f"{rule['id']}: {json.dumps([node['html'][:160] for node in rule['nodes'][:4]])}"
        for rule in told
    ]
