"""Puts the Python packages of requirements.lock into .venv; run by `make` with any Python >= 3.11.

It runs before anything is installed, so it uses the standard library alone.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".installed"
INPUTS = (ROOT / "requirements.lock", ROOT / "pyproject.toml")
STEPS = ("Collecting ", "Requirement already satisfied")


def main() -> int:
    """Install what is missing; return pip's exit code when it fails."""
    if _is_installed():
        return 0
    print("Installing the Python packages, once …", flush=True)
    _make_venv()
    code = _pip("-r", str(INPUTS[0])) or _pip("--no-deps", "--editable", str(ROOT))
    if code == 0:
        STAMP.write_text(_version())
    return code


def _is_installed() -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == _version()


def _version() -> str:
    content = b"".join(path.read_bytes() for path in INPUTS)
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
    """Pass on pip's lines while showing, on a terminal, how far it has come."""
    expected = sum("==" in line for line in INPUTS[0].read_text().splitlines())
    begun = 0
    for line in process.stdout or ():
        step = line.startswith(STEPS)
        begun += step
        if sys.stdout.isatty():
            print(f"\r  {min(begun, expected)}/{expected} packages", end="", flush=True)
        elif step and begun % 20 == 0:
            print(f"  {min(begun, expected)}/{expected} packages", flush=True)
        yield line
    if sys.stdout.isatty():
        print("\r" + " " * 40, end="\r", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
