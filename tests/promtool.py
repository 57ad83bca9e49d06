"""The checker of Prometheus's rules: one that is here, else that of Debian's package, unpacked."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from services.local import checkout

FOLDER = checkout.STATE / "prometheus"
MISSING = (
    "The tests of the alert rules need promtool. Install Prometheus (Debian: apt-get install "
    "prometheus) or set PROMTOOL to the path of one."
)


def promtool() -> str:
    """Return the path of a promtool, fetching one where there is none; nothing is installed.

    Raises RuntimeError saying what to do when none can be had.
    """
    path = _installed() or _unpacked() or _fetched()
    if path is None:
        raise RuntimeError(MISSING)
    return path


def _installed() -> str | None:
    return os.environ.get("PROMTOOL") or shutil.which("promtool")


def _unpacked() -> str | None:
    path = FOLDER / "usr" / "bin" / "promtool"
    return str(path) if path.exists() and _succeeds(str(path), "--version") else None


def _fetched() -> str | None:
    """Download and unpack the package, which needs neither root nor starts a service."""
    with tempfile.TemporaryDirectory() as folder:
        download = ("apt-get", "download", "prometheus")
        if not _succeeds(*download, cwd=folder):
            return None
        whole = Path(folder) / "whole"
        for package in Path(folder).glob("prometheus_*.deb"):
            _succeeds("dpkg", "-x", str(package), str(whole))
        return _put_in_place(whole / "usr" / "bin" / "promtool")


def _put_in_place(found: Path) -> str | None:
    if not found.exists():
        return None
    path = FOLDER / "usr" / "bin" / "promtool"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: several test processes may fetch it at once.
    draft = path.with_name(f"promtool.{os.getpid()}")
    shutil.copy2(found, draft)
    draft.replace(path)
    return _unpacked()


def _succeeds(*command: str, cwd: str | None = None) -> bool:
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
