"""Writes the one migration that stands until the first release: sql/*.sql in order of names."""

from __future__ import annotations

import hashlib
from pathlib import Path

from services.local import checkout

MIGRATION = checkout.ROOT / "supabase" / "migrations" / "20261121000000_convohooks.sql"
NOTE = "-- Made from sql/ by `make migration`; edit the files there.\n"

SOURCES = checkout.ROOT / "sql"
STAMP = "99_version.sql"
STAMP_TEXT = """\
-- Made by `make migration`: names the schema of all files before this one, for `convohooks doctor`.
comment on function public.describe_schema() is '{version}';
"""
EXPECTED = checkout.ROOT / "services" / "schema_version.py"
EXPECTED_TEXT = '''\
"""The schema that this code is written for. Made by `make migration`."""

from __future__ import annotations

SCHEMA_VERSION = "{version}"
'''


def compose(folder: Path) -> str:
    """Return the text of the migration: every file of the folder under its name."""
    files = sorted(folder.glob("*.sql"))
    return NOTE + "".join(f"\n-- {file.name}\n\n{file.read_text().strip()}\n" for file in files)


def version(folder: Path) -> str:
    """Return a name for the schema that the files of the folder make."""
    files = sorted(file for file in folder.glob("*.sql") if file.name != STAMP)
    return hashlib.sha256(b"\n".join(file.read_bytes() for file in files)).hexdigest()[:12]


def write() -> None:
    """Write the migration, with the version that the code will expect of a database."""
    current = version(SOURCES)
    (SOURCES / STAMP).write_text(STAMP_TEXT.format(version=current))
    EXPECTED.write_text(EXPECTED_TEXT.format(version=current))
    MIGRATION.parent.mkdir(parents=True, exist_ok=True)
    MIGRATION.write_text(compose(SOURCES))


if __name__ == "__main__":
    write()
    print(f"wrote {MIGRATION.relative_to(checkout.ROOT)}")
