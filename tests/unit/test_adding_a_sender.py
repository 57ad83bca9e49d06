"""CONTRIBUTING says how a sender is added: here it is, in a copy of the service, from that page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.local import application, checkout
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack
from services.local.state import State
from services.local.supervisor import Supervisor
from tests.database.events import rows
from tests.stack import never
from tests.web.caller import SETTINGS

SECRETS = {"ACME_WEBHOOK_SECRET": "newer-secret,older-secret"}
PATH = "/api/webhooks/acme"
# What the copy says of its new sender: the call of its sample, and its section of docs/events.md.
PROGRAM = """
import json
from services.docs_events import _section
from services.providers import PROVIDERS
from services.sending import call_of, sample
from services.settings import load_settings
acme = PROVIDERS[-1]
call = call_of(acme, "order.paid", sample(acme, "order.paid"), load_settings())
told = {"body": call.body.decode(), "headers": dict(call.headers), "section": _section(acme)}
print(json.dumps(told))
"""


@dataclass(frozen=True, slots=True)
class Added:
    """The service with the new sender, and the call of its sample."""

    http: httpx.Client
    body: bytes
    headers: dict[str, str]
    section: str

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.http.post(PATH, content=body, headers=headers)


def blocks() -> list[str]:
    """Return the blocks of the page's section, as they would stand in files."""
    page = (checkout.ROOT / "CONTRIBUTING.md").read_text()
    section = page.partition("## Add a sender")[2].partition("\n## ")[0]
    found = re.findall(r"^   ```(?:python|json)\n(.*?)^   ```$", section, re.DOTALL | re.MULTILINE)
    return ["".join(line[3:] or "\n" for line in block.splitlines(True)) for block in found]


def copy_of_the_service(folder: Path) -> Path:
    """Return a folder with the service as it is."""
    for name in ("app.py", "gunicorn.conf.py"):
        shutil.copy(checkout.ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(checkout.ROOT / "services", folder / "services", ignore=ignored)
    return folder


def insert(path: Path, before: str, text: str) -> None:
    """Put text into a file, before something that stands there once."""
    content = path.read_text()
    assert content.count(before) == 1, before
    path.write_text(content.replace(before, text + before))


def add_acme(folder: Path) -> None:
    """Do what the page says."""
    module, setting, reading, line, sample = blocks()
    (folder / "services/providers/acme.py").write_text(module)
    insert(folder / "services/settings/settings.py", "    webhook_sources: Mapping", setting)
    insert(folder / "services/settings/settings.py", "            webhook_sources=self.", reading)
    senders = folder / "services/providers/__init__.py"
    imported, _, registered = line.strip().partition("\n\n")
    insert(senders, "from services.providers.calendly import", f"{imported}\n")
    insert(senders, ")\n\n\ndef providers(", f"{registered}\n")
    (folder / "services/samples/acme").mkdir()
    (folder / "services/samples/acme/order.paid.json").write_text(sample)


def told_by(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(name="acme", scope="module")
def _acme(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Added]:
    folder = copy_of_the_service(tmp_path_factory.mktemp("copy"))
    add_acme(folder)
    env = {**stack.env(), **SETTINGS, **SECRETS}
    told = told_by(folder, env)
    port = free_port()
    part = replace(application.service(env, port, folder), name="acme", after=())
    state = State(stack.state.folder / "acme", owner=stack.state.id)
    state.create()
    supervisor = Supervisor([part], state)
    try:
        supervisor.start(never)
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=30) as http:
            yield Added(http, told["body"].encode(), told["headers"], told["section"])
    finally:
        supervisor.stop()


def test_its_signed_sample_makes_one_row_and_one_event_of_the_stream(
    acme: Added, db: psycopg.Connection
) -> None:
    outcomes = [acme.post(acme.body, acme.headers).status_code for _ in range(2)]

    assert outcomes == [200, 200]
    [row] = rows(db, "select * from public.received_messages where source = 'acme'")
    assert (row["message_id"], row["content"]) == ("order-000000000001", "Ring twice.")
    assert row["sent_at"].isoformat() == "2026-03-01T11:42:33+00:00"
    [shown] = rows(db, "select * from public.processed_webhook_events where source = 'acme'")
    assert shown["event_type"] == "order.paid"
    assert shown["event_data"] == {"id": "order-000000000001", "at": "2026-03-01T11:42:33Z"}


def test_what_it_did_not_sign_is_401(acme: Added, db: psycopg.Connection) -> None:
    forged = acme.body.replace(b"000000000001", b"000000000002")
    unsigned = {"Content-Type": "application/json"}

    assert acme.post(forged, acme.headers).status_code == 401
    assert acme.post(forged, unsigned).status_code == 401
    assert acme.post(forged, {**unsigned, "X-Acme-Signature": "sha256="}).status_code == 401
    told = "select 1 from public.received_messages where message_id = 'order-000000000002'"
    assert rows(db, told) == []


def test_the_page_of_events_lists_it(acme: Added) -> None:
    heading, _, paths, *_, line = acme.section.splitlines()

    assert (heading, paths) == ("## Acme", f"`POST {PATH}`.")
    assert line == (
        "| `order.paid` | Write a paid order as a message of the shop. "
        "| An order's payment: it is paid once. <br>`order-000000000001:paid` "
        "| `received_messages` | `order.paid` |"
    )


def test_the_page_is_well_written(tmp_path: Path) -> None:
    """Whoever copies it starts with a file that the linter and the type checker take."""
    folder = copy_of_the_service(tmp_path)
    add_acme(folder)
    shutil.copy(checkout.ROOT / "pyproject.toml", folder)
    known = checkout.ROOT / ".mypy_cache"
    if known.exists():
        shutil.copytree(known, folder / known.name)
    for command in (
        ("ruff", "format", "--check", "services/providers/acme.py"),
        ("ruff", "check", "services/providers/acme.py"),
        ("mypy", "services/providers/acme.py"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
