"""Every function that database.py calls is there, under the names by which it is called."""

from __future__ import annotations

import inspect

import psycopg
import pytest

from services.database import Database
from tests.database.events import rows
from tests.unit.database_calls import CALLS

# These read tables, or carry the calls of others.
OTHERS = {
    "account", "add_booking", "as_person", "call", "change_booking", "close", "conversation",
    "has_demo", "is_admin", "phone", "protocol", "scenario", "videos",
}  # fmt: skip
TAKEN = """
select array_agg(name order by at) as names
from pg_proc p, unnest(p.proargnames) with ordinality n (name, at)
where p.pronamespace = 'public'::regnamespace and p.proname = %s
"""


def test_every_method_that_calls_a_function_is_listed() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(Database, inspect.isfunction)
        if not name.startswith("_")
    }

    assert methods - OTHERS == set(CALLS)


@pytest.mark.parametrize("method", CALLS)
def test_function_takes_what_it_is_given(db: psycopg.Connection, method: str) -> None:
    call = CALLS[method]

    [taken] = rows(db, TAKEN, call.function or method)

    assert set(taken["names"] or []) == set(call.arguments)
