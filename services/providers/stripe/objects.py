"""What the objects of Stripe tell of a row of `payments`, by the start of their events' types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services import values
from services.effects import Json

LONGEST_ID = 255
"""As long as Stripe says that an id may get: https://docs.stripe.com/upgrades"""
MOST_METADATA = 50
PHONES = (
    "metadata.phone_id",
    "subscription_details.metadata.phone_id",
    "parent.subscription_details.metadata.phone_id",
    "client_reference_id",
)

Part = dict[str, Json]
Columns = dict[str, Any]


def columns(prefix: str, told: Part) -> Columns:
    """Return what an object tells of its row; None is what it does not have."""
    return {
        "customer": _id_of(told.get("customer")),
        "currency": values.text(told.get("currency"), 3),
        "metadata": _metadata(told.get("metadata")),
        "stripe_created": values.epoch(told.get("created")),
        "customer_email": None,
        "subscription": None,
        "invoice": _id_of(told.get("invoice")),
        "payment_intent": _id_of(told.get("payment_intent")),
        "period_start": None,
        "period_end": None,
        "cancel_at": None,
        "failure": None,
        **COLUMNS[prefix](told),
    }


def summary(prefix: str, told: Part) -> Columns:
    """Return how it stands with an object, and how much it is about."""
    found = COLUMNS[prefix](told)
    currency = values.text(told.get("currency"), 3)
    return {"status": found["status"], "amount": found["amount"], "currency": currency}


def phone_id(told: Part) -> str | None:
    """Return the phone that the metadata names, its subscription's, or the buyer's reference."""
    found = (values.uuid(values.at(told, path)) for path in PHONES)
    return next((phone for phone in found if phone), None)


def _checkout(told: Part) -> Columns:
    # An open or expired one; of a complete one, how it stands with the money.
    status = values.text(told.get("status"))
    paid = values.text(told.get("payment_status")) if status in ("complete", None) else None
    return {
        "status": paid or status,
        "amount": values.whole(told.get("amount_total")),
        "customer_email": _first(told, "customer_details.email", "customer_email"),
        "subscription": _id_of(told.get("subscription")),
    }


def _invoice(told: Part) -> Columns:
    status, attempts = values.text(told.get("status")), values.whole(told.get("attempt_count"))
    error = values.text(values.at(told, "last_finalization_error.message"))
    failed = status == "open" and told.get("attempted") is True
    return {
        "status": status,
        "amount": values.whole(told.get("total")),
        "customer_email": values.text(told.get("customer_email")),
        "subscription": _id_of(
            told.get("subscription") or values.at(told, "parent.subscription_details.subscription")
        ),
        "period_start": values.epoch(told.get("period_start")),
        "period_end": values.epoch(told.get("period_end")),
        "failure": error or (f"Unpaid after attempt {attempts or 1}." if failed else None),
    }


def _subscription(told: Part) -> Columns:
    # Since 2025 each item has its own period; those of one subscription rarely differ.
    start, end = (
        values.epoch(told.get(name) or values.at(told, f"items.data.0.{name}"))
        for name in ("current_period_start", "current_period_end")
    )
    at_period_end = end if told.get("cancel_at_period_end") is True else None
    return {
        "status": values.text(told.get("status")),
        "amount": _items_amount(values.at(told, "items.data")),
        "invoice": _id_of(told.get("latest_invoice")),
        "period_start": start,
        "period_end": end,
        "cancel_at": values.epoch(told.get("cancel_at")) or at_period_end,
        "failure": values.text(values.at(told, "cancellation_details.reason")),
    }


def _payment_intent(told: Part) -> Columns:
    return {
        "status": values.text(told.get("status")),
        "amount": values.whole(told.get("amount")),
        "customer_email": values.text(told.get("receipt_email")),
        "failure": _first(
            told, "last_payment_error.message", "last_payment_error.code", "cancellation_reason"
        ),
    }


COLUMNS: dict[str, Callable[[Part], Columns]] = {
    "checkout.session": _checkout,
    "invoice": _invoice,
    "customer.subscription": _subscription,
    "payment_intent": _payment_intent,
}


def _items_amount(items: Any) -> int | None:
    parts = items if isinstance(items, list) else []
    prices = [values.whole(values.at(part, "price.unit_amount")) for part in parts]
    counts = [values.whole(values.at(part, "quantity")) for part in parts]
    known = [
        price * (1 if count is None else count)
        for price, count in zip(prices, counts, strict=True)
        if price is not None
    ]
    return values.whole(sum(known)) if known and len(known) == len(parts) else None


def _metadata(told: Any) -> Part | None:
    pairs = list(told.items())[:MOST_METADATA] if isinstance(told, dict) else []
    return {name[:40]: value[:500] for name, value in pairs if isinstance(value, str)} or None


def _id_of(told: Any) -> str | None:
    """Return the id of an object, which is told by its id, or expanded."""
    return values.text(told.get("id") if isinstance(told, dict) else told, LONGEST_ID)


def _first(told: Part, *paths: str) -> str | None:
    found = (values.text(values.at(told, path)) for path in paths)
    return next((value for value in found if value), None)
