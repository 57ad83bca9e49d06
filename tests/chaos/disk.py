"""The small disk that the spool lies on, and that can be full."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

ON_DISK = "/var/tmp"
"""Not /tmp, which may lie in memory, where a spool refuses to be."""
ADMIN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where file systems are made: not on everybody's PATH."""
SIZE = 24_000_000
MOST_ROWS = 100_000
CAP = 8_000_000
"""Bytes that a spool may have where there is no disk of its own."""


class Disk(Protocol):
    """Where the spool lies."""

    @property
    def kind(self) -> str:
        """What it is, for the report."""

    @property
    def cap(self) -> int:
        """The bytes that a spool may have here."""

    @property
    def spool(self) -> Path:
        """The spool's file."""

    def full(self) -> AbstractContextManager[None]:
        """Leave no room while this is entered."""


@contextmanager
def small_disk() -> Iterator[Disk]:
    """Mount a file system of its own; without the right to, only cap the spool."""
    with TemporaryDirectory(prefix="convohooks-disk-", dir=ON_DISK) as folder:
        point = Path(folder, "disk")
        point.mkdir()
        try:
            _mount(Path(folder, "disk.img"), point)
        except (OSError, subprocess.CalledProcessError):
            yield CappedSpool(point)
            return
        try:
            yield MountedDisk(point)
        finally:
            # Lazily: a process that is being killed may still have a file open.
            subprocess.run(["umount", "--lazy", point], check=True)


@dataclass(frozen=True, slots=True)
class MountedDisk:
    """A file system in a file."""

    point: Path
    kind: str = "a file system of its own without a free block (ENOSPC)"
    cap: int = SIZE

    @property
    def spool(self) -> Path:
        """The spool's file."""
        return self.point / "spool.db"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Fill the file system to its last block, and the room in the spool's own files."""
        filler = self.point / "filler"
        try:
            _fill(filler)
            with _stuffed(self.spool, MOST_ROWS, 65536, 2048):
                yield
                filler.unlink()
        finally:
            filler.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class CappedSpool:
    """A spool that somebody else's rows fill up to its cap."""

    point: Path
    kind: str = "a spool at its cap (mounting is not permitted here)"
    cap: int = CAP

    @property
    def spool(self) -> Path:
        """The spool's file."""
        return self.point / "spool.db"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Fill the spool beyond its cap."""
        with _stuffed(self.spool, 1, self.cap):
            yield


@contextmanager
def _stuffed(spool: Path, most: int, *sizes: int) -> Iterator[None]:
    """Put rows that nobody sends into the spool: `most` of each size, or till it is full."""
    # It stays open: who closes a file last tidies up, and so makes room.
    with closing(sqlite3.connect(spool, timeout=30, isolation_level=None)) as db:
        for size in sizes:
            _stuff(db, size, most)
        try:
            yield
        finally:
            db.execute("delete from unsendable where error = 'filler'")


def _stuff(db: sqlite3.Connection, size: int, most: int) -> None:
    filler = "insert into unsendable (row, error) values (zeroblob(?), 'filler')"
    try:
        for _ in range(most):
            db.execute(filler, (size,))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise


def _mount(image: Path, point: Path) -> None:
    with image.open("wb") as file:
        file.truncate(SIZE)
    for command in (
        ["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(image)],
        ["mount", "-o", "loop", str(image), str(point)],
    ):
        subprocess.run(command, check=True, capture_output=True, env={"PATH": ADMIN_PATH})


def _fill(filler: Path) -> None:
    file = os.open(filler, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for block in (bytes(65536), bytes(4096), bytes(1)):
            _write_all(file, block)
        os.fsync(file)
    finally:
        os.close(file)


def _write_all(file: int, block: bytes) -> None:
    try:
        while True:
            os.write(file, block)
    except OSError:  # no space left
        return
