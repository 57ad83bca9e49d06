"""People on the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from services.local.stack import LocalStack
from tests.e2e.accounts import Account, create_account
from tests.e2e.dashboard.browsing import DESK, Operator
from tests.e2e.visitor import IN_TIME

Dashboard = Callable[..., Operator]

expect.set_options(timeout=IN_TIME)


@pytest.fixture(name="dashboard")
def _dashboard(browser: Browser, live_url: str, stack: LocalStack) -> Iterator[Dashboard]:
    """Open an address of the dashboard as somebody, or as nobody yet.

    With a clock the test may let time pass, for what the page does every so often.
    At the end none of them may have met an error or asked another host for anything.
    """
    contexts: list[BrowserContext] = []
    operators: list[Operator] = []

    def dashboard(
        account: Account | None = None,
        path: str = "/dashboard",
        *,
        url: str = live_url,
        has_clock: bool = False,
        **options: Any,
    ) -> Operator:
        contexts.append(browser.new_context(**{"viewport": DESK, **options}))
        operators.append(Operator(contexts[-1], url))
        if has_clock:
            operators[-1].page.clock.install()
        if account is None:
            return operators[-1].open(path)
        return operators[-1].enter(account, path)

    yield dashboard
    # A page that is closed while it connects says so: what counts is what it said until then.
    problems = [operator.unexpected() for operator in operators if operator.unexpected()]
    for context in contexts:
        context.close()
    assert problems == []
    strange = [operator.foreign_hosts((operator.service_url, stack.url)) for operator in operators]
    assert [hosts for hosts in strange if hosts] == []


@pytest.fixture(name="admin")
def _admin(stack: LocalStack, db: psycopg.Connection) -> Account:
    """Somebody who may see everything."""
    account = create_account(stack, "admin")
    db.execute("update public.profiles set role = 'admin' where id = %s", [account.id])
    return account


@pytest.fixture(name="person")
def _person(stack: LocalStack) -> Account:
    """Somebody who sees what is theirs."""
    return create_account(stack, "person")
