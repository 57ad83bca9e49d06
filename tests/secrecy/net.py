"""Searches every log of a stack's processes, and every text of its tables, for known secrets."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import psycopg
from psycopg import sql

from services.local.stack import LocalStack
from tests.secrecy.forms import forms
from tests.secrecy.known import KNOWN, Known

MEANT: Mapping[str, str] = {}
"""Places that are to hold a secret, and why."""

_COLUMNS = """
select n.nspname, c.relname, a.attname, a.atttypid = 'bytea'::regtype
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
where c.relkind in ('r', 'p') and not a.attisdropped and a.attnum > 0
  and n.nspname !~ '^(pg_|information_schema$|auth$)'
  and (t.typcategory in ('S', 'A') or t.typname in ('bytea', 'json', 'jsonb', 'xml'))
"""
_TOKEN = "[0-9a-f]{64}"


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """A secret, by its name and form, and the column or log in which it lies."""

    place: str
    secret: str
    form: str
    line: str

    def __str__(self) -> str:
        """Say what lies where."""
        return f"{self.place}: {self.secret}, {self.form}: {self.line[:300]}"


def check(stack: LocalStack, known: Known = KNOWN) -> None:
    """Raise an AssertionError that names every column and log in which a secret lies."""
    known.add("SUPABASE_SECRET_KEY", stack.secret_key)
    known.add("SUPABASE_JWT_SECRET", stack.jwt_secret)
    known.add("the authenticator's password", stack.secrets.authenticator_password)
    known.add("the database's password", stack.backend.database.password)
    found = [leak for leak in leaks(stack, known) if not _is_meant(leak)]
    # One of each: a log that shows a secret with every call is not to hide the other places.
    each = {(leak.place, leak.secret, leak.form): leak for leak in found}
    told = "\n".join(map(str, list(each.values())[:50]))
    assert not found, f"{len(found)} times a secret lies where it should not:\n{told}"


def leaks(stack: LocalStack, known: Known) -> list[Leak]:
    """Return what lies where it should not."""
    with tempfile.TemporaryDirectory() as name, psycopg.connect(stack.database_url) as connection:
        folder = Path(name)
        for log in stack.state.folder.glob("**/*.log"):
            _join(log, folder / f"log of {log.stem}")
        for place, query in _columns(connection):
            _dump(connection, query, folder / place)
        rows = connection.execute("select id from public.conversations").fetchall()
        tokens = known.tokens(row for (row,) in rows)
        return sorted({*_of_secrets(folder, known), *_of_tokens(folder, tokens)})


def _of_secrets(folder: Path, known: Known) -> Iterator[Leak]:
    needles = {
        form: (name, called)
        for secret, name in known.names.items()
        for form, called in forms(secret).items()
    }
    for place, line in _grep(folder, needles):
        for needle, (secret, called) in needles.items():
            if needle in line:
                yield Leak(place, secret, called, line.replace(needle, "«secret»"))


def _of_tokens(folder: Path, tokens: Mapping[str, str]) -> Iterator[Leak]:
    """Look for every text of a token's shape: there are too many to look for each."""
    for place, text in _run(folder, "-aoE", _TOKEN):
        if text in tokens:
            yield Leak(place, tokens[text], "clear", "")


def _columns(connection: psycopg.Connection) -> Iterator[tuple[str, sql.Composed]]:
    for schema, table, column, is_bytes in connection.execute(_COLUMNS).fetchall():
        value = sql.SQL("encode({}, 'escape')" if is_bytes else "{}::text")
        yield (
            f"{schema}.{table}.{column}",
            sql.SQL(
                "copy (select {value} from {table} where {column} is not null) to stdout csv"
            ).format(
                value=value.format(sql.Identifier(column)),
                table=sql.Identifier(schema, table),
                column=sql.Identifier(column),
            ),
        )


def _dump(connection: psycopg.Connection, query: sql.Composed, file: Path) -> None:
    with connection.cursor().copy(query) as rows, file.open("wb") as out:
        for part in rows:
            out.write(part)


def _join(log: Path, file: Path) -> None:
    with file.open("ab") as out:
        out.write(log.read_bytes())


def _grep(folder: Path, needles: Iterable[str]) -> Iterator[tuple[str, str]]:
    with tempfile.NamedTemporaryFile("w") as patterns:
        patterns.write("\n".join(needles))
        patterns.flush()
        yield from _run(folder, "-aFf", patterns.name)


def _run(folder: Path, *arguments: str) -> Iterator[tuple[str, str]]:
    """Yield the places in which grep finds something, and what it shows of them."""
    done = subprocess.run(
        ["grep", "-r", *arguments, "."],
        cwd=folder,
        capture_output=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode in (0, 1), done.stderr
    # Not `splitlines`: what follows another break of a line would stand in no place.
    for line in done.stdout.decode(errors="replace").split("\n"):
        if found := re.match(r"\./([^:]+):(.*)", line):
            yield found[1], found[2]


def _is_meant(leak: Leak) -> bool:
    return any(fnmatch(leak.place, place) for place in MEANT)
