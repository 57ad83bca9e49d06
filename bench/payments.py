"""Stripe's events: 2.5 KB each, signed just before they are sent, for a signature grows old."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import callbacks, ledger
from bench.load import press
from bench.measures import Side, new_run
from bench.place import Server
from services.local.ports import HOST
from services.provider import Call
from services.providers.stripe import STRIPE
from services.settings import Settings, load_settings

BODY_BYTES = 2560
MOST_PER_SECOND = 5000
"""Events made for each second; were more sent, they would repeat and fail the count."""
TABLES = ("stripe inbox", "payments", "stream")


def payments_per_second(side: Side, seconds: float) -> float:
    """Press a side with Stripe's events, count the rows, return what it acknowledged per second."""
    run = new_run()
    ledger.empty(side.here.db, keep_inbox=False)
    requests = _requests(side, run, round(seconds * MOST_PER_SECOND))
    try:
        load = press(side.server.url, requests, seconds)
    finally:
        requests.unlink()
    ledger.check(side.here.db, run, load, TABLES)
    return load.rate


def body(run: str, number: int) -> bytes:
    """Return the event that an invoice was paid."""
    name = f"{run}_{number:x}"
    invoice: dict[str, Any] = {
        "id": f"in_{name}",
        "object": "invoice",
        "amount_due": 4900,
        "amount_paid": 4900,
        "attempt_count": 1,
        "attempted": True,
        "created": 1772347555,
        "currency": "eur",
        "customer": f"cus_{name}",
        "customer_email": "ada@example.test",
        "lines": {"object": "list", "data": []},
        "metadata": {"plan": "receptionist"},
        "parent": {"subscription_details": {"metadata": {}, "subscription": f"sub_{name}"}},
        "period_end": 1775025955,
        "period_start": 1772347555,
        "status": "paid",
        "total": 4900,
    }
    event = {
        "id": f"evt_{name}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1772347555 + number,
        "data": {"object": invoice},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "invoice.paid",
    }
    line = {"id": f"il_{name}", "object": "line_item", "amount": 4900, "currency": "eur"}
    while len(json.dumps(event)) < BODY_BYTES:
        invoice["lines"]["data"].append(line)
    return json.dumps(event).encode()


def _requests(side: Side, run: str, count: int) -> Path:
    """Write the signed requests of one load to a file and return it."""
    file = side.here.stack.state.folder / f"{run}.requests"
    settings = load_settings(
        {**side.here.stack.env(), "STRIPE_WEBHOOK_SECRET": side.here.signing_key}
    )
    made = [_request(body(run, number), side.server, settings) for number in range(count)]
    callbacks.write_requests(file, made)
    return file


def _request(content: bytes, server: Server, settings: Settings) -> bytes:
    [path] = STRIPE.paths
    headers = {
        "Host": f"{HOST}:{server.port}",
        "Content-Type": STRIPE.content_type,
        "Content-Length": str(len(content)),
    }
    call = STRIPE.sign(Call(url=path, body=content, headers=headers), settings)
    lines = "".join(f"{name}: {value}\r\n" for name, value in call.headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content
