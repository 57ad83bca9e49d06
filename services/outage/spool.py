"""The spool: a local SQLite file that keeps events while Supabase is away.

Every process of the host may share the file. What `put` has returned for is on the disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from services.errors import Unavailable
from services.outage import mounts

MAX_BYTES = 512 * 1024 * 1024
BUSY_SECONDS = 5.0
ROOM = 64 * 1024
"""Bytes that must be free for the spool to call itself ready."""

_SCHEMA = """
create table if not exists spooled (id integer primary key, tries integer not null default 0, row text not null);
create index if not exists spooled_in_order on spooled (tries);
create table if not exists unsendable (id integer primary key, row text not null, error text not null);
create table if not exists checked (only integer primary key check (only = 1), times integer not null);
"""  # noqa: E501

Result = TypeVar("Result")
Row = Mapping[str, Any]
Offload = Callable[[Callable[[], Any]], Any]


class SpoolFull(Unavailable):
    """The spool has no room left; send the event again."""

    retry_after = 60


class SpoolBroken(Unavailable):
    """The spool cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A row that waits, and how often Supabase took others but not this one."""

    id: int
    tries: int
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows wait to be sent, and how many were given up."""

    spooled: int
    unsendable: int


def directly(work: Callable[[], Any]) -> Any:
    """Run blocking work where it stands."""
    return work()


class Spool:
    """Rows of `receive_events` on the disk. Each method raises SpoolBroken when it cannot."""

    def __init__(
        self, path: Path, max_bytes: int = MAX_BYTES, *, offload: Offload = directly
    ) -> None:
        """Keep the path; the file is opened, and made, at first use, after gunicorn has forked.

        `offload` runs what blocks: under gevent a wait for the disk would stop every request.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._offload = offload
        self._lock = Lock()
        self._open: sqlite3.Connection | None = None
        self._inode = 0

    def put(self, row: Row) -> None:
        """Write a row to the disk. Raises SpoolFull past the cap and when the disk is full."""
        text = json.dumps(row)
        self.transact(lambda db: db.execute("insert into spooled (row) values (?)", (text,)))

    def take(self, most: int, max_bytes: int) -> list[Spooled]:
        """Return the next rows, without removing them; rows that failed before come one by one."""
        return self.transact(lambda db: list(_next_rows(db, most, max_bytes)))

    def remove(self, ids: Sequence[int]) -> None:
        """Forget rows that Supabase has answered for."""
        self._each("delete from spooled where id = ?", [(n,) for n in ids])

    def postpone(self, ids: Sequence[int]) -> None:
        """Put rows behind the others and count the try."""
        self._each("update spooled set tries = tries + 1 where id = ?", [(n,) for n in ids])

    def set_aside(self, row_id: int, error: str) -> None:
        """Keep a row apart that Supabase will not store, with the reason."""

        def move(db: sqlite3.Connection) -> None:
            texts = db.execute("select row from spooled where id = ?", (row_id,)).fetchall()
            # First of all: in a full spool there is no other room for the copy.
            db.execute("delete from spooled where id = ?", (row_id,))
            copies = [(text, error) for (text,) in texts]
            db.executemany("insert into unsendable (row, error) values (?, ?)", copies)

        self.transact(move)

    def count(self) -> Counts:
        """Return how many rows there are of each kind."""
        query = "select (select count(*) from spooled), (select count(*) from unsendable)"
        spooled, unsendable = self.transact(lambda db: db.execute(query).fetchone())
        return Counts(spooled=spooled, unsendable=unsendable)

    def used_bytes(self) -> int:
        """Return how much of the cap is in use."""
        return self.transact(_used_bytes)

    def check(self) -> None:
        """Write to the disk. Raises SpoolFull or SpoolBroken when no event could be kept."""
        self.transact(_write)

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Whether the spool is ours to drain, which of all processes one may do at a time."""
        try:
            lock = os.open(f"{self._path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise _explained(error) from error
        try:
            yield _locks(lock)
        finally:
            os.close(lock)

    def transact(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do work in a transaction, one at a time, and return what it returns."""
        with self._lock:
            # What the work raises is carried out of the thread.
            result, error = self._offload(lambda: self._attempt(work))
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        """Close the file: Python 3.13 warns of a database that nobody has closed."""
        self._drop()

    def _each(self, sql: str, rows: Sequence[tuple[int]]) -> None:
        self.transact(lambda db: db.executemany(sql, rows))

    def _attempt(
        self, work: Callable[[sqlite3.Connection], Result]
    ) -> tuple[Result | None, Unavailable | None]:
        try:
            connection = self._connection()
            with connection:
                connection.execute("begin immediate")
                return work(connection), None
        except (sqlite3.Error, OSError) as error:
            self._drop()
            return None, _explained(error)

    def _connection(self) -> sqlite3.Connection:
        # Who removes or replaces the file would have us write to the one that is gone.
        if self._open is None or not self._path.exists() or self._inode != self._path.stat().st_ino:
            self._drop()
            self._open = _connect(self._path)
            _prepare(self._open, self._max_bytes)
            self._inode = self._path.stat().st_ino
        return self._open

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _connect(path: Path) -> sqlite3.Connection:
    if mounts.is_in_memory(path):
        raise OSError("it lies in memory, which a restart empties")
    # Events hold what people said: nobody else on the host is to read them. A file that is there is
    # not opened: its close would end the locks of this process's other connections, and SQLite
    # elsewhere would take the write-ahead log away under them
    # (https://sqlite.org/howtocorrupt.html, section 2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    # Spool._lock lets one thread in at a time, but not always the same.
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _prepare(db: sqlite3.Connection, max_bytes: int) -> None:
    _write_ahead(db)
    db.execute("pragma synchronous = full")
    page_size = db.execute("pragma page_size").fetchone()[0]
    db.execute(f"pragma max_page_count = {max_bytes // page_size}")
    db.executescript(_SCHEMA)


def _write_ahead(db: sqlite3.Connection) -> None:
    """Have changes written ahead; of those who say so first at one time SQLite refuses all but one.

    It does not wait for the others, for each holds what the others want: who is refused must let
    go and try again (https://sqlite.org/c3ref/busy_handler.html).
    """
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.01)
        else:
            return


def _locks(lock: int) -> bool:
    """Lock a file unless another process holds it; closing it, or dying, gives it back."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _next_rows(db: sqlite3.Connection, most: int, max_bytes: int) -> Iterator[Spooled]:
    size = 0
    cursor = db.execute("select id, tries, row from spooled order by tries, id limit ?", (most,))
    for n, (row_id, tries, text) in enumerate(cursor):
        size += len(text)
        if n and (tries or size > max_bytes):
            break
        yield Spooled(id=row_id, tries=tries, row=json.loads(text))
        if tries:
            break


def _write(db: sqlite3.Connection) -> None:
    db.execute("savepoint room")
    db.execute("insert into spooled (row) values (zeroblob(?))", (ROOM,))
    db.execute("rollback to room")
    db.execute(
        "insert into checked values (1, 1) on conflict (only) do update set times = times + 1"
    )


def _used_bytes(db: sqlite3.Connection) -> int:
    pages, free, size = (
        int(db.execute(f"pragma {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _explained(error: sqlite3.Error | OSError) -> Unavailable:
    """Say what is wrong, without the path: senders are told it too."""
    if isinstance(error, OSError):
        return SpoolBroken(f"The spool cannot be used: {error.strerror or error}.")
    # Errors of the module itself have no code.
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return SpoolFull()
    return SpoolBroken(f"The spool cannot be used: {error}.")
