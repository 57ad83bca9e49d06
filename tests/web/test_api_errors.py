"""Every error is problem details, wherever it comes from; other origins get nothing by default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import MAX_BODY, create_app
from services.errors import SettingsError
from services.telemetry import logs
from services.web.openapi.__main__ import PAGE
from tests.in_process import settings_of

ORIGIN = "https://app.example.test"
ID = "6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17"
ROUTES = [
    (path, method.upper(), operation)
    for path, methods in json.loads(PAGE.read_text())["paths"].items()
    for method, operation in methods.items()
]
METHODS = {"GET", "PUT", "POST", "PATCH", "DELETE"}


@pytest.fixture(name="app", scope="module")
def _app() -> Iterator[Flask]:
    yield create_app(settings_of())
    logs.reset()


@pytest.fixture(name="client")
def _client(app: Flask) -> FlaskClient:
    return app.test_client()


def address(path: str) -> str:
    """Return an address that a path's template stands for."""
    for name in ("endpoint_id", "delivery_id", "event_id", "message_id"):
        path = path.replace(f"{{{name}}}", ID)
    return path.replace("{conversation_id}", ID).replace("{name}", "x").replace("{source}", "x")


def problem(answer: TestResponse) -> dict[str, Any]:
    """Return the problem that an answer is."""
    assert answer.content_type == "application/problem+json", answer.text
    told: dict[str, Any] = answer.get_json(force=True)
    assert told["status"] == answer.status_code
    assert told["request_id"] == answer.headers["X-Request-ID"]
    assert {"type", "title", "detail"} <= told.keys()
    return told


@pytest.mark.parametrize(
    "origins",
    [
        *("https://*", "https://*.example.test", "http://[::1]:3000", "https://", "null", "*"),
        *("https://a.test/", "https://a.test?", "https://u@a.test", "https://a.test$", "file://a"),
    ],
)
def test_origin_is_never_a_pattern(origins: str) -> None:
    with pytest.raises(SettingsError, match=r"CORS_ORIGINS names .* no origin"):
        settings_of(CORS_ORIGINS=f"{ORIGIN},{origins}")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/static/convohooks.js"])
def test_condition_that_does_not_hold_is_a_problem(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"If-Match": '"another"'})

    assert answer.status_code == 412
    assert problem(answer)["title"] == "Precondition Failed"


@pytest.mark.parametrize("path", ["/", "/api", "/api/nothing", "/api/webhooks", "/%00", "/..%2f"])
@pytest.mark.parametrize("method", ["GET", "POST", "TRACE"])
def test_unknown_path_is_a_problem(client: FlaskClient, method: str, path: str) -> None:
    answer = client.open(path, method=method)

    assert answer.status_code == 404
    problem(answer)


def test_wrong_method_is_a_problem_that_names_the_right_ones(client: FlaskClient) -> None:
    by_path: dict[str, set[str]] = {}
    for path, method, _ in ROUTES:
        by_path.setdefault(path, set()).add(method)
    del by_path["/api/webhooks/{source}"]

    for path, methods in by_path.items():
        for method in [*sorted(METHODS - methods), "TRACE"]:
            answer = client.open(address(path), method=method)
            assert answer.status_code == 405, (method, path)
            problem(answer)
            assert {one.strip() for one in answer.headers["Allow"].split(",")} >= methods


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, method, told in ROUTES if told["security"]]
)
def test_who_proves_nothing_is_refused_by_a_problem(
    client: FlaskClient, path: str, method: str
) -> None:
    answer = client.open(address(path), method=method)

    # A source that is not declared is not there, nor are metrics that nobody may read.
    is_hidden = path in ("/metrics", "/api/webhooks/{source}")
    assert answer.status_code == (404 if is_hidden else 401)
    problem(answer)
    assert ("WWW-Authenticate" in answer.headers) is not is_hidden


@pytest.mark.parametrize("path", ["/api/tavus/webhook", "/api/webhooks/stripe", "/api/tavus/tools"])
def test_body_that_is_too_large_is_a_problem(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data=b"x" * (MAX_BODY + 1))

    assert answer.status_code == 413
    problem(answer)


def test_other_origins_get_nothing_unless_the_settings_name_them(client: FlaskClient) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for path, method, _ in ROUTES:
        for answer in (
            client.options(address(path), headers=asked),
            client.open(address(path), method=method, headers={"Origin": ORIGIN}),
        ):
            assert "Access-Control" not in str(answer.headers), path


@pytest.mark.usefixtures("app")
def test_origin_that_is_named_may_ask_the_api_alone() -> None:
    client = create_app(settings_of(CORS_ORIGINS=ORIGIN)).test_client()
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}

    for path, _, told in ROUTES:
        answer = client.options(address(path), headers=asked)
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        is_for_people = {*told["security"][0]} <= {"person", "admin"} if told["security"] else False
        assert allowed == (ORIGIN if is_for_people else None), path
        assert "Access-Control-Allow-Credentials" not in answer.headers
        if is_for_people:
            assert answer.headers["Access-Control-Max-Age"] == "600"
    refused = client.options("/api/me", headers={**asked, "Origin": "https://evil.example.test"})
    assert "Access-Control-Allow-Origin" not in refused.headers


@pytest.mark.parametrize("path", ["/health?proof=a&proof=b", "/health?proof=a&proof=a"])
def test_name_that_is_there_twice_is_refused(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 400
    assert "proof: is there 2 times." in problem(answer)["detail"]
