"""Writes supabase/migrations/ from sql/: `make migration`.

Until the first release there is one migration, which is sql/ as a whole. A released migration
(supabase/released.sha256 names it) is never written again: what sql/ says since then goes into the
next one, whose upper part is written by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.local import checkout
from services.local.errors import LocalStackError
from services.local.statements import bare, missing, split

FIRST = "20261121000000_convohooks.sql"
NOTE = "-- Made from sql/ by `make migration`; edit the files there.\n"
BY_HAND = """\
-- By hand: what sql/ says to new databases only, and what is to go (alter table, drop, update).
-- Each statement may run twice, and leaves to the code before it what that needs.
set local lock_timeout = '5s';
set local statement_timeout = '5min';

"""
MADE = "-- Made from sql/ by `make migration`: from here on it is written anew each time.\n"
STAMP = "99_version.sql"
STAMP_TEXT = """\
-- Made by `make migration`: names the schema of all files before this one, for `convohooks doctor`.
comment on function public.describe_schema() is '{version}';
"""
EXPECTED_TEXT = '''\
"""The schema that this code is written for. Made by `make migration`."""

from __future__ import annotations

SCHEMA_VERSION = "{version}"
'''


class MigrationError(LocalStackError):
    """The migrations are not as they have to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the schema and all that is made from it lies."""

    sources: Path
    migrations: Path
    released: Path
    expected: Path

    def files(self) -> list[Path]:
        """Return the migrations in their order."""
        return sorted(self.migrations.glob("*.sql"))

    def marks(self) -> dict[str, str]:
        """Return the SHA-256 of every released migration by its file's name."""
        lines = self.released.read_text().splitlines() if self.released.exists() else []
        return {line.split()[1].rpartition("/")[2]: line.split()[0] for line in lines}

    def open_files(self) -> list[Path]:
        """Return the migrations that are not released."""
        return [file for file in self.files() if file.name not in self.marks()]


HERE = Place(
    sources=checkout.ROOT / "sql",
    migrations=checkout.MIGRATIONS,
    released=checkout.RELEASED,
    expected=checkout.ROOT / "services" / "schema_version.py",
)


def compose(sources: Path) -> str:
    """Return the text of the first migration: every file of the folder under its name."""
    return NOTE + "".join(
        f"\n-- {file.name}\n\n{file.read_text().strip()}\n"
        for file in sorted(sources.glob("*.sql"))
    )


def version(place: Place, newest: str) -> str:
    """Name the schema that the sources make: by the newest migration, and by their statements."""
    files = sorted(file for file in place.sources.glob("*.sql") if file.name != STAMP)
    statements = (bare(one) for file in files for one in split(file.read_text()))
    content = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    return f"{newest.partition('_')[0]}-{content[:12]}"


def write(place: Place = HERE, *, name: str = "", at: datetime | None = None) -> Path:
    """Write the open migration and the version that the code will expect; return the migration.

    `name` begins the next one after a release. Raises MigrationError where a released migration
    is not what was released, and where a new one is needed but has no name.
    """
    require_released(place)
    target = place.migrations / _target(place, name, at or datetime.now(UTC))
    current = version(place, target.name)
    (place.sources / STAMP).write_text(STAMP_TEXT.format(version=current))
    place.expected.write_text(EXPECTED_TEXT.format(version=current))
    if target.name not in place.marks():
        place.migrations.mkdir(parents=True, exist_ok=True)
        target.write_text(_text(place, target))
    return target


def release(place: Place = HERE) -> list[str]:
    """Mark what is written as released, for ever; return the names. Raises MigrationError."""
    require_released(place)
    if not is_current(place):
        raise MigrationError("the migrations are not what sql/ says: run `make migration` first.")
    names = [file.name for file in place.open_files()]
    with place.released.open("a") as marks:
        for name in names:
            content = (place.migrations / name).read_bytes()
            folder = f"supabase/{place.migrations.name}"
            marks.write(f"{hashlib.sha256(content).hexdigest()}  {folder}/{name}\n")
    return names


def require_released(place: Place = HERE) -> None:
    """Raise MigrationError unless every released migration is as it was, and one at most open."""
    for name, mark in place.marks().items():
        file = place.migrations / name
        if not file.exists():
            raise MigrationError(f"{name} was released and is gone.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != mark:
            raise MigrationError(
                f"{name} was released and has changed: databases have the old one."
            )
    if len(place.open_files()) > 1:
        names = ", ".join(file.name for file in place.open_files())
        raise MigrationError(f"one migration at most may be open between releases, not {names}.")
    if place.open_files() and place.open_files()[0] != place.files()[-1]:
        raise MigrationError(f"{place.open_files()[0].name} comes before one that was released.")


def is_current(place: Place = HERE) -> bool:
    """Whether the migrations, the stamp and the version are what `write` would leave."""
    newest = place.files()[-1]
    current = version(place, newest.name)
    return (
        (newest.name in place.marks() or newest.read_text() == _text(place, newest))
        and (place.sources / STAMP).read_text() == STAMP_TEXT.format(version=current)
        and place.expected.read_text() == EXPECTED_TEXT.format(version=current)
        and not (newest.name in place.marks() and _left(place))
    )


def _target(place: Place, name: str, at: datetime) -> str:
    if place.open_files():
        return place.open_files()[0].name
    if not place.marks():
        return FIRST
    newest = place.files()[-1].name
    if version(place, newest) in (place.sources / STAMP).read_text() and not _left(place):
        return newest
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise MigrationError("sql/ has changed since the release: `make migration name=add_notes`.")
    return f"{at:%Y%m%d%H%M%S}_{name}.sql"


def _text(place: Place, target: Path) -> str:
    if not place.marks():
        return compose(place.sources)
    by_hand = target.read_text().partition(MADE)[0] if target.exists() else BY_HAND
    return by_hand + MADE + "".join(f"\n{statement}\n" for statement in _left(place))


def _left(place: Place) -> list[str]:
    """Return what sql/ says and no released migration does."""
    wanted = "\n".join(file.read_text() for file in sorted(place.sources.glob("*.sql")))
    return missing(wanted, ((place.migrations / name).read_text() for name in place.marks()))


def main(arguments: Sequence[str] | None = None, place: Place = HERE) -> None:
    """Do what `make migration` asks for; exit with the reason where that cannot be."""
    parser = argparse.ArgumentParser(prog="make migration", description=__doc__)
    parser.add_argument("--name", default="", help="of the migration to begin after a release")
    parser.add_argument("--release", action="store_true", help="mark what is written as released")
    asked = parser.parse_args(arguments)
    try:
        told = release(place) if asked.release else [write(place, name=asked.name).name]
    except MigrationError as error:
        raise SystemExit(f"make migration: {error}") from None
    print("\n".join(f"{'released' if asked.release else 'wrote'} {name}" for name in told))


if __name__ == "__main__":
    main()
