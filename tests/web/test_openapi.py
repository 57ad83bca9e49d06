"""/openapi.json and /docs: every route is declared, and the document is one that tools can read."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate
from pydantic import BaseModel

from app import create_app
from services.providers import PROVIDERS
from services.telemetry import logs
from services.web.api.declared import declared
from services.web.errors import register
from services.web.openapi.__main__ import PAGE, generated
from services.web.openapi.document import document, routes
from services.web.openapi.parts import ERRORS, TAGS
from services.web.operation import Operation
from services.wiring.web import wire
from tests.in_process import settings_of
from tests.web.caller import SETTINGS

PAGES = {"static", "live.live", "dashboard.dashboard", "openapi.openapi", "openapi.docs"}
"""What is for browsers, or the description itself."""


@pytest.fixture(name="app", scope="module", autouse=True)
def _app() -> Iterator[Flask]:
    yield create_app(settings_of())
    logs.reset()


@pytest.fixture(name="told", scope="module")
def _told(app: Flask) -> dict[str, Any]:
    return document(app)


def operations(told: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_declared(app: Flask) -> None:
    undeclared = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not isinstance(getattr(app.view_functions[rule.endpoint], "operation", None), Operation)
    }

    assert undeclared == PAGES


def test_document_is_valid(told: dict[str, Any]) -> None:
    validate(told)

    assert told["openapi"].startswith("3.1.")
    assert told["info"]["version"] == version("convohooks")


def test_committed_document_is_the_generated_one() -> None:
    assert PAGE.read_text() == generated(), "`make openapi`, and look at what changes for callers"


def test_document_tells_nothing_of_a_deployment() -> None:
    told = document(create_app(settings_of(**SETTINGS, METRICS_TOKEN="a-token")))

    assert told == json.loads(PAGE.read_text())


def test_every_operation_says_what_it_does(told: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(told)]
    described = {tag["name"] for tag in told["tags"]}

    assert len(names) == len(set(names))
    for where, operation in operations(told):
        assert re.fullmatch(r"[A-Z].{10,120}[^.]", operation["summary"]), where
        assert {*operation["tags"]} <= described, where
    assert {*TAGS} <= described, "a tag that nothing has"


def test_every_error_is_a_problem(told: dict[str, Any]) -> None:
    for where, operation in operations(told):
        for status, answer in operation["responses"].items():
            if status >= "4":
                name = answer["$ref"].rpartition("/")[2]
                assert [*told["components"]["responses"][name]["content"]] == [
                    "application/problem+json"
                ], where
    assert len(told["components"]["responses"]) == len(ERRORS)


def test_every_sender_says_how_it_proves_itself(told: dict[str, Any]) -> None:
    for provider in PROVIDERS:
        for path in provider.paths:
            operation = told["paths"][path]["post"]
            assert operation["security"], path
            assert operation["externalDocs"]["url"].startswith("https://"), path


def test_only_what_watches_the_service_is_for_anyone(told: dict[str, Any]) -> None:
    open_to_all = {where for where, operation in operations(told) if not operation["security"]}

    assert open_to_all == {"GET /health", "GET /ready"}


def test_examples_are_what_their_models_take(app: Flask) -> None:
    checked = 0
    for route in routes(app):
        told = route.operation
        if isinstance(told.body, type):
            assert told.example is not None, told.name
            told.body.model_validate(told.example)
            checked += 1
    assert checked > 10


class Told(BaseModel):
    """What a view declares."""

    word: str


class Other(BaseModel):
    """What it has not declared."""

    word: str


def answering(told: object) -> Any:
    """Return what GET / of a view answers that declares 200 with a Told."""
    app = Flask("declaring")
    register(app)
    route = declared(wire(settings_of()), "Tests", "anyone")

    @app.get("/")
    @route(answers={200: Told, 204: None})
    def view() -> object:
        """Answer what the test wants."""
        return told

    return app.test_client().get("/")


def test_view_answers_what_it_declares() -> None:
    assert answering(Told(word="x")).json == {"word": "x"}
    assert answering((None, 204)).status_code == 204


@pytest.mark.parametrize("told", [Other(word="x"), {"word": "x"}, None, (Told(word="x"), 201)])
def test_view_cannot_answer_what_it_has_not_declared(told: object) -> None:
    answer = answering(told)

    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "told"), [("query", {"query": Told}), ("body", {"body": Told}), ("key", {})]
)
def test_view_takes_what_it_declares(name: str, told: dict[str, Any]) -> None:
    route = declared(wire(settings_of()), "Tests", "anyone")

    with pytest.raises(TypeError, match=f"view does not take its {name}"):

        @route(answers={204: None}, is_idempotent=name == "key", **told)
        def view() -> None:
            """Take nothing."""


def test_document_is_kept_until_it_changes(app: Flask) -> None:
    client = app.test_client()
    first = client.get("/openapi.json")

    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})

    assert first.json == json.loads(PAGE.read_text())
    assert first.content_type == "application/json"
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"


def test_page_names_every_operation_and_runs_nothing(app: Flask, told: dict[str, Any]) -> None:
    answer = app.test_client().get("/docs")

    assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    for where, operation in operations(told):
        assert f'id="{operation["operationId"]}"' in answer.text, where
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert Path(PAGE).name in answer.text


def test_make_openapi_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Path("services/web/openapi/__main__.py").resolve()
    committed = PAGE.read_text()
    (tmp_path / PAGE.parent).mkdir()
    monkeypatch.chdir(tmp_path)

    runpy.run_path(str(program), run_name="__main__")

    assert PAGE.read_text() == committed
