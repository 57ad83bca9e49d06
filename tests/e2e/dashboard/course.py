"""The page of one conversation, as the tests see it."""

from __future__ import annotations

from playwright.sync_api import Locator

from tests.e2e.dashboard.browsing import Operator


def path(conversation: str) -> str:
    """Return the address of a conversation's page."""
    return f"/dashboard/conversations/{conversation}"


def entries(operator: Operator, kind: str | None = None) -> Locator:
    """Return the entries of the timeline, or those of a kind."""
    return operator.page.locator(".entry" if kind is None else f".entry[data-kind='{kind}']")
