"""What is measured, one function per kind of figure."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import httpx

from bench import callbacks, ledger
from bench.callbacks import Conversation
from bench.load import Load, press, read_load
from bench.place import Place, Server
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.local.checkout import ROOT
from services.provider import Credential, Lookups, Phone, Scenario, Video
from services.providers.tavus import TAVUS
from tests.local.phoenix import realtime

MEGABYTE = 2**20
SCREEN_PAUSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the applications, where it runs, and the tables in which it leaves events."""

    here: Place
    server: Server
    tables: tuple[str, ...]
    keep_inbox: bool = False


def events_per_second(side: Side, seconds: float) -> float:
    """Press a side for so long, count its rows, return what it acknowledged per second."""
    run = new_run()
    ledger.empty(side.here.db, keep_inbox=side.keep_inbox)
    load = press(side.server.url, side.here.requests(side.server, run), seconds)
    ledger.check(side.here.db, run, load, side.tables)
    return load.rate


def paced_latencies(side: Side, rate: float, seconds: float) -> list[float]:
    """Send at a constant rate, count the rows, return the sorted latencies in milliseconds."""
    run = new_run()
    ledger.empty(side.here.db, keep_inbox=side.keep_inbox)
    load, latencies = _paced(side, run, rate, seconds)
    ledger.check(side.here.db, run, load, side.tables)
    return latencies


def lone_latencies(side: Side, count: int) -> tuple[list[float], list[float]]:
    """Send callbacks and bare calls of `receive_events` in turn; return both in milliseconds."""
    ours, bare = [], []
    rest = {"apikey": side.here.stack.secret_key}
    with (
        httpx.Client(base_url=side.server.url, timeout=10) as service,
        httpx.Client(base_url=side.here.stack.url, headers=rest, timeout=10) as supabase,
    ):
        for number in range(count):
            where = side.here.conversations[number % len(side.here.conversations)]
            ours.append(_timed_callback(service, side.here, where, new_body(where)))
            bare.append(_timed_rpc(supabase, batch(side.here, where, new_body(where))))
    return ours, bare


def callback_latencies(sides: Sequence[Side], count: int) -> list[list[float]]:
    """Send so many lone callbacks to each side, in turns; return each side's milliseconds."""
    took: list[list[float]] = [[] for _ in sides]
    with ExitStack() as opened:
        clients = [
            opened.enter_context(httpx.Client(base_url=side.server.url, timeout=10))
            for side in sides
        ]
        for number in range(count):
            for side, service, mine in zip(sides, clients, took, strict=True):
                where = side.here.conversations[number % len(side.here.conversations)]
                mine.append(_timed_callback(service, side.here, where, new_body(where)))
    return took


def screen_latencies(side: Side, count: int) -> list[float]:
    """Return the milliseconds from sending a callback to a signed-in browser's having its row."""
    here = side.here
    where = here.conversations[0]
    token = _sign_in_as_owner(here, where)
    binding = {
        "event": "INSERT",
        "schema": "public",
        "table": "processed_webhook_events",
        "filter": f"conversation_id=eq.{where.conversation_id}",
    }
    latencies = []
    with (
        realtime(here.stack.url, here.stack.publishable_key) as screen,
        httpx.Client(base_url=side.server.url, timeout=10) as service,
    ):
        screen.subscribe("realtime:bench", binding, token=token)
        for _ in range(count):
            time.sleep(SCREEN_PAUSE)
            started = time.perf_counter()
            _timed_callback(service, here, where, new_body(where))
            screen.change()
            latencies.append(_milliseconds_since(started))
    return latencies


def resident_megabytes(server: Server) -> float:
    """Return the memory of the largest worker."""
    workers = server.workers()
    return max(float(worker.memory_info().rss) for worker in workers) / MEGABYTE


def new_run() -> str:
    """Name a load, so that its rows can be counted."""
    return f"run{secrets.token_hex(6)}"


def new_body(where: Conversation) -> bytes:
    """Return an utterance that was never sent before."""
    return callbacks.numbered(callbacks.body(where.conversation_id, new_run()), 1)


def batch(here: Place, where: Conversation, content: bytes) -> bytes:
    """Return the call of `receive_events` that the service makes of a callback."""
    target = urlsplit(where.target(here.signing_key))
    query = dict(parse_qsl(target.query))
    inbound = Inbound(
        method="POST",
        path=target.path,
        query=query,
        headers={"content-type": "application/json"},
        body=content,
        received_at=datetime.now(UTC),
    )
    credential = Credential(conversation_ref=where.row_id, secrets=(query["t"],))
    event = WebhookEventProcessingService(lookups=_NoLookups()).process(inbound, TAVUS, credential)
    return json.dumps({"batch": [row_of(event, inbound)]}).encode()


class _NoLookups(Lookups):
    """Utterances look nothing up."""

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Video, ...]:
        return ()

    def scenario(self, conversation_id: str) -> Scenario | None:
        return None

    def phone(self, phone_number: str) -> Phone | None:
        return None


def _paced(side: Side, run: str, rate: float, seconds: float) -> tuple[Load, list[float]]:
    file = side.here.requests(side.server, run)
    arguments = [side.server.url, str(file), str(seconds), str(rate)]
    done = subprocess.run(  # noqa: S603 (our own)
        [sys.executable, "-m", "bench.paced", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    latencies = done.stdout.partition("LATENCIES ")[2]
    return read_load(done.stdout), json.loads(latencies)


def _timed_callback(
    service: httpx.Client, here: Place, where: Conversation, content: bytes
) -> float:
    headers = {"Content-Type": "application/json"}
    started = time.perf_counter()
    answer = service.post(where.target(here.signing_key), content=content, headers=headers)
    took = _milliseconds_since(started)
    _require_new(answer, answer.json()["outcome"])
    return took


def _timed_rpc(supabase: httpx.Client, content: bytes) -> float:
    headers = {"Content-Type": "application/json"}
    started = time.perf_counter()
    answer = supabase.post("/rest/v1/rpc/receive_events", content=content, headers=headers)
    took = _milliseconds_since(started)
    _require_new(answer, answer.json()[0]["outcome"])
    return took


def _require_new(answer: httpx.Response, outcome: str) -> None:
    if answer.status_code != 200 or outcome != "new":
        raise ledger.MismatchError(f"{answer.url.path}: {answer.status_code}, {outcome}")


def _sign_in_as_owner(here: Place, where: Conversation) -> str:
    """Sign in an anonymous visitor whose conversation it then is; return the access token."""
    answer = httpx.post(
        f"{here.stack.url}/auth/v1/signup",
        headers={"apikey": here.stack.publishable_key},
        json={"data": {}},
    )
    session = answer.raise_for_status().json()
    here.db.execute(
        "update public.conversations set user_id = %s where id = %s",
        (session["user"]["id"], where.row_id),
    )
    return str(session["access_token"])


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
