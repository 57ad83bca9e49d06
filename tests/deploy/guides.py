"""The commands of docs/deploy/: which are run by tests, and why the others are not."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local import checkout, toolchain
from services.local.stack import LocalStack

PAGES = checkout.ROOT / "docs" / "deploy"
FENCE = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ACCOUNT = "needs an account"
MACHINE = "changes the machine it runs on; the test's root has what it installs"
CODE = "the test has this checkout, which may not be committed yet"
ENGINE = "no container engine; the test performs the Dockerfile's steps and starts the services"
SYSTEMD = "no systemd; the test starts what the units start"
CADDY = "Caddy is not installed here"
NOT_RUN = {
    "npx supabase@3.1.0 login": ACCOUNT,
    "npx supabase@3.1.0 link ": ACCOUNT,
    "npx supabase@3.1.0 db push --remote\n": "needs a linked project; by an address it is run",
    "git clone ": CODE,
    "git fetch ": CODE,
    "git checkout ": CODE,
    "cd convohooks": CODE,
    "sudo git ": CODE,
    "sudo apt-get ": MACHINE,
    "sudo systemctl ": SYSTEMD,
    "docker compose up ": ENGINE,
    "sudo install -m 644 deploy/Caddyfile ": CADDY,
    "sudo install -m 644 /opt/convohooks/current/deploy/Caddyfile ": CADDY,
    "fly apps ": ACCOUNT,
    "fly deploy ": ACCOUNT,
    "fly scale ": ACCOUNT,
    "fly ssh ": ACCOUNT,
    "fly releases ": ACCOUNT,
}
"""How such a command begins, and why no test runs it."""

_run: set[str] = set()


def commands(page: str) -> list[list[str]]:
    """Return the commands of each block of a page."""
    found = FENCE.findall((PAGES / page).read_text())
    return [[line.strip() for line in text.splitlines()] for _, text in found]


def runs(page: str, start: str) -> list[str]:
    """Return what is to be run of the block in which a command begins so, and note that it is."""
    [block, *_] = [
        block for block in commands(page) if any(line.startswith(start) for line in block)
    ]
    _run.update(block)
    return [line for line in block if reason(line) is None]


def reason(command: str) -> str | None:
    """Return why a command is not run; None where it is to be."""
    return next((why for start, why in NOT_RUN.items() if f"{command}\n".startswith(start)), None)


def left() -> dict[str, list[str]]:
    """Return the commands of each page that nothing runs, and that have no reason."""
    pages = sorted(path.name for path in PAGES.glob("*.md"))
    return {
        page: [
            line
            for block in commands(page)
            for line in block
            if line not in _run and reason(line) is None
        ]
        for page in pages
    }


SECRETS = runs("README.md", "umask 077")


def stand_in(folder: Path, name: str, script: str) -> None:
    """Put a program of that name into a folder."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def sh(
    lines: Sequence[str],
    folder: Path,
    *,
    stdin: str = "",
    programs: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run commands as they stand, in a folder; return what they print. They must not fail."""
    path = os.pathsep.join([*([str(programs)] if programs else []), os.environ["PATH"]])
    done = subprocess.run(
        ("sh", "-eu", "-c", "\n".join(lines)),
        cwd=folder,
        env={**os.environ, **(env or {}), "PATH": path},
        input=stdin,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cli() -> str:
    """Return what stands in for npx: the CLI of the lock file, which has the same version."""
    return f'test "$1" = supabase@3.1.0 && shift && exec {toolchain.supabase_cli()} "$@"'


def make_secrets(folder: Path, stack: LocalStack) -> None:
    """Do what step 2 says."""
    sh(SECRETS, folder, stdin=f"{stack.secret_key}\n")


def settings(stack: LocalStack, port: int) -> str:
    """Return a convohooks.env as step 3 has it, with the tests' project and a port."""
    told = {
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
    }
    return "".join(f"{name}={text}\n" for name, text in told.items())
