"""The receivers of examples/receivers/, each run as its page says, on a port of its own."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.local import checkout, processes, toolchain
from services.local.parts import Part, answers
from services.local.ports import HOST, free_port
from services.local.state import State, wait_for
from services.local.supervisor import Supervisor
from tests.stack import never

PATIENCE = 15.0
EXAMPLES = checkout.ROOT / "examples" / "receivers"
EXPRESS = EXAMPLES / "express"
PREPARED = checkout.STATE / "receivers"
GUNICORN = ("gunicorn", "--no-control-socket")
COMMANDS = {
    "flask": (*GUNICORN, "--bind", f"{HOST}:{{port}}", "flask_app:app"),
    "fastapi": ("uvicorn", "--port", "{port}", "fastapi_app:app"),
    "django": (*GUNICORN, "--bind", f"{HOST}:{{port}}", "django_app:application"),
}
NOT_KEPT = httpx.Limits(max_keepalive_connections=0)
NAMES = (*COMMANDS, "express")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A running example."""

    url: str
    log: Path
    http: httpx.Client

    def post(self, headers: Mapping[str, str], body: bytes) -> int:
        """Send it a call, whatever bytes the headers hold, and return the status."""
        raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        return self.http.post(self.url, headers=raw, content=body).status_code

    def handled(self) -> list[str]:
        """Return the ids of the webhooks that it handled, in their order."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [line[1] for line in lines if line[:1] == ["handled"]]


@contextmanager
def running(name: str, folder: Path, secret: str) -> Iterator[Receiver]:
    """Run an example that knows this secret; what it writes goes below the folder."""
    port = free_port()
    state = State(folder)
    state.create()
    url = f"http://{HOST}:{port}/webhook"
    env = {"WEBHOOK_SECRET": secret, "INBOX": str(folder / "inbox.db"), "PORT": str(port)}
    command, cwd = _command(name, port)
    part = Part(name=name, command=command, cwd=cwd, env=env, ready=answers(url))
    supervisor = Supervisor([part], state)
    try:
        supervisor.start(never)
        with httpx.Client(trust_env=False, limits=NOT_KEPT) as http:
            yield Receiver(url=url, log=state.log(name), http=http)
    finally:
        supervisor.stop()


def wait_until_handled(receiver: Receiver, webhook_id: str) -> None:
    """Return when the webhook has been handled."""
    deadline = time.monotonic() + PATIENCE
    while webhook_id not in receiver.handled():
        assert time.monotonic() < deadline, receiver.log.read_text()
        time.sleep(0.01)


def _command(name: str, port: int) -> tuple[tuple[str, ...], Path]:
    if name == "express":
        return (str(toolchain.node()), "app.js"), prepare_express()
    given = (word.format(port=port) for word in COMMANDS[name])
    return (sys.executable, "-m", *given), EXAMPLES


def prepare_express() -> Path:
    """Return a folder with the Express example and its packages, installed once for each lock."""
    lock = (EXPRESS / "package-lock.json").read_bytes()
    folder = PREPARED / hashlib.sha256(lock).hexdigest()[:16]
    stamp = folder / "node_modules" / ".installed"
    with wait_for(checkout.STATE / "receivers.lock", never):
        shutil.copytree(
            EXPRESS, folder, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True
        )
        if not stamp.exists():
            processes.run(_npm_ci(folder))
            stamp.touch()
    return folder


def _npm_ci(folder: Path) -> Part:
    return Part(
        name="npm", command=toolchain.npm_ci(), cwd=folder, env=toolchain.node_environ(), once=True
    )
