"""Each import rule of pyproject.toml can be broken, and is then said to be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

OFFENCES = {
    "Only the database module knows the Supabase client": (
        "conversations/owned.py",
        "import postgrest.types",
    ),
    "Only the web knows Flask": ("cli/send.py", "from flask import Flask"),
    "Only the spool knows its file": ("outage/drainer.py", "import sqlite3"),
    "What make dev installs is used by services.local alone": ("doctor/host.py", "import psutil"),
    "What make test installs is used by nothing that is installed": (
        "chores/storage.py",
        "import responses",
    ),
    "Commands, then who serves, the wiring, the work, the database": (
        "database.py",
        "def late():\n    from services.local import ports",
    ),
    "Senders do not know each other": (
        "providers/twilio/fields.py",
        "import services.providers.stripe",
    ),
    "What reads and decides does no I/O": ("values.py", "import services.clients.api"),
}


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """The services in a folder where they may be spoilt."""
    only_python = shutil.ignore_patterns("__pycache__", "static", "templates", "samples")
    shutil.copytree("services", tmp_path / "services", ignore=only_python)
    shutil.copy("pyproject.toml", tmp_path)
    return tmp_path


def broken(tree: Path) -> set[str]:
    """Return the rules that a tree breaks."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--verbose"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    words = re.sub(r"\s+", " ", done.stdout)
    assert "Contracts: " in words, done.stdout + done.stderr
    found = {rule for rule in OFFENCES if f"{rule} BROKEN" in words}
    assert f"{len(found)} broken." in words, done.stdout
    assert done.returncode == bool(found)
    return found


def test_every_rule_is_broken_here() -> None:
    rules = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    assert [rule["name"] for rule in rules] == list(OFFENCES)


def test_a_broken_rule_is_said_to_be(tree: Path) -> None:
    for file, offence in OFFENCES.values():
        path = tree / "services" / file
        path.write_text(f"{path.read_text()}\n\n{offence}\n")

    assert broken(tree) == set(OFFENCES)


def test_one_broken_rule_breaks_no_other(tree: Path) -> None:
    rule = "Senders do not know each other"
    path = tree / "services" / OFFENCES[rule][0]
    path.write_text(f"{path.read_text()}\n\n{OFFENCES[rule][1]}\n")

    assert broken(tree) == {rule}
