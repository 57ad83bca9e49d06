"""Rotation as docs/secrets.md tells it: nobody is refused between the first step and the last."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from services.local.stack import LocalStack
from services.provider import Call
from services.providers.stripe import STRIPE
from tests.database.events import new_conversation_id, rows
from tests.in_process import settings_of
from tests.secrecy.known import KNOWN
from tests.stack import Service, start_service
from tests.waiting import until
from tests.web.caller import SETTINGS, TAVUS, conversation_query, joined

OLD, NEW = "older-secret-of-the-rotation", "newer-secret-of-the-rotation"
Prove = Callable[[httpx.Client, str], httpx.Response]
"""Makes a call that a secret proves."""


def as_stripe(http: httpx.Client, secret: str) -> httpx.Response:
    event = {"id": f"evt_{secrets.token_hex(8)}", "object": "event", "type": "radar.closed"}
    body = json.dumps({**event, "created": int(time.time()), "data": {"object": {}}}).encode()
    call = Call(url="https://hooks.example.test/api/webhooks/stripe", body=body, headers={})
    signed = STRIPE.sign(call, settings_of(STRIPE_WEBHOOK_SECRET=secret))
    return http.post("/api/webhooks/stripe", content=body, headers=signed.headers)


def as_tavus(http: httpx.Client, secret: str) -> httpx.Response:
    return http.post(TAVUS, json=joined(new_conversation_id()), params={"t": secret})


def as_prometheus(http: httpx.Client, secret: str) -> httpx.Response:
    return http.get("/metrics", headers={"Authorization": f"Bearer {secret}"})


@dataclass(frozen=True, slots=True)
class Rotating:
    """A service whose secrets lie in files, and how each is proved to it."""

    service: Service
    folder: Path
    http: httpx.Client
    proofs: Mapping[str, Prove]

    def write(self, *told: str) -> None:
        """Put these on a line each of every file; the service reads them at its next start."""
        for name in self.proofs:
            KNOWN.note({name: ",".join(told)})
            (self.folder / name).write_text("".join(f"{secret}\n" for secret in told))

    def reload(self) -> list[psutil.Process]:
        """Have gunicorn read the settings anew and replace its processes; return the old ones.

        They answer beside the new ones until they end.
        """
        old = psutil.Process(self.service.pid).children()
        os.kill(self.service.pid, signal.SIGHUP)
        return old

    def statuses(self, secret: str) -> dict[str, int]:
        """Return what each door answers to whom this secret proves."""
        return {name: prove(self.http, secret).status_code for name, prove in self.proofs.items()}

    def all_are(self, secret: str, status: int) -> bool:
        """Return whether every door answers so."""
        return {*self.statuses(secret).values()} == {status}


@pytest.fixture(name="rotating")
def _rotating(stack: LocalStack, db: psycopg.Connection, tmp_path: Path) -> Iterator[Rotating]:
    conversation = new_conversation_id()
    made = "insert into public.conversations (conversation_name) values ('x') returning id::text"
    [row] = rows(db, made)

    def as_its_conversation(http: httpx.Client, key: str) -> httpx.Response:
        query = conversation_query(row["id"], key)
        return http.post(TAVUS, json=joined(conversation), params=query)

    proofs: dict[str, Prove] = {
        "CALLBACK_SIGNING_KEY": as_its_conversation,
        "STRIPE_WEBHOOK_SECRET": as_stripe,
        "METRICS_TOKEN": as_prometheus,
        "TAVUS_WEBHOOK_TOKEN": as_tavus,
    }
    files = {f"{name}_FILE": str(tmp_path / name) for name in proofs}
    plain = {name: text for name, text in SETTINGS.items() if name not in proofs}
    for name in proofs:
        (tmp_path / name).write_text(OLD)
    service = start_service(stack, **plain, **files)
    # A connection for each call: one that is kept would stay with a process that ends.
    fresh = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=service.url, timeout=30, limits=fresh) as http:
        yield Rotating(service, tmp_path, http, proofs)
    service.kill()


def test_secrets_in_files_are_rotated_while_everybody_calls(rotating: Rotating) -> None:
    assert rotating.all_are(OLD, 200)
    assert rotating.all_are(NEW, 401)

    rotating.write(NEW, OLD)
    old = rotating.reload()

    def new_is_taken() -> bool:
        assert rotating.all_are(OLD, 200)
        return rotating.all_are(NEW, 200) and not any(map(psutil.Process.is_running, old))

    until(new_is_taken)

    rotating.write(NEW)
    rotating.reload()

    def old_is_refused() -> bool:
        assert rotating.all_are(NEW, 200)
        return rotating.all_are(OLD, 401)

    until(old_is_refused)
    assert NEW not in rotating.service.log
    assert OLD not in rotating.service.log
