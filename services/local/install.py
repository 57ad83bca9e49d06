"""Puts Python packages into .venv, in the versions of requirements.lock: the service's and those of
the named extras. Run by `make` with any Python >= 3.11.

It runs before anything is installed, so it uses the standard library alone.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

# As it is named, not resolved: through a link to this file it installs where the link lies.
ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
LOCK = ROOT / "requirements.lock"
STEPS = ("Collecting ", "Requirement already satisfied")


def main(extras: Sequence[str]) -> int:
    """Install what is missing; return pip's exit code when it fails."""
    there = _installed()
    if PYTHON.exists() and {"convohooks", *extras} <= there:
        return 0
    print("Installing the Python packages, once …", flush=True)
    _make_venv()
    wanted = sorted(there.union(extras) - {"convohooks"})
    # pip takes a folder without brackets, or with something in them.
    named = f"[{','.join(wanted)}]" if wanted else ""
    code = _pip("--constraint", str(LOCK), "--editable", f"{ROOT}{named}")
    if code == 0:
        STAMP.write_text(" ".join([_version(), "convohooks", *wanted]))
    return code


def _installed() -> set[str]:
    """Return which extras are there as the lock has them, `convohooks` for the service itself."""
    version, _, names = (STAMP.read_text() if STAMP.exists() else "").partition(" ")
    return set(names.split()) if version == _version() else set()


def _version() -> str:
    content = LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(content + str(ROOT).encode()).hexdigest()


def _make_venv() -> None:
    pip = [str(PYTHON), "-m", "pip", "--version"]
    if PYTHON.exists() and subprocess.run(pip, capture_output=True).returncode == 0:  # noqa: S603 (our own)
        return
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        sys.exit(
            f"{sys.executable} cannot make a .venv with pip (Debian: apt install python3-venv)."
        )


def _pip(*arguments: str) -> int:
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603 (our own)
    lines = list(_shown(process))
    code = process.wait()
    if code != 0:
        print("".join(lines[-30:]), file=sys.stderr)
    return code


def _shown(process: subprocess.Popen[str]) -> Iterator[str]:
    """Pass on pip's lines while showing how far it has come."""
    begun = 0
    for line in process.stdout or ():
        step = line.startswith(STEPS)
        begun += step
        if sys.stdout.isatty():
            print(f"\r  {begun} packages", end="", flush=True)
        elif step and begun % 20 == 0:
            print(f"  {begun} packages", flush=True)
        yield line
    if sys.stdout.isatty():
        print("\r" + " " * 40, end="\r", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
