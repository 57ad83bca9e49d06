"""Requests of Twilio, as the tests make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from services.effects import Effects
from services.events import Event, WebhookEventProcessingService
from services.inbound import Inbound
from services.provider import Call, Phone
from services.providers.twilio import TWILIO
from services.settings import Settings

TOKEN = "12345"
BASE = "https://hooks.example.test"
SETTINGS = Settings(
    supabase_url="https://project.example.test",
    supabase_secret_key="service",
    supabase_publishable_key="public",
    public_base_url=BASE,
    twilio_auth_tokens=(TOKEN,),
)
CALLS = "/api/webhooks/twilio/calls"
RECORDINGS = "/api/webhooks/twilio/recordings"
TRANSCRIPTIONS = "/api/webhooks/twilio/transcriptions"
MESSAGES = "/api/webhooks/twilio/messages"

Pairs = dict[str, Any] | list[tuple[str, str]]


class Phones:
    """Look-ups of one number, or of none."""

    def __init__(self, *phones: Phone) -> None:
        self.phones = {phone.phone_number: phone for phone in phones}

    def phone(self, phone_number: str) -> Phone | None:
        return self.phones.get(phone_number)

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Any, ...]:
        return ()

    def scenario(self, conversation_id: str) -> None:
        return None


def inbound(form: Pairs | bytes, target: str = CALLS, **headers: str) -> Inbound:
    """Return a request to a path, with a query that is part of the target."""
    parts = urlsplit(target)
    return Inbound(
        method="POST",
        path=parts.path,
        query={},
        headers={name.lower().replace("_", "-"): value for name, value in headers.items()},
        body=form if isinstance(form, bytes) else urlencode(form).encode(),
        received_at=datetime(2026, 3, 1, 6, 45, 47, tzinfo=UTC),
        target=target,
    )


def signed(form: Pairs | bytes, target: str = CALLS, settings: Settings = SETTINGS) -> Inbound:
    """Return a request with the signature that our own `sign` makes."""
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    call = TWILIO.sign(Call(url=f"http://127.0.0.1:9{target}", body=body, headers={}), settings)
    return inbound(body, target, **{name.replace("-", "_"): v for name, v in call.headers.items()})


def event(form: Pairs | bytes, target: str = CALLS) -> Event:
    """Return what a request is understood as."""
    request = signed(form, target)
    credential = TWILIO.verify(request, SETTINGS)
    return WebhookEventProcessingService(lookups=Phones()).process(request, TWILIO, credential)


def told(effects: Effects) -> dict[str, Any]:
    """Return all that some effects tell of one row."""
    values: dict[str, Any] = {}
    for record in effects.records:
        values |= record.values
    return values
