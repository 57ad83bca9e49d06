"""Who follows README.md and docs/quickstart/, block by block, gets what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.local import checkout
from services.local.stack import LocalStack
from tests.command import convohooks
from tests.database.events import rows
from tests.stack import start_service
from tests.unit.test_command_line import EVERY
from tests.web.caller import SETTINGS

FOLDER = Path("docs/quickstart")
PAGES = [Path("README.md"), *sorted(FOLDER.glob("*.md"))]
HERE = "http://127.0.0.1:8000"
CLI = ".venv/bin/convohooks "
SEND = f"{CLI}send "
# What is not run here, and why. Every other command of the pages is.
ELSEWHERE = {
    "make dev": "tests/local starts its parts; here they run already",
    "make client": "tests/client builds it anew and compares",
    "npm pack ./client": "tests/client installs what is packed",
    "npm install @supabase/supabase-js": "is the reader's app; tests/client compiles the component",
    f"{CLI}tunnel": "needs a tunnel provider: see tests/local/test_tunnel.py",
    f"{CLI}objectives push": "needs Tavus: see tests/unit/test_objectives.py",
    f"{CLI}persona push": "needs Tavus: see tests/unit/test_persona.py",
    f"{CLI}calendly subscribe": "needs Calendly: see tests/unit/test_calendly_commands.py",
    "curl $URL/api/conversations": "needs Tavus: see tests/web/test_conversations_api.py",
}


def blocks(page: Path, kind: str = "") -> list[str]:
    """Return the blocks of a page that say they are of a kind, without their indentation."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        for indent, told, text in found
        if told == kind
    ]


def commands(page: Path) -> list[str]:
    """Return a page's commands: a block that sets variables is one, other blocks one a line."""
    told = [block for block in blocks(page) if re.match(r"(make|npm|curl|\.venv|[A-Z]+=)", block)]
    parted = [[block] if re.match(r"[A-Z]+=", block) else block.splitlines() for block in told]
    return [command for lines in parted for command in lines]


def declared() -> str:
    """Return the setting of the page about senders of one's own."""
    [text] = blocks(FOLDER / "sources.md", "json")
    return text.strip()


@pytest.fixture(name="url", scope="module")
def _url(stack: LocalStack) -> Iterator[str]:
    service = start_service(stack, **{**SETTINGS, "WEBHOOK_SOURCES": declared()})
    yield service.url
    service.kill()


def run(command: str, url: str, stack: LocalStack) -> list[dict[str, object]]:
    """Do what a command says; return what each call of it was answered."""
    env = {**os.environ, **stack.env(), **SETTINGS, "WEBHOOK_SOURCES": declared()}
    if command.startswith(SEND):
        words = shlex.split(command)[1:]
        done = convohooks(*words, "--to", url, "--json", env=env)
        told: list[dict[str, object]] = json.loads(done.stdout)
        return told
    asked = f"set -e\n{command.replace(HERE, url)} --silent --write-out '\\n%{{http_code}}'"
    shown = subprocess.run(
        ["sh", "-c", asked], env=env, capture_output=True, text=True, check=True
    ).stdout
    answer, _, status = shown.rpartition("\n")
    return [{"status": int(status), "answer": answer.strip()}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_work_and_its_rows_are_there(
    page: Path, url: str, stack: LocalStack, db: psycopg.Connection
) -> None:
    queries = blocks(page, "sql")
    for statement in queries:
        if statement.startswith("insert"):
            db.execute(statement.encode())

    answers = [
        answer
        for command in commands(page)
        if not command.startswith(tuple(ELSEWHERE))
        for answer in run(command.strip(), url, stack)
    ]

    assert {answer["status"] for answer in answers} <= {200}
    assert answers or page.stem == "react"
    for statement in queries:
        if statement.startswith("select"):
            assert rows(db, statement), statement


def test_answers_are_those_that_the_pages_tell(
    url: str, stack: LocalStack, db: psycopg.Connection
) -> None:
    [paid] = commands(FOLDER / "stripe.md")
    [row] = blocks(FOLDER / "stripe.md", "sql")
    [answer] = run(paid, url, stack)
    assert answer["answer"] == '{"outcome":"new","received":true}'
    assert list(rows(db, row)[0].values()) == ["invoice", "paid", 4900, "eur"]

    [ring] = commands(FOLDER / "twilio.md")
    db.execute(blocks(FOLDER / "twilio.md", "sql")[0].encode())
    [answer] = run(ring, url, stack)
    said = "<Response><Say>Hello! Please leave a message.</Say></Response>"
    assert said in (FOLDER / "twilio.md").read_text()
    assert str(answer["answer"]).endswith(said)


def test_a_source_refuses_what_it_did_not_sign(url: str, stack: LocalStack) -> None:
    [order] = commands(FOLDER / "sources.md")
    forged = order.replace("curl", "BODY='{}'\ncurl").strip()

    [answer] = run(forged, url, stack)

    assert answer["status"] == 401


@pytest.mark.parametrize("command", [name for name in ELSEWHERE if name.startswith(CLI)])
def test_commands_that_need_somebody_else_can_be_typed(command: str) -> None:
    typed = [line for page in PAGES for line in commands(page) if line.startswith(command)]
    words = tuple(command.removeprefix(CLI).split())
    options = {option for parameter in EVERY[words].params for option in parameter.opts}

    assert typed
    for line in typed:
        assert {word for word in line.split() if word.startswith("--")} <= options


def test_nothing_is_left_out_that_no_page_says() -> None:
    every = [command for page in PAGES for command in commands(page)]

    assert all(any(line.startswith(command) for line in every) for command in ELSEWHERE)


def test_pages_are_short() -> None:
    assert len((checkout.ROOT / "README.md").read_text().splitlines()) <= 150
    for page in FOLDER.glob("*.md"):
        assert len(page.read_text().splitlines()) <= 60, page
