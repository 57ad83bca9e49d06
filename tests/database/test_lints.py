"""What Supabase's own advisors say about the schema."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import psycopg

from tests.database.conftest import MakeDatabase
from tests.database.schema import apply_sources, supabase


def advise(url: str) -> subprocess.CompletedProcess[str]:
    remote = f"--remote={url}?sslmode=disable"
    return supabase("db", "advisors", remote, "--type=all", "--level=info", "--fail-on=error")


def findings(printed: str) -> list[dict[str, Any]]:
    return list(json.loads(printed))


def is_accepted(finding: dict[str, Any]) -> bool:
    """New indexes are unused; private tables are for nobody, so they need no policy."""
    schema = finding["metadata"].get("schema")
    return (finding["name"], schema) in {
        ("unused_index", "public"),
        ("unused_index", "private"),
        ("rls_enabled_no_policy", "private"),
    }


def test_advisors_find_nothing_to_better(sourced: str) -> None:
    done = advise(sourced)

    assert done.returncode == 0, done.stderr
    assert [finding for finding in findings(done.stdout) if not is_accepted(finding)] == []


def test_advisors_find_what_is_wrong(new_database: MakeDatabase) -> None:
    url = new_database()
    apply_sources(url)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("alter table public.scenarios disable row level security")

    done = advise(url)

    assert done.returncode != 0
    assert "rls_disabled_in_public" in {finding["name"] for finding in findings(done.stdout)}
