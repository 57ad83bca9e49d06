"""Writes the one migration that stands until the first release: sql/*.sql in order of names."""

from __future__ import annotations

from pathlib import Path

from services.local import checkout

MIGRATION = checkout.ROOT / "supabase" / "migrations" / "20261121000000_convohooks.sql"
NOTE = "-- Made from sql/ by `make migration`; edit the files there.\n"


def compose(folder: Path) -> str:
    """Return the text of the migration: every file of the folder under its name."""
    files = sorted(folder.glob("*.sql"))
    return NOTE + "".join(f"\n-- {file.name}\n\n{file.read_text().strip()}\n" for file in files)


if __name__ == "__main__":
    MIGRATION.parent.mkdir(parents=True, exist_ok=True)
    MIGRATION.write_text(compose(checkout.ROOT / "sql"))
    print(f"wrote {MIGRATION.relative_to(checkout.ROOT)}")
