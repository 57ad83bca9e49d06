"""The walk stays short; who may import what stands in pyproject.toml, for import-linter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

STARTERS = (Path("app.py"), Path("gunicorn.conf.py"))
SOURCES = [*STARTERS, *sorted(Path("services").rglob("*.py"))]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_who_starts_the_service_keeps_its_rules_too() -> None:
    """The import rules of pyproject.toml see packages alone, and these two are in none."""
    forbidden = {"postgrest", "psutil", "psycopg", "sqlite3", "supabase"}

    for path in STARTERS:
        names = set(imported(path))
        assert not {name.split(".")[0] for name in names} & forbidden, path
        assert not any(
            f"{name}.".startswith(("services.local.", "services.cli.")) for name in names
        )


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(path)
        for path in SOURCES
        if not str(path).startswith(("services/local/", "services/cli/"))
        and re.search(r"os\.environ|getenv|import environ|dotenv_values", path.read_text())
    }

    assert readers == {"services/settings/settings.py"}


def test_nothing_shadows_the_client_library() -> None:
    assert not list(Path("supabase").rglob("__init__.py"))
