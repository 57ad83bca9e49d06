"""A database in which something happens while a request is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from services.database import Database
from services.local.stack import LocalStack
from services.settings import Settings, load_settings
from tests.web.caller import SETTINGS


class Meanwhile(Database):
    """Does what it is told to just before a function is called."""

    def __init__(self, settings: Settings, happen: Callable[[], object]) -> None:
        super().__init__(settings)
        self._happen = happen

    def call(self, function: str, arguments: Any) -> Any:
        self._happen()
        return super().call(function, arguments)


@contextmanager
def meanwhile(stack: LocalStack, happen: Callable[[], object]) -> Iterator[Meanwhile]:
    """Give a database of the stack in which this happens before each call of a function."""
    database = Meanwhile(load_settings({**stack.env(), **SETTINGS}), happen)
    yield database
    database.close()
