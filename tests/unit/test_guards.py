"""Every answer is guarded: each method of each route, what is refused, what is not there."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from services.web.guards import GUARDS, HSTS
from tests.whole_app import Door, doors, whole_app

APP = whole_app()
DOORS = sorted(doors(APP), key=str)
PAGES = ("/dashboard", "/live/", "/docs")
STATIC = "/static/"
DESCRIPTION = ("/docs", "/openapi.json")
# What a page may say otherwise, and a file of ours too.
OWN = {"Content-Security-Policy", "Permissions-Policy"}
KEPT = {"Cache-Control"}


@pytest.fixture(name="app", scope="module")
def _app() -> Flask:
    return APP


def answer(app: Flask, door: Door) -> TestResponse:
    return app.test_client().open(door.address, method=door.method, buffered=True)


def guarded(answer: TestResponse, but: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    """Say which guards are not as they are to be, by failing; else that all are."""
    wrong = {
        name: answer.headers.getlist(name)
        for name, wanted in GUARDS.items()
        if name not in but and answer.headers.getlist(name) != [wanted]
    }
    assert wrong == {}
    assert answer.headers.getlist("Strict-Transport-Security") == [HSTS]
    return True


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_every_door_answers_guarded(app: Flask, door: Door) -> None:
    told = answer(app, door)

    if door.address.startswith(STATIC):
        assert told.status_code == 200
        assert told.headers["Cache-Control"] == "no-cache"
        assert guarded(told, KEPT)
    elif door.address in DESCRIPTION:
        assert told.status_code == 200
        assert told.headers["Cache-Control"] == "no-cache"
        assert guarded(told, OWN | KEPT)
    elif door.address.startswith(PAGES):
        assert told.status_code == 200
        assert guarded(told, OWN)
    else:
        assert guarded(told)


@pytest.mark.parametrize("door", [d for d in DOORS if d.address.startswith(PAGES)], ids=str)
def test_page_may_do_nothing_that_is_not_said(app: Flask, door: Door) -> None:
    headers = answer(app, door).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )

    for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == "'none'"
    assert "unsafe" not in str(policy)
    assert "*" not in policy["script-src"] + policy["connect-src"]
    for feature in ("geolocation=()", "payment=()", "usb=()"):
        assert feature in headers["Permissions-Policy"]


def test_only_the_live_page_has_a_room_that_hears_and_sees(app: Flask) -> None:
    client = app.test_client()
    live = client.get("/live/x").headers["Permissions-Policy"]

    assert 'camera=(self "https://*.daily.co" "https://*.dailywebrtc.com"' in live
    assert "camera=()" in client.get("/dashboard").headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/static/none.js", 404),
        ("DELETE", "/health", 405),
        ("POST", "/api/tavus/webhook?t=wrong", 401),
        ("GET", "/api/conversations", 401),
        ("GET", "/metrics", 404),
        ("OPTIONS", "/api/me", 200),
        ("HEAD", "/api/me", 401),
        ("GET", "/ready", 503),
    ],
)
def test_what_is_refused_is_guarded_too(app: Flask, method: str, path: str, status: int) -> None:
    told = app.test_client().open(path, method=method)

    assert told.status_code == status
    assert guarded(told)


def test_defect_of_ours_is_guarded_too() -> None:
    app = whole_app()
    app.add_url_rule("/broken", view_func=lambda: 1 / 0)  # type: ignore[arg-type, return-value]

    told = app.test_client().get("/broken")

    assert told.status_code == 500
    assert guarded(told)


def test_pages_of_other_origins_still_read_the_api(app: Flask) -> None:
    """What guards from being embedded leaves CORS as it is."""
    told = app.test_client().get("/api/me", headers={"Origin": "https://app.example.test"})

    assert told.headers["Access-Control-Allow-Origin"] == "https://app.example.test"
    assert guarded(told)


def test_https_is_insisted_on_only_where_it_is() -> None:
    told = whole_app(PUBLIC_BASE_URL="http://127.0.0.1:8000").test_client().get("/api/me")

    assert "Strict-Transport-Security" not in told.headers
