"""`make install`: the packages of the lock get into .venv, once; what goes wrong is told."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.local import install
from tests.terminal import all_of
from tests.waiting import until

PIP = """#!/bin/sh
# In the place of .venv/bin/python, where nothing but pip is run.
here=$(dirname "$0")
[ "$*" = "-m pip --version" ] && exit $(cat "$here/broken" 2>/dev/null || echo 0)
echo "$*" >> "$here/asked"
. "$here/pip"
"""
VENV = """
import pathlib

def create(folder, *, with_pip, clear):
    assert with_pip and clear
    bin = pathlib.Path(folder) / "bin"
    bin.mkdir(parents=True, exist_ok=True)
    (bin / "broken").unlink(missing_ok=True)
    (bin / "pip").write_text("echo Collecting acme")
    (bin / "python").write_text({pip!r})
    (bin / "python").chmod(0o755)
"""
VENV_WITHOUT_PIP = """
import subprocess

def create(folder, *, with_pip, clear):
    raise subprocess.CalledProcessError(1, "ensurepip")
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of this project's installer, where stand-ins are installed from and with."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / ".venv" / "bin"

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(self.folder / "services" / "local" / "install.py")]

    def pip(self, script: str) -> None:
        """Let pip do this."""
        (self.bin / "pip").write_text(script)

    def run(self, *extras: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *extras], env={**os.environ, **env}, capture_output=True, text=True
        )

    def asked(self) -> list[str]:
        """Return what pip was asked to install, call by call."""
        note = self.bin / "asked"
        return [line.split(" --editable ")[1] for line in note.read_text().splitlines()]

    def modules(self, venv: str) -> str:
        """Return a PYTHONPATH under which this module makes the .venv."""
        folder = self.folder / "modules"
        folder.mkdir(exist_ok=True)
        (folder / "venv.py").write_text(venv)
        return str(folder)


@pytest.fixture(name="empty")
def _empty(tmp_path: Path) -> Checkout:
    """A checkout without a .venv."""
    (tmp_path / "services" / "local").mkdir(parents=True)
    (tmp_path / "services" / "local" / "install.py").symlink_to(install.__file__)
    (tmp_path / "requirements.lock").write_text("acme==1.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return Checkout(tmp_path)


@pytest.fixture(name="place")
def _place(empty: Checkout) -> Checkout:
    """A checkout with a .venv that has pip and nothing else."""
    empty.bin.mkdir(parents=True)
    (empty.bin / "python").write_text(PIP)
    (empty.bin / "python").chmod(0o755)
    empty.pip("echo Collecting acme")
    return empty


def test_packages_of_the_lock_are_installed_once(place: Checkout) -> None:
    first, second = place.run("local", "dev"), place.run("dev")

    [line] = (place.bin / "asked").read_text().splitlines()
    constraint = f"--constraint {place.folder}/requirements.lock"
    assert (first.returncode, second.returncode) == (0, 0)
    assert line.endswith(f" {constraint} --editable {place.folder}[dev,local]")
    assert "Installing the Python packages, once" in first.stdout
    assert second.stdout == ""


def test_extras_add_up_until_the_lock_changes(place: Checkout) -> None:
    """`make dev` needs fewer packages than `make test`, and takes none of its away."""
    place.run("local")
    place.run("dev")
    place.run("local")
    (place.folder / "requirements.lock").write_text("acme==2.0\n")
    place.run("local")

    assert [asked.removeprefix(str(place.folder)) for asked in place.asked()] == [
        "[local]",
        "[dev,local]",
        "[local]",
    ]


def test_the_service_alone_is_installed_without_extras(place: Checkout) -> None:
    """So a comparison with an older tree asks for it; pip takes no empty brackets."""
    first, second = place.run(), place.run()

    assert (first.returncode, second.returncode) == (0, 0)
    assert place.asked() == [str(place.folder)]


def test_what_pip_cannot_do_is_told_in_its_last_words_and_tried_again(place: Checkout) -> None:
    place.pip("seq 100; echo 'ERROR: no such version' >&2; exit 3")
    failed = place.run("local")
    place.pip("echo Collecting acme")
    again = place.run("local")

    assert (failed.returncode, again.returncode) == (3, 0)
    assert failed.stderr.splitlines()[-2:] == ["ERROR: no such version", ""]
    assert "72\n" in failed.stderr
    assert "71\n" not in failed.stderr
    assert len(place.asked()) == 2


def test_progress_is_told_now_and_then_where_nobody_looks(place: Checkout) -> None:
    place.pip("for n in $(seq 45); do echo Collecting $n; echo '  Downloading'; done")

    told = place.run("local").stdout.splitlines()

    assert told[1:] == ["  20 packages", "  40 packages"]


def test_progress_is_shown_on_a_terminal_and_wiped_when_done(place: Checkout) -> None:
    place.pip("echo Collecting a; echo '  Downloading'; echo Requirement already satisfied: b")
    person, output = pty.openpty()
    subprocess.run([*place.command, "local"], stdout=output, check=True)
    os.close(output)
    shown = all_of(person)

    counts = [part.strip() for part in shown.split("\r") if "packages" in part]
    assert counts[-3:] == ["1 packages", "1 packages", "2 packages"]
    assert shown.endswith(f"\r{' ' * 40}\r")


def test_venv_is_made_where_there_is_none(empty: Checkout) -> None:
    done = empty.run("local", PYTHONPATH=empty.modules(VENV.format(pip=PIP)))

    assert done.returncode == 0, done.stderr
    assert len(empty.asked()) == 1


def test_venv_without_pip_is_made_anew(place: Checkout) -> None:
    """So it is left where its making was broken off, or its Python has gone."""
    (place.bin / "broken").write_text("1")

    done = place.run("local", PYTHONPATH=place.modules(VENV.format(pip=PIP)))

    assert done.returncode == 0, done.stderr
    assert not (place.bin / "broken").exists()
    assert len(place.asked()) == 1


def test_python_that_cannot_make_a_venv_is_told_with_what_to_install(empty: Checkout) -> None:
    done = empty.run("local", PYTHONPATH=empty.modules(VENV_WITHOUT_PIP))

    assert done.returncode == 1
    assert done.stderr.endswith(
        "cannot make a .venv with pip (Debian: apt install python3-venv).\n"
    )


def test_ctrl_c_ends_it_without_a_traceback(place: Checkout) -> None:
    place.pip("exec sleep 60")
    process = subprocess.Popen(
        [*place.command, "local"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever runs the tests in the background may ignore it, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until((place.bin / "asked").exists)

    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate()

    assert process.returncode == 130
    assert told == ""
    assert not (place.folder / ".venv" / ".installed").exists()


def test_it_needs_nothing_but_the_standard_library(place: Checkout) -> None:
    done = subprocess.run([sys.executable, "-I", "-S", *place.command[1:], "local"])

    assert done.returncode == 0
