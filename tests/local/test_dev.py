"""`convohooks dev` and `convohooks reset`, beside the stack of these tests."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import psycopg
import pytest

from services.local import checkout, postgres
from services.local.demo import CONVERSATION, EMAIL
from services.local.dotenv import read
from services.local.ports import free_port, is_free
from services.local.stack import LocalStack, discard
from services.local.state import State, hold
from tests.command import convohooks

STUBBORN = """
import signal, sys, time
from pathlib import Path
from services.local.state import hold
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with hold(Path(sys.argv[1]), busy=""):
    print("held", flush=True)
    time.sleep(600)
"""


@dataclass(slots=True)
class Running:
    """A running `convohooks dev`."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read_until(self, word: str) -> None:
        """Take note of what it says, up to a line with that word in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if word in line:
                return
        raise AssertionError(f"no {word!r} in {self.lines}")

    def shown(self, name: str) -> str:
        """Return what the table shows under a name."""
        [line] = [line for line in self.lines if line.startswith(f"{name}  ")]
        return line.removeprefix(name).strip()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does; return its exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Take note of the rest of what it says, when it is about to end; return its exit code."""
        assert self.process.stdout is not None
        self.lines += [line.strip() for line in self.process.stdout]
        self.process.stdout.close()
        return self.process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A folder for the settings and the state of a `convohooks dev`, and ports of its own."""

    folder: Path
    env: dict[str, str]

    @property
    def state(self) -> State:
        return State(self.folder / "state")

    @property
    def cluster(self) -> postgres.Cluster:
        return postgres.cluster(self.state)

    @contextmanager
    def dev(self) -> Iterator[Running]:
        command = [sys.executable, "-m", "tests.local.elsewhere", str(self.folder), "dev"]
        process = subprocess.Popen(
            command,
            env={**os.environ, **self.env},
            cwd=checkout.ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        running = Running(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What a first start has said, and what became of what it said may be done."""

    lines: list[str]
    health: httpx.Response
    callback: int
    sign_in: httpx.Response
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What a second start has said and had, and what `convohooks reset` said while it ran."""

    lines: list[str]
    callbacks: int
    code: int
    reset: CompletedProcess[str]


@pytest.fixture(name="place", scope="module")
def _place(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A place beside the stack of these tests, which has installed the programs."""
    place = Elsewhere(folder=tmp_path_factory.mktemp("elsewhere"), env=addresses())
    yield place
    discard(place.state)


@pytest.fixture(name="first", scope="module")
def _first(place: Elsewhere) -> First:
    with place.dev() as running:
        running.read_until("curl ")
        health = httpx.get(f"{running.shown('Service')}/health")
        callback = send(running.lines[-1])
        sign_in = signed_in(running)
        code = running.stop()
    return First(lines=running.lines, health=health, callback=callback, sign_in=sign_in, code=code)


@pytest.fixture(name="second", scope="module")
def _second(place: Elsewhere, first: First) -> Second:
    """An older schema, a secret in a file, and a reset while it runs."""
    assert first.code == 0
    (place.cluster.home / "schema").write_text("of an older checkout")
    move_to_file(place, "SUPABASE_SECRET_KEY")
    with place.dev() as running, pytest.MonkeyPatch.context() as patch:
        running.read_until("curl ")
        found = callbacks(place)
        patch.setattr(checkout, "STATE", place.state.folder)
        reset = convohooks("reset", env={})
        code = running.end()
    return Second(lines=running.lines, callbacks=found, code=code, reset=reset)


def addresses() -> dict[str, str]:
    """Return settings that name ports of which nobody else makes use."""
    return {
        "PORT": str(free_port()),
        "SUPABASE_URL": f"http://127.0.0.1:{free_port()}",
        "DATABASE_URL": f"postgresql://postgres:postgres@127.0.0.1:{free_port()}/postgres",
    }


def send(curl: str) -> int:
    """Make the call that a command line makes."""
    _, url, _, kind, _, body = shlex.split(curl)
    name, _, value = kind.partition(": ")
    return httpx.post(url, content=body, headers={name: value}).status_code


def signed_in(running: Running) -> httpx.Response:
    """Sign in as the demo's person, as the table says."""
    return httpx.post(
        f"{running.shown('Supabase')}/auth/v1/token?grant_type=password",
        headers={"apikey": running.shown("Publishable key")},
        json={"email": EMAIL, "password": running.shown("Sign in as").rpartition(" ")[2]},
    )


def callbacks(place: Elsewhere) -> int:
    with psycopg.connect(place.env["DATABASE_URL"]) as db:
        query = "select count(*) from private.webhook_inbox where conversation_id = %s"
        [count] = db.execute(query, [CONVERSATION]).fetchone() or [0]
        return int(count)


def move_to_file(place: Elsewhere, name: str) -> None:
    """Let a setting's text be in a file of its own."""
    env_file, file = place.folder / ".env", place.folder / name
    text = env_file.read_text()
    file.write_text(read(env_file, {})[name])
    env_file.write_text(re.sub(rf"(?m)^{name}=.*$", f"{name}_FILE={file}", text))


def test_first_start_writes_settings_and_runs_everything(place: Elsewhere, first: First) -> None:
    assert first.lines[0] == "Wrote .env with secrets of its own."
    assert not any("<random>" in value for value in read(place.folder / ".env", {}).values())
    assert first.health.json()["status"] == "healthy"


def test_shown_callback_and_account_are_taken(first: First) -> None:
    assert first.callback == 200
    assert first.sign_in.json()["user"]["email"] == EMAIL


def test_ctrl_c_ends_everything_and_is_no_failure(first: First) -> None:
    assert first.code == 0
    assert first.lines[-2:] == ["Stopping …", "Stopped."]


def test_next_start_has_what_was_there_and_follows_the_schema(second: Second) -> None:
    assert second.callbacks == 1
    assert second.lines.count("Brought the database up to the schema of this checkout.") == 1
    assert not any(line.startswith("Wrote") for line in second.lines)


def test_reset_stops_what_runs_and_leaves_nothing_of_it(place: Elsewhere, second: Second) -> None:
    ports = [int(text.rpartition(":")[2].partition("/")[0]) for text in place.env.values()]
    files = [file for file in place.state.folder.rglob("*") if file.is_file()]

    assert (second.reset.returncode, second.code) == (0, 0)
    assert "Stopping the running `convohooks dev` (process" in second.reset.stdout
    assert "Your .env is as it was." in second.reset.stdout
    assert second.lines[-1] == "Stopped."
    assert all(map(is_free, ports))
    assert {file.suffix or file.name for file in files} == {".lock", "lock"}
    assert not place.cluster.home.exists()
    assert (place.folder / ".env").exists()


def test_reset_leaves_the_programs_to_a_stack_that_runs(second: Second, stack: LocalStack) -> None:
    """Root's copy of them is one for all stacks of a checkout."""
    assert second.reset.returncode == 0

    with psycopg.connect(stack.database_url) as db:
        db.execute("do $$ begin perform 1; end $$")


@pytest.fixture(name="alone")
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a checkout in which nothing has run yet; its settings are beside it."""
    monkeypatch.setattr(checkout, "ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr(checkout, "STATE", tmp_path / "state")
    return tmp_path / "state"


def test_reset_where_nothing_is_tells_programs_so(alone: Path, stack: LocalStack) -> None:
    done = convohooks("reset", "--json", env={})

    assert done.returncode == 0
    assert json.loads(done.stdout) == {"reset": True}


def test_reset_names_the_process_that_does_not_stop(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("services.cli.dev"), "STOP_LIMIT", 0.1)
    command = [sys.executable, "-c", STUBBORN, str(alone / "lock")]
    with subprocess.Popen(command, cwd=checkout.ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (alone / "secrets.json").touch()

        done = convohooks("reset", "--json", env={})

        process.kill()
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr) == {"error": f"Process {process.pid} does not stop."}
    assert (alone / "secrets.json").exists()


def test_reset_bears_that_the_process_to_stop_has_just_ended(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("services.cli.dev"), "STOP_LIMIT", 0.1)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()

    with hold(alone / "lock", busy=""):
        (alone / "lock").write_text(str(ended.pid))
        done = convohooks("reset", env={})

    assert done.returncode == 1
    assert done.stderr == f"Process {ended.pid} does not stop.\n"


def test_ctrl_c_during_the_start_is_no_failure(stack: LocalStack, tmp_path: Path) -> None:
    place = Elsewhere(folder=tmp_path, env=addresses())
    with place.dev() as running:
        running.read_until("Wrote .env")

        code = running.stop()

    discard(place.state)
    assert code == 0
    assert running.lines[-1] == "Stopped."
    assert not any("Ready" in line for line in running.lines)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("PORT=web", "PORT in .env must be a port number, found 'web'."),
        (
            "TAVUS_WEBHOOK_TOKEN_FILE=/nowhere/token",
            "TAVUS_WEBHOOK_TOKEN_FILE names a file that is not there",
        ),
    ],
)
def test_dev_says_which_setting_is_wrong(
    alone: Path, monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    checkout.ENV_FILE.write_text(f"{line}\n")
    monkeypatch.delenv(line.partition("=")[0], raising=False)

    done = convohooks("dev", env={})

    assert done.returncode == 1
    assert done.stderr == f"{told}\n"
    assert not alone.exists()
