"""Databases of a test's own, and the two ways our schema gets into them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from services.local import checkout, toolchain

SOURCES = checkout.ROOT / "sql"


@contextmanager
def copy_of(template_url: str, name: str) -> Iterator[str]:
    """Make a database like another one, drop it afterwards; nobody may be in the other."""
    server_url, _, template_name = template_url.rpartition("/")
    target, template = sql.Identifier(name), sql.Identifier(template_name)
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as server:
        server.execute(sql.SQL("drop database if exists {} with (force)").format(target))
        server.execute(sql.SQL("create database {} template {}").format(target, template))
        try:
            yield f"{server_url}/{name}"
        finally:
            server.execute(sql.SQL("drop database {} with (force)").format(target))


def apply_sources(url: str, sources: Path = SOURCES) -> None:
    """Run sql/*.sql in the order of their names."""
    with psycopg.connect(url) as connection:
        for file in sorted(sources.glob("*.sql")):
            connection.execute(file.read_bytes())


def push(url: str, folder: Path = checkout.ROOT) -> str:
    """Run `supabase db push` and return what it printed; raises AssertionError when it fails."""
    done = supabase("db", "push", f"--remote={url}?sslmode=disable", "--yes", folder=folder)
    printed = f"{done.stdout}\n{done.stderr}"

    assert done.returncode == 0, printed
    return printed


def supabase(*arguments: str, folder: Path = checkout.ROOT) -> subprocess.CompletedProcess[str]:
    """Run the Supabase CLI in the checkout, or in another."""
    return subprocess.run(
        [str(toolchain.supabase_cli()), *arguments],
        cwd=folder,
        env=toolchain.node_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
