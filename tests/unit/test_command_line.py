"""One look and feel: what holds for every command there is, and for each that is added."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from services.cli import app
from services.cli.lazy import SENTENCES, imported
from services.cli.output import progress
from services.settings import raw_settings
from tests.terminal import all_of

HERE = Path(__file__).parents[2]

# How each command is called at least; without settings each of them ends in a sentence.
CALLS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("alerts", "list"): (),
    ("alerts", "test"): (),
    ("calendly", "list"): (),
    ("calendly", "repair"): (),
    ("calendly", "subscribe"): (),
    ("calendly", "unsubscribe"): ("x",),
    ("callbacks", "sync"): (),
    ("erase",): ("--conversation", "c1", "--yes"),
    ("events", "list"): (),
    ("events", "purge"): ("--yes",),
    ("events", "show"): ("00000000-0000-4000-8000-000000000000",),
    ("objectives", "list"): (),
    ("objectives", "push"): (),
    ("persona", "push"): (),
    ("reconcile",): (),
    ("replay",): ("--all",),
    ("reseal",): (),
    ("send",): ("tavus", "all"),
    ("spool", "discard"): ("1", "--yes"),
    ("spool", "list"): (),
    ("spool", "retry"): ("--all",),
    ("spool", "show"): ("1",),
    ("tools", "register"): (),
    ("tunnel",): (),
}
# They need no settings, or say themselves what is wrong with them.
APART = {
    ("dev",),
    ("reset",),
    ("doctor",),
    ("doctor", "signature"),
    ("tools", "schema"),
    ("worker",),
}
# They run until they are stopped, and what they print is a log.
WITHOUT_JSON = {("dev",), ("worker",)}


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, by its words."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        within = getattr(command, "commands", {})
        if not within or getattr(command, "invoke_without_command", False):
            yield words, command
        for name, inner in within.items():
            yield from walk((*words, name), inner)

    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        yield from walk((name,), imported(name) if name in SENTENCES else command)


EVERY = dict(commands())
WORDS = [pytest.param(words, id=" ".join(words)) for words in EVERY]


@pytest.fixture(name="without_settings", autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in raw_settings():
        if name.startswith(("SUPABASE", "TAVUS", "SPOOL", "CALENDLY")):
            monkeypatch.delenv(name)


def run(*arguments: str, **env: str) -> Any:
    return CliRunner().invoke(app, arguments, env=env, catch_exceptions=False)


def test_every_command_is_in_the_table() -> None:
    assert {*CALLS, *APART} >= {*EVERY}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("columns", [40, 200])
def test_help_is_plain_and_as_wide_as_it_may_be(words: tuple[str, ...], columns: int) -> None:
    done = run(*words, "--help", COLUMNS=str(columns), NO_COLOR="1")

    assert done.exit_code == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= columns
    assert (EVERY[words].help or "").strip().endswith(".")


@pytest.mark.parametrize("words", WORDS)
def test_every_command_prints_json(words: tuple[str, ...]) -> None:
    options = {option for parameter in EVERY[words].params for option in parameter.opts}

    assert ("--json" in options) == (words not in WITHOUT_JSON)


@pytest.mark.parametrize("words", WORDS)
def test_a_wrong_call_is_code_2_and_nothing_on_standard_output(words: tuple[str, ...]) -> None:
    done = run(*words, "--no-such-option")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "No such option" in done.stderr


@pytest.mark.parametrize("words", [words for words in WORDS if words.values[0] in CALLS])
def test_what_is_wrong_is_code_1_and_told_on_standard_error(words: tuple[str, ...]) -> None:
    plain = run(*words, *CALLS[words])
    as_json = run(*words, *CALLS[words], "--json")

    assert (plain.exit_code, plain.stdout) == (1, "")
    assert "SUPABASE_URL" in plain.stderr
    assert (as_json.exit_code, as_json.stdout) == (1, "")
    assert "SUPABASE_URL" in json.loads(as_json.stderr)["error"]


def test_one_run_with_json_leaves_the_next_one_plain() -> None:
    assert run("replay", "--all", "--json").stderr.startswith("{")
    assert not run("replay", "--all").stderr.startswith("{")


def test_doctor_tells_of_the_settings_as_a_finding() -> None:
    done = run("doctor", "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["findings"][0]["name"] == "settings"


def test_what_deletes_asks_nobody_with_json(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SPOOL_PATH", __file__)
    for words in (("erase",), ("events", "purge"), ("spool", "discard")):
        *given, yes = CALLS[words]

        done = run(*words, *given, "--json")

        assert yes == "--yes"
        assert (done.exit_code, done.stdout) == (2, "")
        assert "say --yes" in done.stderr


@pytest.mark.parametrize("option", ["--source", "--type", "--conversation", "--since", "--error"])
@pytest.mark.parametrize("words", [("events", "purge", "--yes"), ("replay", "--state", "dead")])
def test_a_filter_that_says_nothing_is_not_all_events(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], option: str
) -> None:
    """As from a script whose variable is empty."""
    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    done = run(*words, option, "")

    assert done.exit_code == 2
    assert option in done.stderr


def test_a_table_is_wide_without_a_terminal_and_fits_into_one() -> None:
    code = (
        "from services.cli.output import print_table;"
        "print_table(('a', 'b'), [('x' * 90, 'y' * 90)])"
    )
    env = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    piped = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True, cwd=HERE
    )

    ours, theirs = pty.openpty()
    env = {**env, "COLUMNS": "60", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stdout=theirs, env=env, check=True, cwd=HERE)
    os.close(theirs)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", all_of(ours))

    assert "x" * 90 in piped.stdout
    assert "\x1b" not in piped.stdout
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.count("x") == 90


def test_what_takes_its_time_is_shown_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with progress("Looking") as tell:
        tell("place 1 of 9")
    elsewhere = capsys.readouterr()
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)

        with progress("Looking") as tell:
            tell("place [2] of 9")
    shown = all_of(ours)

    assert (elsewhere.out, elsewhere.err) == ("", "")
    assert "Looking: place [2] of 9" in shown
    assert capsys.readouterr().out == ""


def documented() -> dict[tuple[str, ...], tuple[str, str]]:
    """Return what docs/cli.md says of each command, and its example."""
    lines = (HERE / "docs" / "cli.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    return {
        tuple(command.strip("`").split()): (sentence, example.strip("`"))
        for command, sentence, example in cells
    }


def test_every_command_is_documented_as_it_says_itself() -> None:
    said = {
        words: " ".join((command.help or "").split("\n\n")[0].split())
        for words, command in EVERY.items()
    }

    assert {words: sentence for words, (sentence, _) in documented().items()} == said


@pytest.mark.parametrize("words", WORDS)
def test_every_example_can_be_typed(words: tuple[str, ...]) -> None:
    program, *typed = shlex.split(documented()[words][1])
    command = EVERY[words]
    options = {option for parameter in command.params for option in parameter.opts}

    assert (program, *typed[: len(words)]) == ("convohooks", *words)
    assert {word for word in typed if word.startswith("--")} <= options
