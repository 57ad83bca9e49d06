"""Databases of a test's own, and the two ways our schema gets into them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

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


def apply_sources(url: str) -> None:
    """Run sql/*.sql in the order of their names."""
    with psycopg.connect(url) as connection:
        for file in sorted(SOURCES.glob("*.sql")):
            connection.execute(file.read_bytes())


def push(url: str) -> str:
    """Run `supabase db push` and return what it printed; raises AssertionError when it fails."""
    done = supabase("db", "push", f"--remote={url}?sslmode=disable", "--yes")
    printed = f"{done.stdout}\n{done.stderr}"

    assert done.returncode == 0, printed
    return printed


def supabase(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Supabase CLI in the checkout."""
    return subprocess.run(
        [str(toolchain.supabase_cli()), *arguments],
        cwd=checkout.ROOT,
        env=toolchain.node_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
