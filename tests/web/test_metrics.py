"""/metrics: for who has the token, in time, whatever is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from services.local.ports import HOST, free_port
from services.local.stack import LocalStack
from tests.database.events import new_conversation_id
from tests.forwarder import Forwarder, Mode
from tests.stack import Service, start_service
from tests.unit.test_metrics import samples
from tests.web.caller import SETTINGS, Caller, joined

TOKEN = "metrics-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Start = Callable[..., tuple[Service, Caller]]


@pytest.fixture(name="supabase")
def _supabase(stack: LocalStack) -> Iterator[Forwarder]:
    """The way to Supabase, which a test can cut."""
    with Forwarder(stack.backend.gateway_port) as forwarder:
        yield forwarder


@pytest.fixture(name="start")
def _start(stack: LocalStack, supabase: Forwarder) -> Iterator[Start]:
    """Starts the service with a token for its metrics."""
    with ExitStack() as started:

        @contextmanager
        def running(**env: str) -> Iterator[tuple[Service, Caller]]:
            own = {"SUPABASE_URL": supabase.url, "METRICS_TOKEN": f"{TOKEN},older-token-for-tests"}
            service = start_service(stack, **{**SETTINGS, **own, **env})
            try:
                with httpx.Client(base_url=service.url, timeout=30) as http:
                    yield service, Caller(http)
            finally:
                service.kill()

        yield lambda **env: started.enter_context(running(**env))


def scrape(caller: Caller) -> dict[str, float]:
    answer = caller.http.get("/metrics", headers=BEARER)
    assert answer.status_code == 200, answer.text
    return samples(answer.content)


def until_open(caller: Caller) -> dict[str, float]:
    """Scrape until the circuit is open: a commit that hangs fails after the sender's answer."""
    deadline = time.monotonic() + 30
    while (told := scrape(caller))["convohooks_breaker_state{}"] != 2:
        assert time.monotonic() < deadline
    return told


def test_without_a_token_there_are_no_metrics(caller: Caller) -> None:
    assert caller.http.get("/metrics").status_code == 404
    assert caller.http.get("/metrics", headers=BEARER).status_code == 404
    assert caller.http.get("/metrics", headers={"Authorization": "Bearer"}).status_code == 404


def test_metrics_are_for_who_has_the_token(start: Start) -> None:
    _, caller = start()
    hostile = [
        b"",
        b"Bearer",
        b"Bearer " + TOKEN[:-1].encode(),
        b"Bearer " + TOKEN.encode() + b"x",
        b"Bearer " + TOKEN.upper().encode(),
        f"Bearer {TOKEN},older-token-for-tests".encode(),
        b"Basic " + TOKEN.encode(),
        TOKEN.encode(),
        b"Bearer \xff\xfe\x80",
        b"Bearer \xed\xa0\x80",
        b"\xff",
        b"Bearer " + b"x" * 7000,
    ]

    refused = [caller.http.get("/metrics", headers={b"Authorization": one}) for one in hostile]
    nameless = caller.http.get("/metrics", params={"t": TOKEN})
    welcome = caller.http.get("/metrics", headers=BEARER)
    rotated = caller.http.get("/metrics", headers={"Authorization": "bearer older-token-for-tests"})

    assert [answer.status_code for answer in refused] == [401] * len(hostile)
    assert nameless.status_code == 401
    assert {answer.headers["Content-Type"] for answer in refused} == {"application/problem+json"}
    assert refused[0].headers["WWW-Authenticate"] == "Bearer"
    assert (welcome.status_code, rotated.status_code) == (200, 200)
    assert welcome.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_inbox_and_commits_are_told(start: Start, db: psycopg.Connection) -> None:
    _, caller = start()
    before = scrape(caller)

    caller.send(joined(new_conversation_id()))

    after = scrape(caller)
    assert after["convohooks_database_up{}"] == 1
    assert after["convohooks_breaker_state{}"] == 0
    assert after["convohooks_commit_batch_events_sum{}"] == 1
    waiting = "convohooks_inbox_events{state=unmatched}"
    assert after[waiting] == before[waiting] + 1
    dead = db.execute("select count(*) from private.webhook_inbox where state = 'dead'").fetchone()
    assert dead == (after["convohooks_dead_letters{}"],)


def test_calls_are_told_by_how_they_ended(start: Start) -> None:
    _, caller = start(AUTH_FAILURES_PER_MINUTE="1")
    event = joined(new_conversation_id())

    caller.send(event)
    caller.send(event)
    caller.send({"event_type": "conversation.utterance"})
    for _ in range(2):
        caller.send(event, query={"t": "x"})

    told = scrape(caller)
    assert told["convohooks_events_received_total{outcome=new,source=tavus}"] == 1
    assert told["convohooks_events_received_total{outcome=duplicate,source=tavus}"] == 1
    assert told["convohooks_events_refused_total{source=tavus,status=400}"] == 1
    assert told["convohooks_events_refused_total{source=tavus,status=401}"] == 1
    assert told["convohooks_events_refused_total{source=tavus,status=429}"] == 1
    assert told["convohooks_signature_failures_total{source=tavus}"] == 2
    assert told["convohooks_request_seconds_count{source=tavus}"] == 5


@pytest.mark.parametrize("outage", ["reset", "hang"])
def test_outage_neither_hangs_nor_fails_a_scrape(
    start: Start, supabase: Forwarder, stack: LocalStack, outage: Mode
) -> None:
    spool = stack.state.folder / f"spool-{new_conversation_id()}.db"
    _, caller = start(BREAKER_FAILURES="1", SPOOL_PATH=str(spool))
    supabase.mode = outage

    started = time.monotonic()
    closed = scrape(caller)
    waited = time.monotonic() - started
    caller.send(joined(new_conversation_id()))
    opened = until_open(caller)
    started = time.monotonic()
    scrape(caller)
    at_once = time.monotonic() - started

    assert closed["convohooks_database_up{}"] == 0
    assert closed["convohooks_breaker_state{}"] == 0
    assert "convohooks_dead_letters{}" not in closed
    assert waited < 3
    assert opened["convohooks_breaker_state{}"] == 2
    assert opened["convohooks_spool_events{}"] == 1
    assert opened["convohooks_spool_unsendable{}"] == 0
    assert opened["convohooks_spool_bytes{}"] > 0
    assert at_once < 1


def test_processes_tell_their_sum(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"of an earlier start")
    (folder / "spool.db").write_bytes(b"")
    service, caller = start(WEB_CONCURRENCY="2", PROMETHEUS_MULTIPROC_DIR=str(folder))

    for _ in range(20):
        # Without keep-alive any of the processes may get it.
        caller.send(joined(new_conversation_id()), headers={"Connection": "close"})

    told = {scrape(caller)["convohooks_commit_batch_events_sum{}"] for _ in range(6)}
    assert told == {20}
    assert not (folder / "counter_1.db").exists()
    assert (folder / "spool.db").exists()
    service.stop()
    assert not list(folder.glob("gauge_live*"))


def test_folder_that_is_set_to_nothing_is_none(start: Start) -> None:
    before = set(Path().glob("*.db"))

    _, caller = start(PROMETHEUS_MULTIPROC_DIR="")
    caller.send(joined(new_conversation_id()))

    assert scrape(caller)["convohooks_commit_batch_events_sum{}"] == 1
    assert set(Path().glob("*.db")) == before


def test_port_of_its_own_wants_no_token_and_serves_nothing_else(start: Start) -> None:
    port = free_port()
    _, caller = start(METRICS_PORT=str(port))
    claims = {
        "Host": f"{HOST}:{port}",
        "X-Forwarded-Port": str(port),
        "X-Forwarded-For": HOST,
        "X-Forwarded-Host": f"{HOST}:{port}",
        "Forwarded": f"for={HOST};host={HOST}:{port}",
    }

    with httpx.Client(base_url=f"http://{HOST}:{port}") as here:
        told = here.get("/metrics")
        others = [here.get(path) for path in ("/health", "/ready", "/", "/metrics/x", "/live/x")]
        sent = here.post("/api/tavus/webhook", content=b"{}")
    elsewhere = caller.http.get("/metrics", headers=claims)

    assert told.status_code == 200
    assert samples(told.content)["convohooks_database_up{}"] == 1
    assert {answer.status_code for answer in [*others, sent]} == {404}
    assert elsewhere.status_code == 401
    assert caller.http.get("/health").status_code == 200


def test_port_of_its_own_opens_no_other_door(start: Start) -> None:
    port = free_port()
    _, caller = start(METRICS_PORT=str(port), METRICS_TOKEN="")

    with httpx.Client(base_url=f"http://{HOST}:{port}") as here:
        assert here.get("/metrics").status_code == 200
    claim = {"Host": f"{HOST}:{port}"}
    assert caller.http.get("/metrics", headers=claim).status_code == 404
    assert caller.http.get("/metrics", headers={**BEARER, **claim}).status_code == 404


def test_latency_is_counted_where_effects_are_committed(start: Start) -> None:
    _, caller = start()
    event = joined(new_conversation_id())

    caller.send(event)
    caller.send(event)

    assert scrape(caller)["convohooks_event_latency_seconds_count{source=tavus}"] == 1


def test_processes_that_report_are_told_of(start: Start) -> None:
    _, caller = start()

    deadline = time.monotonic() + 15
    while not (found := [n for n in scrape(caller) if "process_reported_seconds" in n]):
        assert time.monotonic() < deadline

    assert "kind=web" in found[0]
