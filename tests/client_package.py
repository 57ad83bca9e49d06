"""The npm packages of client/: what builds and tests the browser client, and axe."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

from services.local import checkout
from services.local.state import wait_for
from services.local.toolchain import node, node_environ, npm_ci

CLIENT = checkout.ROOT / "client"
MODULES = CLIENT / "node_modules"
LOCK = CLIENT / "package-lock.json"
# npm empties node_modules before it installs: what is here was put here when it had finished.
STAMP = MODULES / ".installed"


def node_modules() -> Path:
    """Return the folder of the packages of the lock file, installed at the first call.

    Raises RuntimeError with npm's words when that fails.
    """
    with wait_for(checkout.STATE / "client.lock", _pause):
        if not _is_installed():
            run(*npm_ci())
            STAMP.write_text(_version())
    return MODULES


def run(*command: str) -> str:
    """Run a command in client/ and return what it wrote; RuntimeError with that when it fails."""
    env = {**os.environ, **node_environ()}
    done = subprocess.run(command, cwd=CLIENT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def run_node(*arguments: str) -> str:
    """Run a script of client/ by the Node of the checkout; raises as `run` does."""
    node_modules()
    return run(str(node()), *arguments)


def build() -> None:
    """Write the bundle that pages load, and client/dist for publishing; raises as `run` does."""
    run_node("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json")
    run_node("build.mjs")


def _is_installed() -> bool:
    return STAMP.exists() and STAMP.read_text() == _version()


def _version() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False


if __name__ == "__main__":
    build()
