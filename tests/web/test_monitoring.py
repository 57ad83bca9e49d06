"""/health and /ready tell the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import psycopg
import pytest
from flask import Flask

from services.database import Database
from services.errors import Unavailable
from services.local.stack import LocalStack
from services.web import monitoring
from services.wiring.web import wire
from tests.database.events import new_conversation_id
from tests.in_process import settings_of
from tests.stack import start_service
from tests.waiting import until
from tests.web.caller import SETTINGS, TOKEN, Caller, joined


def test_health_has_the_shape_that_was_promised(caller: Caller) -> None:
    caller.send(joined(new_conversation_id()))

    health = caller.http.get("/health").json()

    assert health["status"] == "healthy"
    assert health["webhook_url"].endswith("/api/tavus/webhook")
    assert "?" not in health["webhook_url"]
    assert health["uptime"] > 0
    assert set(health["last_24h"]) == {
        "total_events",
        "successful_events",
        "failed_events",
        "tool_calls",
    }


def test_ready_commits(caller: Caller, db: psycopg.Connection) -> None:
    before = db.execute("select now()").fetchone()

    answer = caller.http.get("/ready")

    after = db.execute("select checked_at from private.readiness").fetchone()
    assert answer.status_code == 200
    assert before is not None
    assert after is not None
    assert after[0] >= before[0]


@pytest.fixture(name="cut_off")
def _cut_off(stack: LocalStack) -> Iterator[Caller]:
    """A service whose Supabase does not answer."""
    service = start_service(stack, **SETTINGS, SUPABASE_URL="http://127.0.0.1:9")
    with httpx.Client(base_url=service.url, timeout=30) as http:
        yield Caller(http)
    service.kill()


def test_service_without_supabase_says_so(cut_off: Caller) -> None:
    health = cut_off.http.get("/health")
    ready = cut_off.http.get("/ready")
    webhook = cut_off.send(joined(new_conversation_id()))
    stranger = cut_off.send(joined(new_conversation_id()), query={"t": TOKEN[1:]})

    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["last_24h"] is None
    assert ready.status_code == 503
    assert webhook.status_code == 503
    assert int(webhook.headers["Retry-After"]) > 0
    assert webhook.headers["Content-Type"] == "application/problem+json"
    assert stranger.status_code == 401


@dataclass
class Totals(Database):
    """A database that only counts, and may go away."""

    is_away: bool = False
    events: int = 1

    def totals(self) -> dict[str, int]:
        if self.is_away:
            raise Unavailable("Supabase cannot be reached.")
        names = ("total_events", "successful_events", "failed_events", "tool_calls")
        return dict.fromkeys(names, self.events)


def test_health_that_is_asked_for_all_the_time_stays_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "TOTALS_TTL", 0.2)
    database = Totals()
    app = Flask("services.web", static_folder=None)
    services = wire(settings_of())
    app.register_blueprint(monitoring.blueprint(replace(services, database=database)))

    def health() -> dict[str, Any]:
        return dict(app.test_client().get("/health").get_json())

    assert health()["last_24h"]["total_events"] == 1

    database.events = 2
    until(lambda: health()["last_24h"]["total_events"] == 2, patience=5)
    database.is_away = True
    until(lambda: health()["status"] == "degraded", patience=5)


def test_unknown_address_is_a_problem_too(caller: Caller) -> None:
    answer = caller.http.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json()["status"] == 404
