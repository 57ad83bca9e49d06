"""The folder in which one local stack keeps its logs, its secrets and its lock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.local.errors import LocalStackError, StopRequestedError

LOG_LIMIT = 10_000_000

Pause = Callable[[float], bool]
"""Waits up to that many seconds and says whether we were asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What only this stack knows; made once per state folder."""

    jwt_secret: str
    authenticator_password: str
    demo_password: str


@dataclass(frozen=True, slots=True)
class State:
    """The files of one local stack, all below one folder."""

    folder: Path
    owner: str = ""

    @property
    def id(self) -> str:
        """Name the stack its processes belong to: by its folder's place, which outlives it."""
        return self.owner or hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]

    @property
    def pids(self) -> Path:
        """The file that names the running parts."""
        return self.folder / "parts.json"

    @property
    def is_new(self) -> bool:
        """Whether no stack has run here yet."""
        return not self._secrets.exists()

    def create(self) -> None:
        """Make the folder, readable by nobody else."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)

    def log(self, name: str) -> Path:
        """Return where the part of that name writes its log."""
        return self.folder / "logs" / f"{name}.log"

    def trim_logs(self) -> None:
        """Empty the logs that have grown large."""
        for log in (self.folder / "logs").glob("*.log"):
            if log.stat().st_size > LOG_LIMIT:
                log.write_bytes(b"")

    def clear(self) -> None:
        """Remove what this stack has written; what others keep here stays."""
        for name in ("logs", "postgres"):
            remove_tree(self.folder / name)
        for file in (self.pids, self._secrets):
            file.unlink(missing_ok=True)

    def secrets(self) -> Secrets:
        """Return the secrets of this stack, made at the first call."""
        if self.is_new:
            write_private(self._secrets, json.dumps(_new_secrets()))
        return Secrets(**json.loads(self._secrets.read_text()))

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


@contextmanager
def hold(lock: Path, *, busy: str) -> Iterator[None]:
    """Hold the lock; who finds it held gets a LocalStackError saying so and by which process."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("a+") as file:
        if not _try_lock(file.fileno()):
            raise LocalStackError(busy.format(pid=holder(lock) or "unknown"))
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def wait_for(lock: Path, pause: Pause) -> Iterator[None]:
    """Hold the lock, waiting until nobody else does."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("a+") as file:
        while not _try_lock(file.fileno()):
            if pause(0.2):
                raise StopRequestedError
        yield


def holder(lock: Path) -> int | None:
    """Return the process that holds the lock, None when nobody does."""
    if not lock.exists():
        return None
    with lock.open("a+") as file:
        if _try_lock(file.fileno()):
            return None
        file.seek(0)
        text = file.read().strip()
    return int(text) if text.isdecimal() else None


def remove_tree(folder: Path) -> None:
    """Remove a folder with all it holds; a missing one is fine, and one that another removes."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_secrets() -> dict[str, str]:
    return {
        "jwt_secret": secrets.token_hex(32),
        "authenticator_password": secrets.token_hex(16),
        "demo_password": secrets.token_urlsafe(9),
    }
