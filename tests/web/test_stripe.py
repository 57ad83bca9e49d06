"""Stripe, over HTTP and into the rows: any order and any repetition leave the same payment."""

from __future__ import annotations

import json
import random
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stripe import WebhookSignature

from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.provider import Credential
from services.providers.stripe import STRIPE
from services.sending import sample
from tests.database.events import receive, rows
from tests.providers.tavus_samples import Rows
from tests.web.caller import SETTINGS, Caller

PATH = "/api/webhooks/stripe"
SECRET, OLDER = SETTINGS["STRIPE_WEBHOOK_SECRET"].split(",")
SERVICE = WebhookEventProcessingService(lookups=Rows())
BEGAN = 1772347555
# What happens to an invoice: the type, its seconds, and what the object is by then.
STORY: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("created", 0, {"status": "draft", "total": 100}),
    ("updated", 0, {"status": "draft", "total": 4900}),
    ("finalized", 0, {"status": "open", "total": 4900}),
    ("payment_failed", 5, {"status": "open", "attempted": True, "attempt_count": 1}),
    ("updated", 60, {"status": "open", "customer_email": "grace@example.test"}),
    ("payment_succeeded", 90, {"status": "paid", "metadata": {"phone_id": "<phone>"}}),
    ("paid", 90, {"status": "paid", "period_end": 1775025900}),
)
COLUMNS = (
    "kind, phone_id, customer, customer_email, status, amount, currency, subscription, period_end,"
    " failure, account, livemode, stripe_created"
)


def new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"


def new_phone(db: psycopg.Connection) -> str:
    number = f"+1666{secrets.randbelow(10**12):012}"
    [made] = rows(
        db, "insert into public.phone_numbers (phone_number) values (%s) returning id::text", number
    )
    return str(made["id"])


def story(invoice: str, phone: str) -> list[dict[str, Any]]:
    """Return the events of an invoice's life."""
    events = []
    for name, seconds, changes in STORY:
        told = {"id": invoice, "object": "invoice", "currency": "eur", "total": 4900, **changes}
        made = {
            "id": new_id("evt"),
            "object": "event",
            "type": f"invoice.{name}",
            "created": BEGAN + seconds,
            "data": {"object": told},
        }
        events.append(json.loads(json.dumps(made).replace("<phone>", phone)))
    return events


def stored(event: dict[str, Any]) -> dict[str, Any]:
    inbound = Inbound(
        method="POST",
        path=PATH,
        query={},
        headers={},
        body=json.dumps(event).encode(),
        received_at=datetime.now(UTC),
    )
    return row_of(SERVICE.process(inbound, STRIPE, Credential()), inbound)


def payment(db: psycopg.Connection, stripe_id: str) -> dict[str, Any]:
    [found] = rows(
        db,
        f"select {COLUMNS} from public.payments where stripe_id = %s",
        stripe_id,
    )
    return found


def post(caller: Caller, event: dict[str, Any], secret: str = SECRET) -> httpx.Response:
    body = json.dumps(event)
    header = WebhookSignature.generate_signature_header(body, secret)
    return caller.send(body.encode(), path=PATH, query={}, headers={"Stripe-Signature": header})


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_signed_event_becomes_a_payment_of_its_phone(
    caller: Caller, db: psycopg.Connection, secret: str
) -> None:
    invoice, phone = new_id("in"), new_phone(db)
    event = {**story(invoice, phone)[-2], "account": "acct_1"}

    answers = [post(caller, event, secret) for _ in range(3)]

    assert [answer.json()["outcome"] for answer in answers] == ["new", "duplicate", "duplicate"]
    found = payment(db, invoice)
    assert (found["status"], found["kind"], found["account"]) == ("paid", "invoice", "acct_1")
    assert str(found["phone_id"]) == phone


def test_older_event_that_comes_later_changes_nothing(
    caller: Caller, db: psycopg.Connection
) -> None:
    invoice = new_id("in")
    events = story(invoice, new_phone(db))
    post(caller, events[-1])
    before = payment(db, invoice)

    for event in reversed(events[:-2]):
        assert post(caller, event).json()["outcome"] == "new"

    assert payment(db, invoice) == before


@pytest.mark.parametrize("kind", ["event", "v2.core.event"])
def test_event_without_a_handler_is_kept_once(
    caller: Caller, db: psycopg.Connection, kind: str
) -> None:
    event = {"id": new_id("evt"), "object": kind, "type": "v1.billing.meter.no_meter_found"}
    # Stripe counts endpoints that wait, so a repeat has another body.
    answers = [post(caller, {**event, "pending_webhooks": n}) for n in (2, 1)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["outcome"] for answer in answers] == ["new", "duplicate"]
    [kept] = rows(
        db,
        "select state from private.webhook_inbox where event_key = %s",
        f"-:id:{event['id']}",
    )
    assert kept["state"] == "ignored"


def test_authentic_but_unreadable_event_is_400_and_kept(
    caller: Caller, db: psycopg.Connection
) -> None:
    name = new_id("evt")
    answer = post(caller, {"id": name, "type": "invoice.paid", "data": {"object": 7}})

    assert answer.status_code == 400
    assert rows(
        db,
        "select 1 from private.rejected_events where encode(body, 'escape') like %s",
        f"%{name}%",
    )


def test_phone_that_is_gone_costs_no_payment(caller: Caller, db: psycopg.Connection) -> None:
    invoice = new_id("in")
    post(caller, story(invoice, str(uuid.uuid4()))[-2])

    assert payment(db, invoice)["phone_id"] is None


def test_old_signature_is_401(caller: Caller) -> None:
    body = json.dumps(sample(STRIPE, "invoice.paid"))
    now = int(datetime.now(UTC).timestamp())
    for at, status in ((now - 330, 401), (now + 330, 401), (now - 250, 200), (now + 250, 200)):
        header = WebhookSignature.generate_signature_header(body, SECRET, at)
        answer = caller.send(
            body.encode(), path=PATH, query={}, headers={"Stripe-Signature": header}
        )
        assert answer.status_code == status, at


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chance=st.randoms(use_true_random=False),
    repeats=st.integers(0, 6),
    batch_size=st.sampled_from([1, 2, 64]),
)
def test_any_order_and_any_repeats_leave_the_same_payment(
    db: psycopg.Connection, chance: random.Random, repeats: int, batch_size: int
) -> None:
    invoice, phone = new_id("in"), new_phone(db)
    events = [stored(event) for event in story(invoice, phone)]
    order = [*events, *chance.choices(events, k=repeats)]
    chance.shuffle(order)

    for start in range(0, len(order), batch_size):
        answers = receive(db, *order[start : start + batch_size])
        assert {answer["outcome"] for answer in answers} <= {"new", "duplicate"}

    found = payment(db, invoice)
    assert str(found.pop("phone_id")) == phone
    assert found == {
        "kind": "invoice",
        "customer": None,
        "customer_email": None,
        "status": "paid",
        "amount": 4900,
        "currency": "eur",
        "subscription": None,
        "period_end": datetime.fromtimestamp(1775025900, UTC),
        "failure": None,
        "account": None,
        "livemode": None,
        "stripe_created": None,
    }
