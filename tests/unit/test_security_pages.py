"""docs/security.md and docs/secrets.md say what is: every door, secret, test and command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from services.database import Database
from services.errors import Forbidden, Unavailable
from services.limits.limits import Limit
from services.people import People, Person
from services.settings.secret_names import SECRETS
from tests.whole_app import ENVIRONMENT, ID, doors, whole_app

SECURITY = Path("docs/security.md").read_text()
SECRETS_PAGE = Path("docs/secrets.md").read_text()
METRICS = "metrics-token-of-the-tests"
APP = whole_app(METRICS_TOKEN=METRICS)
DOORS = {str(door): door for door in doors(APP)}
PROVEN_BY = {
    "anyone": 0,
    "Prometheus": 401,
    "a person": 401,
    "an admin": 401,
}
"""What each caller of the table is answered without a proof; every other one is a sender."""


def rows(page: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of a section's table."""
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def told() -> dict[str, str]:
    """Return who may open each door, by the page."""
    _, *table = rows(SECURITY, "Who may call what")
    return {
        door: who
        for who, cell, *_ in table
        for door in re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", cell)
    }


WHO = told()


def test_every_door_is_in_the_table_and_every_line_is_a_door() -> None:
    assert sorted(DOORS.keys() - WHO.keys()) == []
    assert sorted(WHO.keys() - DOORS.keys()) == []


@pytest.mark.parametrize("name", sorted(DOORS))
def test_door_is_closed_to_whom_it_is_said_to_be(name: str) -> None:
    door = DOORS[name]
    told = APP.test_client().open(door.address, method=door.method, buffered=True)

    wanted = PROVEN_BY.get(WHO[name], 401)
    assert told.status_code != 401 if not wanted else told.status_code == wanted


@pytest.fixture(name="signed_in")
def _signed_in(monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application, to which every caller is a person and no admin; no row can be had."""
    monkeypatch.setattr(People, "person", lambda *_: Person(id=UUID(ID), token="x"))
    monkeypatch.setattr(Database, "is_admin", lambda *_: False)
    monkeypatch.setattr(Limit, "spend", lambda *_: None)

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("It is away.")

    monkeypatch.setattr(Database, "call", away)
    return APP


@pytest.mark.parametrize("name", sorted(name for name in WHO if WHO[name] == "an admin"))
def test_person_is_no_admin(signed_in: Flask, name: str) -> None:
    door = DOORS[name]

    told = signed_in.test_client().open(door.address, method=door.method)

    assert told.status_code == Forbidden.status


@pytest.mark.parametrize("name", sorted(name for name in WHO if WHO[name] == "a person"))
def test_person_need_be_no_admin(
    signed_in: Flask, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("an admin is asked for")

    monkeypatch.setattr(People, "require_admin", refuse)
    door = DOORS[name]

    told = signed_in.test_client().open(door.address, method=door.method, json={})

    assert told.status_code not in (401, 403, 500)


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of a file's tests."""
    tree = ast.parse(Path(path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_every_threat_names_a_test_that_there_is() -> None:
    _, *threats = rows(SECURITY, "Threats")
    assert len(threats) >= 20
    for somebody, _, shown in threats:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", shown)
        assert named, f"nothing shows that this is held: {somebody}"
        for path, name in named:
            assert name in names_in(path), f"{path}::{name}"


def test_every_secret_has_its_row() -> None:
    _, *table = rows(SECRETS_PAGE, "What each opens")
    named = {name for cell, *_ in table for name in re.findall(r"`([A-Z_]+)`", cell)}

    assert named == {*SECRETS}
    assert all(len(cells) == 4 and all(cells) for cells in table)


def test_rotations_that_are_marked_are_run() -> None:
    _, *table = rows(SECRETS_PAGE, "What each opens")
    marked = {re.sub(r"[`✓]", "", cell).strip() for cell, *_ in table if "✓" in cell}
    rotation = Path("tests/web/test_rotation.py").read_text()
    run_elsewhere = {
        "WEBHOOK_SECRETS_KEY": (
            "tests/database/test_resealing.py",
            "test_the_older_key_may_go_once_all_is_sealed_anew",
        ),
        "an endpoint's own secret": (
            "tests/local/test_deliveries.py",
            "test_old_and_new_secret_sign_while_one_follows_the_other",
        ),
    }

    assert run_elsewhere.keys() < marked
    for path, name in run_elsewhere.values():
        assert name in names_in(path)
    assert [
        name for name in marked - run_elsewhere.keys() if f'"{name}": as_' not in rotation
    ] == []


def test_key_of_the_tests_shows_nowhere() -> None:
    """What the pages of the service tell anybody holds no secret of it."""
    client = APP.test_client()
    for door, who in WHO.items():
        if who == "anyone":
            answer = client.open(DOORS[door].address, buffered=True)
            for name in ("SUPABASE_SECRET_KEY", "TAVUS_WEBHOOK_TOKEN"):
                assert ENVIRONMENT[name] not in answer.text
            assert METRICS not in answer.text
