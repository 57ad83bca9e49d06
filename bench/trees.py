"""The tree that this one is compared with: a commit's files in a folder, and a Python for them."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.local.checkout import ROOT

LOCK = "requirements.lock"


class TreeError(Exception):
    """There is no such tree, or it cannot be run."""


@contextmanager
def tree(named: str) -> Iterator[Path]:
    """Give the folder of a tree: the one named, else a commit's files, gone afterwards.

    Raises TreeError when it is neither.
    """
    if named and (Path(named) / LOCK).exists():
        yield Path(named).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="convohooks-base-") as folder:
        _unpack(named, Path(folder))
        yield Path(folder)


def python_of(folder: Path) -> str:
    """Return a Python with what a tree needs: ours when its lock file is ours, else its own.

    Raises TreeError when its own cannot be made.
    """
    if (folder / LOCK).read_bytes() == (ROOT / LOCK).read_bytes():
        return sys.executable
    install = [sys.executable, str(folder / "services" / "local" / "install.py"), "local", "dev"]
    if subprocess.run(install, check=False).returncode != 0:  # noqa: S603 (our own)
        raise TreeError(f"The packages of {folder / LOCK} cannot be installed.")
    return str(folder / ".venv" / "bin" / "python")


def _unpack(commit: str, folder: Path) -> None:
    archive = folder / "tree.tar"
    # The dashes end the options, so that no name is taken for one.
    command = ["git", "archive", f"--output={archive}", "--end-of-options", commit]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603 (our own)
    if done.returncode != 0:
        raise TreeError(f"{commit} is neither a folder of Convohooks nor a commit: {done.stderr}")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    archive.unlink()
