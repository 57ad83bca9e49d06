"""How often a vendor is called: its pace, its circuit breaker, and what both tell the caller."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from services.clients import tavus
from services.clients.api import ApiClient, ApiRefused
from services.clients.pace import Pace
from services.clients.tavus import TavusClient
from services.clients.twilio import twilio_client
from services.conversations.orphans import end
from services.errors import BadGateway, ConvohooksError, TooManyRequests, Unavailable
from services.outage.breaker import Breaker
from services.settings import Settings, load_settings
from tests.redis_server import redis_server

BASE = "https://acme.example.test"
SETTINGS = load_settings(
    {
        "SUPABASE_URL": "https://project.example.test",
        "SUPABASE_SECRET_KEY": "sb_secret_x",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
        "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000000",
        "TWILIO_AUTH_TOKEN": "new-token,old-token",
    }
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def acme(clock: Clock | None = None, pace: Pace | None = None) -> ApiClient:
    breaker = Breaker(5, 30.0, clock or Clock(), name="Acme")
    return ApiClient("Acme", BASE, {"X-Key": "k"}, pace=pace, breaker=breaker)


def fail(client: ApiClient, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConvohooksError):
            client.post("/a")


@responses.activate
@pytest.mark.parametrize("failure", [{"body": requests.ReadTimeout("slow")}, {"status": 500}])
def test_a_vendor_that_fails_five_times_is_left_alone(failure: dict[str, object]) -> None:
    calls = responses.post(f"{BASE}/a", **failure)
    client = acme()
    fail(client, 5)

    with pytest.raises(Unavailable, match="Acme has not answered for a while"):
        client.post("/a")

    assert calls.call_count == 5


@responses.activate
def test_it_is_called_again_after_a_while() -> None:
    failing = responses.post(f"{BASE}/a", status=503)
    clock = Clock()
    client = acme(clock)
    fail(client, 5)
    responses.remove(failing)
    responses.post(f"{BASE}/a", json={"ok": True})

    clock.now += 31

    assert client.post("/a") == {"ok": True}
    assert client.post("/a") == {"ok": True}


@responses.activate
@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429])
def test_a_refusal_is_an_answer_and_opens_no_circuit(status: int) -> None:
    calls = responses.post(f"{BASE}/a", status=status)
    client = acme()
    fail(client, 8)

    assert calls.call_count == 8


@responses.activate
def test_a_failure_keeps_the_vendors_sentence_and_status() -> None:
    responses.post(f"{BASE}/a", status=500, json={"message": "on fire"})

    with pytest.raises(ApiRefused, match="Acme refused the call \\(500\\): on fire") as refused:
        acme().post("/a")

    assert refused.value.vendor_status == 500


@responses.activate
def test_every_client_has_a_circuit_of_its_own() -> None:
    tavus = TavusClient(replace(SETTINGS, tavus_base_url="https://tavus.example.test"))
    calls = responses.post("https://tavus.example.test/conversations", status=500)
    for _ in range(9):
        with pytest.raises(ConvohooksError):
            tavus.post("/conversations")

    assert calls.call_count == 5
    responses.get(f"{BASE}/a", json=1)
    assert acme().get("/a") == 1


def test_calls_within_the_pace_do_not_wait() -> None:
    waited: list[float] = []
    pace = Pace("Acme", 3, sleep=waited.append)

    for _ in range(3):
        pace.wait()

    assert waited == []


def test_a_call_too_many_waits_for_its_turn() -> None:
    """The window moves: the turn comes a minute after the first call of it."""
    waited: list[float] = []

    class Enough(Exception):
        pass

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise Enough

    pace = Pace("Acme", 2, patience=61, sleep=sleep)
    began = time.time()
    pace.wait()
    pace.wait()

    with pytest.raises(Enough):
        pace.wait()

    assert waited == [pytest.approx(60 - (time.time() - began), abs=1)]


def test_a_turn_that_is_too_far_is_refused_at_once() -> None:
    pace = Pace("Acme", 2, patience=5, sleep=lambda seconds: pytest.fail("waited"))
    pace.wait()
    pace.wait()

    with pytest.raises(TooManyRequests, match="Acme is called as often") as refused:
        pace.wait()

    assert (refused.value.limit, refused.value.retry_after) == (2, pytest.approx(60, abs=2))


def test_processes_that_share_a_redis_share_the_pace(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        paces = [Pace("Acme", 2, redis.url, patience=0) for _ in range(3)]
        paces[0].wait()
        paces[1].wait()

        with pytest.raises(TooManyRequests):
            paces[2].wait()


def test_without_its_counters_nobody_waits() -> None:
    pace = Pace("Acme", 1, "redis://127.0.0.1:1/0", patience=0)

    pace.wait()
    pace.wait()


@responses.activate
def test_a_call_that_has_no_turn_is_not_sent() -> None:
    calls = responses.get(f"{BASE}/a", json=1)
    client = acme(pace=Pace("Acme", 1, patience=0))
    client.get("/a")

    with pytest.raises(TooManyRequests):
        client.get("/a")

    assert calls.call_count == 1


@responses.activate
def test_twilio_is_called_with_the_newest_token_and_a_timeout() -> None:
    client = twilio_client(SETTINGS, timeout=7)

    assert client.auth == ("AC00000000000000000000000000000000", "new-token")
    assert client.http_client.timeout == 7


@pytest.mark.parametrize(
    "lacking", [{"twilio_account_sid": None}, {"twilio_auth_tokens": ()}], ids=str
)
def test_twilio_without_an_account_is_said(lacking: dict[str, object]) -> None:
    settings: Settings = replace(SETTINGS, **lacking)  # type: ignore[arg-type]

    with pytest.raises(BadGateway, match="TWILIO_ACCOUNT_SID"):
        twilio_client(settings)


def test_the_service_starts_without_the_client_of_twilio() -> None:
    program = "import sys, app, services.clients.twilio; print('twilio.rest' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


@responses.activate
def test_a_list_of_tavus_that_never_ends_is_left_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tavus, "MAX_PAGES", 3)
    client = TavusClient(replace(SETTINGS, tavus_base_url="https://tavus.example.test"))

    def page(request: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps({"data": [{"page": request.params["page"]}]})

    responses.add_callback("GET", "https://tavus.example.test/conversations", callback=page)

    rows = list(client.pages("/conversations", status="active"))

    assert rows == [{"page": "1"}, {"page": "2"}, {"page": "3"}]
    assert len(responses.calls) == 3


@responses.activate
@pytest.mark.parametrize("name", ["", ".", "..", "..."])
def test_what_would_be_another_address_of_tavus_is_no_conversation_to_end(name: str) -> None:
    client = TavusClient(replace(SETTINGS, tavus_base_url="https://tavus.example.test"))

    end(client, name)

    assert len(responses.calls) == 0
