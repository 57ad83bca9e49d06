"""Where senders reach the service now: by a running tunnel, else at PUBLIC_BASE_URL.

`convohooks tunnel` notes its address in a file of the working folder, named for the port that it
leads to, and holds a lock for as long as it runs: what a killed tunnel has left counts for nothing.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from services.errors import Conflict
from services.settings import Settings

FOLDER = Path(".convohooks")
PATIENCE = 1.0
"""Seconds in which whoever only looks whether the lock is held lets go of it."""


def public_url(settings: Settings) -> str:
    """Return the address for callback URLs that are made now; ask again for each of them."""
    return TunnelNote(settings.port).read() or settings.public_base_url


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TunnelNote:
    """What the tunnel to one port tells the service on that port."""

    def __init__(self, port: int, folder: Path = FOLDER) -> None:
        """Name the files; nothing is opened yet."""
        self._url = folder / f"tunnel-{port}.url"
        self._lock = folder / f"tunnel-{port}.lock"

    def read(self) -> str | None:
        """Return the address of the tunnel that runs; None when none runs or none is known yet."""
        try:
            with self._lock.open() as lock:
                if _locked(lock.fileno(), fcntl.LOCK_SH):
                    return None
            return self._url.read_text().strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def write(self, url: str) -> None:
        """Tell the address, whole or not at all."""
        draft = self._url.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{url}\n")
        draft.replace(self._url)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the tunnel of this port. Raises Conflict when there is one."""
        self._lock.parent.mkdir(mode=0o700, exist_ok=True)
        with self._lock.open("a") as lock:
            deadline = time.monotonic() + PATIENCE
            while not _locked(lock.fileno(), fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise Conflict("Another `convohooks tunnel` leads to this port.")
                time.sleep(0.02)
            self._url.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._url.unlink(missing_ok=True)


def _locked(descriptor: int, kind: int) -> bool:
    """Take the lock, if it is free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
