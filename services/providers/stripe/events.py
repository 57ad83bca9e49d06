"""The events of Stripe: each holds its whole object as it was then, so the newest is its row."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services import values
from services.effects import Effects, Record, to_json
from services.errors import Malformed
from services.inbound import Inbound
from services.provider import EventType, Lookups, Reading
from services.providers.stripe.objects import LONGEST_ID, Part, columns, phone_id, summary

Id = Annotated[str, BeforeValidator(values.text), Field(min_length=1, max_length=LONGEST_ID)]

# In the order in which they win within one second, which is as fine as `created` is.
TYPES = {
    "checkout.session": ("completed", "async_payment_failed", "async_payment_succeeded", "expired"),
    "invoice": (
        "created", "updated", "finalization_failed", "finalized", "sent", "will_be_due", "overdue",
        "payment_action_required", "payment_failed", "payment_succeeded", "paid", "overpaid",
        "marked_uncollectible", "voided", "deleted",
    ),
    "customer.subscription": (
        "created", "trial_will_end", "updated", "pending_update_applied", "pending_update_expired",
        "paused", "resumed", "deleted",
    ),
    "payment_intent": (
        "created", "requires_action", "partially_funded", "processing",
        "amount_capturable_updated", "payment_failed", "succeeded", "canceled",
    ),
}  # fmt: skip
# Likewise, where one type comes twice within one second; other statuses come before all of these.
STATUSES = {
    "checkout.session": ("open", "unpaid", "no_payment_required", "paid", "expired"),
    "invoice": ("draft", "open", "paid", "uncollectible", "void"),
    "customer.subscription": (
        "incomplete", "trialing", "paused", "active", "past_due", "unpaid", "incomplete_expired",
        "canceled",
    ),
    "payment_intent": (
        "requires_payment_method", "requires_confirmation", "requires_action", "processing",
        "requires_capture", "succeeded", "canceled",
    ),
}  # fmt: skip


KINDS = {
    "checkout.session": "checkout",
    "invoice": "invoice",
    "customer.subscription": "subscription",
    "payment_intent": "payment_intent",
}
# What only the type of an event says.
OUTCOMES = {
    "invoice.deleted": {"status": "deleted"},
    "checkout.session.async_payment_failed": {"failure": "The payment failed."},
}


class Snapshot(BaseModel):
    """An object of Stripe, as it was when the event happened."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Id = Field(description="the id of the object")


class Data(BaseModel):
    """What an event is about."""

    model_config = ConfigDict(frozen=True)

    object: Snapshot


class StripeEvent(BaseModel):
    """An event of Stripe."""

    model_config = ConfigDict(frozen=True)

    id: Id = Field(description="the id of the event")
    type: str
    created: Any = None
    account: Any = None
    livemode: Any = None
    data: Data


def read(inbound: Inbound, payload: Part) -> Reading:
    """Return an event's type; one that we do nothing with (thin ones too) keeps its id as name."""
    event_type = values.text(payload.get("type"))
    if event_type is None:
        raise Malformed("Field 'type': found nothing, wanted a text.")
    name = None if event_type in EVENTS else values.text(payload.get("id"), LONGEST_ID)
    return Reading(event_type=event_type, conversation_id=None, payload=payload, name=name)


def project(reading: Reading) -> Part:
    """Return what happened to which object: no names, addresses or metadata of a customer."""
    payload = reading.payload
    told = values.at(payload, "data.object")
    return {
        "id": values.text(payload.get("id")),
        "account": values.text(payload.get("account")),
        "livemode": values.flag(payload.get("livemode")),
        "created": values.whole(payload.get("created")),
        "object_id": values.text(told.get("id")),
        **summary(_prefix(reading.event_type), told),
    }


def store(event: StripeEvent, lookups: Lookups) -> Effects:
    """Return the row of the event's object, as the event tells it, down to what it has not."""
    prefix, snapshot = _prefix(event.type), event.data.object.model_extra or {}
    told = columns(prefix, snapshot) | {
        "kind": KINDS[prefix],
        **OUTCOMES.get(event.type, {}),
        "account": values.text(event.account, LONGEST_ID),
        "livemode": values.flag(event.livemode),
    }
    phone = phone_id(snapshot)
    if phone:  # an object that names none may have had one
        told["phone_id"] = phone
    payment = Record(
        table="payments",
        key={"stripe_id": event.data.object.id},
        values={name: to_json(value) for name, value in told.items()},
        rank=_rank(event, prefix, told["status"]),
    )
    return Effects(records=(payment,))


def event_key(event: StripeEvent, body_sha256: str) -> str:
    """Return the event's id, after its object's: so that batches lock rows in one order."""
    return f"{event.data.object.id}:{event.id}"


def _rank(event: StripeEvent, prefix: str, status: str | None) -> float:
    """Return when it happened, to the second, and within the second by type and status."""
    at = values.epoch(event.created)
    by_type = TYPES[prefix].index(event.type[len(prefix) + 1 :])
    by_status = STATUSES[prefix].index(status) + 1 if status in STATUSES[prefix] else 0
    return (at.timestamp() if at else 0) + (by_type * 10 + by_status) / 1000


def _prefix(event_type: str) -> str:
    return event_type.rpartition(".")[0]


EVENTS = {
    f"{prefix}.{name}": EventType(model=StripeEvent, handler=store, key=event_key)
    for prefix, names in TYPES.items()
    for name in names
}
