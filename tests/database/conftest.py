"""Databases beside the stack's own, for what changes the schema."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from services.local.stack import LocalStack
from tests.database.schema import apply_sources, copy_of

MakeDatabase = Callable[[], str]


@pytest.fixture(name="stack_url")
def _stack_url(stack: LocalStack) -> str:
    """The superuser's way to the stack's database."""
    return stack.database_url


@pytest.fixture(name="blank", scope="session")
def _blank(stack: LocalStack) -> str:
    """A new project's database, to be copied."""
    return stack.empty_database("blank")


@pytest.fixture(name="new_database")
def _new_database(blank: str) -> Iterator[MakeDatabase]:
    """Make databases as a new project has them; they are dropped with the test."""
    with ExitStack() as databases:
        yield lambda: databases.enter_context(copy_of(blank, f"test_{secrets.token_hex(4)}"))


@pytest.fixture(name="sourced", scope="module")
def _sourced(blank: str) -> Iterator[str]:
    """A database that sql/ was applied to directly."""
    with copy_of(blank, f"sourced_{secrets.token_hex(4)}") as url:
        apply_sources(url)
        yield url
