"""`convohooks tunnel`: a public address that stays, or moves with everything that depends on it."""

from __future__ import annotations

import json
import os
import queue
import random
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from rich.console import Console

from services.cli.tunnel import tell_person
from services.errors import Conflict, Unprocessable
from services.local import checkout
from services.local.ports import free_port
from services.local.stack import LocalStack
from services.reach.proof import problem_at, prove
from services.reach.public_url import TunnelNote, public_url
from services.reach.tunnel import Patience, Tunnel, next_wait
from services.reach.tunnel_program import ANY_ADDRESS, RECIPES, Program, Recipe, address_in
from services.settings import Settings, load_settings
from tests.command import convohooks
from tests.forwarder import Forwarder
from tests.stack import Service, start_service
from tests.tavus_fake import FakeTavus, fake_tavus
from tests.waiting import until

CONVOHOOKS = str(Path(sys.executable).with_name("convohooks"))
PATIENCE = 40.0
TOKEN = "token-of-the-tunnel-test"
OLD = "https://old.example.test/api/tavus/webhook?t=older"

Line = dict[str, Any]


@dataclass
class Running:
    """A running `convohooks tunnel --json`."""

    process: subprocess.Popen[str]
    folder: Path
    heard: list[Line] = field(default_factory=list)
    lines: queue.Queue[Line] = field(default_factory=queue.Queue)
    said: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))
            else:
                self.said.append(line.rstrip())

    def next_line(self, line: str) -> None:
        """Wait until it has said a line to people."""
        until(lambda: line in self.said, PATIENCE)

    def next(self, event: str) -> Line:
        """Wait for the next event of that name."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=0.1)
            except queue.Empty:
                continue
            self.heard.append(line)
            if line["event"] == event:
                return line
        raise AssertionError(f"no {event!r} among {self.heard}")

    def let(self, word: str) -> None:
        """Let something happen to the running tunnel."""
        draft = self.folder / "draft"
        draft.write_text(word)
        draft.replace(self.folder / "next")

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)

    def left(self) -> list[int]:
        """Return the processes started by the tunnel program that stay."""
        pids = [int(pid) for pid in (self.folder / "pids").read_text().split()]
        deadline = time.monotonic() + 3
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return [pid for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(name="service", scope="module")
def _service(stack: LocalStack) -> Iterator[Service]:
    service = start_service(stack)
    yield service
    service.kill()


@pytest.fixture(name="tavus")
def _tavus() -> Iterator[FakeTavus]:
    with fake_tavus() as tavus:
        tavus.resources["objectives"]["o1"] = {
            "uuid": "o1",
            "name": "demo",
            "data": [{"objective_name": "first", "callback_url": OLD}],
        }
        yield tavus


def callback_url(tavus: FakeTavus) -> str:
    return str(tavus.resources["objectives"]["o1"]["data"][0]["callback_url"])


@pytest.fixture(name="tunnel")
def _tunnel(stack: LocalStack, service: Service, tavus: FakeTavus, tmp_path: Path) -> Any:
    """Run tunnels to the service, by a program that does what a plan says."""
    env = {**os.environ, **stack.env(), **tavus.settings(), "TAVUS_WEBHOOK_TOKEN": TOKEN}

    @contextmanager
    def run(
        plan: str, *options: str, port: int | None = None, for_people: bool = False
    ) -> Iterator[Running]:
        folder = tmp_path / secrets.token_hex(4)
        folder.mkdir()
        (folder / "plan").write_text(plan)
        (folder / "pids").touch()
        led_to = port or urlsplit(service.url).port
        program = f"{sys.executable} -m tests.local.tunnel_fake {{port}} {folder}"
        command = [CONVOHOOKS, "tunnel", "--command", program, "--port", str(led_to)]
        process = subprocess.Popen(
            [*command, *([] if for_people else ["--json"]), "--every", "0.2", *options],
            env=env,
            cwd=checkout.ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        running = Running(process, folder)
        listener = threading.Thread(target=running.listen)
        listener.start()
        try:
            yield running
        finally:
            if process.poll() is None:
                running.stop()
            listener.join()
            assert process.stdout is not None
            process.stdout.close()
        assert running.left() == []

    return run


Tunnels = Callable[..., Any]


def test_address_is_proved_noted_and_told_to_tavus(
    tunnel: Tunnels, service: Service, tavus: FakeTavus
) -> None:
    before = httpx.get(f"{service.url}/health").json()["webhook_url"]

    with tunnel("lead") as running:
        url = running.next("up")["url"]
        synced = running.next("callbacks")

        assert callback_url(tavus) == f"{url}/api/tavus/webhook?t={TOKEN}"
        assert synced["counts"] == {"changed": 1}
        assert httpx.get(f"{service.url}/health").json()["webhook_url"].startswith(url)
        assert running.stop() == 0

    assert running.heard[0]["event"] == "started"
    assert TOKEN not in json.dumps(running.heard)
    assert httpx.get(f"{service.url}/health").json()["webhook_url"] == before


def test_program_that_dies_is_started_again_and_tavus_follows(
    tunnel: Tunnels, tavus: FakeTavus
) -> None:
    with tunnel("lead die lead") as running:
        first = running.next("callbacks") and running.heard[-2]["url"]
        running.let("end")

        assert running.next("restarting")["reason"] == "ended with exit code 0"
        died = running.next("restarting")
        up = running.next("up")
        running.next("callbacks")

        assert died["reason"] == "ended with exit code 3"
        assert died["said"][-1] == "no tunnel today"
        assert up["former"] == first
        assert callback_url(tavus).startswith(up["url"])


def test_address_that_changes_while_the_program_runs(tunnel: Tunnels, tavus: FakeTavus) -> None:
    with tunnel("lead") as running:
        first = running.next("up")["url"]
        running.let("move")

        moved = running.next("up")
        running.next("callbacks")

    assert moved["former"] == first != moved["url"]
    assert callback_url(tavus).startswith(moved["url"])
    assert "restarting" not in [line["event"] for line in running.heard]


def test_tunnel_that_leads_nowhere_any_more_is_started_again(tunnel: Tunnels) -> None:
    with tunnel("lead", "--failures", "2", "--timeout", "0.5") as running:
        running.next("up")
        running.let("freeze")

        assert running.next("check failed")["failures"] == 1
        assert "no answer" in running.next("restarting")["reason"]
        running.next("up")


def test_program_that_hangs_is_started_again(tunnel: Tunnels) -> None:
    with tunnel("nothing lead", "--patience", "1") as running:
        assert running.next("restarting")["reason"] == "no address after 1 s"
        running.next("up")


def test_page_of_somebody_else_is_no_tunnel(tunnel: Tunnels, tavus: FakeTavus) -> None:
    with tunnel("stale lead", "--patience", "1") as running:
        assert "something else answers" in running.next("restarting")["reason"]
        assert callback_url(tavus) == OLD
        running.next("up")


def test_addresses_that_strangers_get_into_the_output_are_no_address(
    tunnel: Tunnels, tavus: FakeTavus
) -> None:
    with tunnel("chatty") as running:
        url = running.next("up")["url"]
        running.next("callbacks")
        time.sleep(1.5)

    assert [line["event"] for line in running.heard].count("up") == 1
    assert callback_url(tavus).startswith(url)


def test_service_that_is_away_is_waited_for(tunnel: Tunnels, service: Service) -> None:
    with Forwarder(urlsplit(service.url).port or 0) as here:
        here.mode = "refuse"
        with tunnel("lead", "--failures", "1", port=here.server_address[1]) as running:
            assert running.next("service away")["url"] == here.url
            here.mode = "pass"
            up = running.next("up")

            here.mode = "refuse"
            running.next("service away")
            here.mode = "pass"
            running.let("move")
            moved = running.next("up")

    assert moved["former"] == up["url"]
    assert "restarting" not in [line["event"] for line in running.heard]


def test_tavus_that_fails_is_tried_again(tunnel: Tunnels, tavus: FakeTavus) -> None:
    tavus.fail("PATCH", "/objectives/o1", status=500)

    with tunnel("lead") as running:
        assert running.next("callbacks")["failed"]
        assert running.next("callbacks")["failed"] is None

    assert callback_url(tavus) != OLD


def test_second_tunnel_to_a_port_is_refused(tunnel: Tunnels) -> None:
    with tunnel("lead") as running:
        running.next("up")

        with tunnel("lead") as second:
            assert second.process.wait(PATIENCE) == 1

        assert running.process.poll() is None


def test_killed_tunnel_leaves_no_address_behind(tunnel: Tunnels, service: Service) -> None:
    with tunnel("lead") as running:
        url = running.next("up")["url"]
        running.process.kill()
        running.process.wait()
        told = httpx.get(f"{service.url}/health").json()["webhook_url"]
        for pid in map(int, (running.folder / "pids").read_text().split()):
            os.killpg(os.getpgid(pid), signal.SIGKILL)

    assert not told.startswith(url)


def test_program_that_is_not_there(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": str(tmp_path), "SUPABASE_URL": "https://x.example.test"}
    keys = {"SUPABASE_SECRET_KEY": "sb_secret_x", "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x"}

    done = convohooks("tunnel", "ngrok", "--port", "9", env={**env, **keys}, cwd=tmp_path)

    assert done.returncode == 1
    assert "ngrok cannot be run" in done.stderr
    assert "https://ngrok.com/download" in done.stderr


def test_people_are_told_in_sentences(tunnel: Tunnels) -> None:
    with tunnel("lead", for_people=True) as running:
        running.next_line("Callback URLs at Tavus: 1 changed.")
        code = running.stop()

    assert code == 0
    assert running.said[0] == f"Started {sys.executable}."
    assert running.said[2].startswith("The service answers at http://127.0.0.1:")
    assert running.said[-1] == "Stopped."


@pytest.mark.parametrize(
    ("event", "told", "said"),
    [
        (
            "restarting",
            {"reason": "ended with exit code 3", "seconds": 1.1, "said": ["no [red]tunnel"]},
            ["ended with exit code 3; starting it again in 1.1 s.", "  no [red]tunnel"],
        ),
        (
            "up",
            {"url": "https://b.example.test", "former": "https://a.example.test"},
            [
                "The service answers at https://b.example.test",
                "Conversations that already run keep calling https://a.example.test.",
            ],
        ),
        (
            "callbacks",
            {
                "counts": {"current": 2, "changed": 1},
                "tools": {"updated": 1},
                "failed": "Tavus said \x1b[2J.",
            },
            [
                "Callback URLs at Tavus: 1 changed, 2 current.",
                "Tools at Tavus: 1 updated.",
                r"Not everything could follow, tried again soon: Tavus said \x1b[2J.",
            ],
        ),
        ("callbacks", {"counts": {}, "tools": {}, "failed": None}, []),
    ],
)
def test_what_happens_is_said_line_by_line(
    event: str, told: dict[str, Any], said: list[str]
) -> None:
    paper = StringIO()

    tell_person(Console(file=paper, width=20, highlight=False), event, **told)

    assert paper.getvalue().splitlines() == said


def test_reader_who_has_gone_does_not_end_the_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        monkeypatch.setattr(sys, "stdout", file)

        tell_person(Console(), "up", url="https://a.example.test", former="https://b.example.test")


def test_folder_that_cannot_be_made_is_told(stack: LocalStack, tmp_path: Path) -> None:
    (tmp_path / ".convohooks").touch()
    settings = {**os.environ, **stack.env()}

    done = convohooks("tunnel", "--command", "true", "--port", "9", env=settings, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.endswith("File exists: '.convohooks'\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "options", [["nonsense"], ["--command", "'"], ["--command", " "], ["--pattern", "("]]
)
def test_options_that_are_none(stack: LocalStack, tmp_path: Path, options: list[str]) -> None:
    done = convohooks("tunnel", *options, env={**os.environ, **stack.env()}, cwd=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("program", "line", "expected"),
    [
        (
            "cloudflared",
            "2026-03-01T10:00:00Z INF |  https://blue-sky-9.trycloudflare.com   |",
            "https://blue-sky-9.trycloudflare.com",
        ),
        ("cloudflared", "see https://developers.cloudflare.com/x", None),
        ("cloudflared", 'Post "https://api.trycloudflare.com/tunnel": EOF', None),
        (
            "ngrok",
            't=2026-03-01T10:00:00 lvl=info msg="started tunnel" obj=tunnels name=command_line '
            "addr=http://localhost:8000 url=https://1a2b.ngrok-free.app",
            "https://1a2b.ngrok-free.app",
        ),
        ("ngrok", "t=x lvl=info msg=update url=http://plain.ngrok.example.test", None),
        ("localtunnel", "your url is: https://two-words.loca.lt", "https://two-words.loca.lt"),
        ("other", "at https://a.example.test/path?x=1, now", "https://a.example.test"),
        ("other", "from http://localhost:8000 to https://a.example.test", "https://a.example.test"),
        ("other", "http://127.0.0.1:8000", None),
        ("other", "http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("other", "http://a.example.test", None),
        ("other", "https://user:pass@a.example.test", None),
        ("other", "https://[broken and https://x:99999/", None),
        ("other", "https:///nothing", None),
    ],
)
def test_address_in_what_a_program_says(program: str, line: str, expected: str | None) -> None:
    recipe = RECIPES.get(program) or Recipe(command="x", pattern=ANY_ADDRESS)

    assert address_in(line, re.compile(recipe.pattern), 8000) == expected


def test_command_goes_to_no_shell() -> None:
    recipe = Recipe(command="prog --to '{port}' ; rm $(x)")

    assert recipe.arguments(81) == ["prog", "--to", "81", ";", "rm", "$(x)"]
    with pytest.raises(Unprocessable):
        Recipe(command="'").arguments(81)


def test_waits_grow_and_vary() -> None:
    chance = random.Random(7).random

    waits = [next_wait(n, chance) for n in range(1, 20)]

    assert waits[0] < 1.3
    assert all(wait <= 72 for wait in waits)
    assert min(waits[8:]) > 45
    assert len(set(waits)) == len(waits)


TEXTS = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_one",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "PUBLIC_BASE_URL": "https://hooks.example.test",
}


@pytest.fixture(name="settings")
def _settings() -> Settings:
    return load_settings(TEXTS)


def test_note_counts_while_its_tunnel_runs(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    note = TunnelNote(8000)
    assert public_url(settings) == "https://hooks.example.test"

    with note.held():
        assert public_url(settings) == "https://hooks.example.test"
        note.write("https://tunnel.example.test")
        assert public_url(settings) == "https://tunnel.example.test"
        assert public_url(load_settings({**TEXTS, "PORT": "8001"})) == "https://hooks.example.test"
        with pytest.raises(Conflict), TunnelNote(8000).held():
            pass

    (tmp_path / ".convohooks" / "tunnel-8000.url").write_text("https://stale.example.test")
    assert public_url(settings) == "https://hooks.example.test"


def test_proof_is_of_these_settings_and_this_number(settings: Settings) -> None:
    nonce = "0123456789abcdef" * 2
    other = load_settings({**TEXTS, "SUPABASE_SECRET_KEY": "sb_secret_two"})

    proofs = {prove(settings, nonce), prove(other, nonce), prove(settings, nonce[::-1])}

    assert len(proofs) == 3
    assert prove(settings, nonce) == prove(settings, nonce)


@pytest.mark.parametrize(
    "nonce", ["", "x" * 32, "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "\ud800" * 32]
)
def test_other_things_are_not_signed(settings: Settings, nonce: str) -> None:
    assert prove(settings, nonce) is None


def test_service_proves_itself_without_the_database(service: Service, stack: LocalStack) -> None:
    mine = load_settings(stack.env())
    stranger = load_settings({**stack.env(), "SUPABASE_SECRET_KEY": "sb_secret_other"})

    assert problem_at(service.url, mine) is None
    assert problem_at(service.url, stranger) == "something else answers there (200)"
    assert "proof" not in httpx.get(f"{service.url}/health", params={"proof": "x"}).json()


def test_address_that_is_none(settings: Settings) -> None:
    assert "no answer" in str(problem_at(f"http://127.0.0.1:{free_port()}", settings))
    with Forwarder(free_port()) as nothing:
        assert "no answer" in str(problem_at(nothing.url, settings))


def test_service_that_stays_away_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    port, url = free_port(), "https://tunnel.example.test"
    note = TunnelNote(port)
    looks = iter(["refused", "refused", "refused"])
    heard: list[str] = []

    def problem_at(asked: str) -> str | None:
        return next(looks, None) if asked.startswith("http://127.0.0.1") else None

    def pause(seconds: float) -> bool:
        time.sleep(min(seconds, 0.01))
        return "up" in heard

    tunnel = Tunnel(
        recipe=Recipe(command=f"sh -c 'echo {url}; exec sleep 60'"),
        port=port,
        env=os.environ,
        pause=pause,
        tell=lambda event, **told: heard.append(event),
        problem_at=problem_at,
        sync=None,
        note=note,
        patience=Patience(every=0.01),
    )
    with note.held():
        tunnel.run()

    assert heard == ["started", "service away", "address", "up", "stopped"]


def test_what_a_program_says_is_kept_without_blank_lines_and_colours() -> None:
    said = r"\n  \n\033[32m\033[0m\n\033[32mready\033[0m\n"
    program = Program(Recipe(command=f"printf '{said}'"), 8000, os.environ)

    until(lambda: "ready" in program.lines)
    program.end()

    assert list(program.lines) == ["ready"]
