"""Brings a local database up to a migration that was edited after it was pushed.

Until a migration is released it is made anew from sql/; `supabase db push` knows it by its name
alone and would not push it again. Every statement in it may be run twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import psycopg

from services.local.errors import LocalStackError

HELP = "The schema has changed in a way that this database cannot follow; run `make reset`."


def follow(database_url: str, files: Sequence[Path], marker: Path, *, is_new: bool) -> bool:
    """Apply these migrations again if they are not those that the marker remembers.

    Return whether they were applied. Raises LocalStackError when the database refuses them.
    """
    current = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    is_changed = not is_new and (not marker.exists() or marker.read_text() != current)
    if is_changed:
        _apply(database_url, files)
    marker.write_text(current)
    return is_changed


def _apply(database_url: str, files: Sequence[Path]) -> None:
    try:
        with psycopg.connect(database_url) as connection:
            for file in files:
                connection.execute(file.read_bytes())
            connection.execute("notify pgrst, 'reload schema'")
    except psycopg.Error as error:
        raise LocalStackError(f"{HELP} ({error})") from error
