"""A sender declared in the settings: Standard Webhooks, an HMAC of the body, or a bearer token.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets as random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from standardwebhooks import Webhook

from services import security
from services.effects import Effects, Json, record
from services.errors import Malformed, Unauthorized
from services.inbound import Inbound
from services.provider import Call, Credential, EventType, Lookups, Provider, Reading
from services.settings.sources import Source
from services.values import at, iso, text, whole

UNKNOWN = "unknown"
TOLERANCE = timedelta(minutes=5)
TIMESTAMP = re.compile(r"[0-9]{1,10}")
LONGEST = 255
MAX_ID = 100_000
SHOWN_BYTES = 8_000
"""A larger body is shown to browsers by its scalar fields only."""

MESSAGE_FIELDS = ("content", "filename", "created_by", "updated_by")
# Seed 3's values; others are no message.
ENUMS = {
    "content_type": ("TEXT", "IMAGE", "VIDEO", "DOCUMENT", "AUDIO"),
    "type": ("USER_INPUT", "SYSTEM", "BOT"),
    "channel": ("API", "WHATSAPP", "SMS"),
    "status": ("RECEIVED", "PROCESSED", "FAILED"),
}


class Anything(BaseModel):
    """A body of a source, as it is."""

    model_config = ConfigDict(extra="allow", frozen=True)


class EveryType(Mapping[str, EventType]):
    """An events table with one entry, for whatever type a source names."""

    def __init__(self, entry: EventType) -> None:
        """Take the entry."""
        self._entry = entry

    def __getitem__(self, event_type: str) -> EventType:
        """Return the entry."""
        return self._entry

    def __iter__(self) -> Iterator[str]:
        """No type is known by name."""
        return iter(())

    def __len__(self) -> int:
        """No type is known by name."""
        return 0


def source_provider(name: str, source: Source) -> Provider:
    """Return the provider of a declared source; without a secret it refuses every call."""
    own_path = "conversation_id" if source.payload == "message" else None

    def read(inbound: Inbound, payload: dict[str, Json]) -> Reading:
        told = text(_found(payload, source.event_type), LONGEST)
        conversation = _name(_found(payload, source.conversation_id or own_path))
        return Reading(
            event_type=told or UNKNOWN,
            conversation_id=conversation,
            payload=payload,
            name=_name(_found(payload, source.key)) or _message_id(inbound, source),
        )

    def key(event: Anything, body_sha256: str) -> str:
        return f"body:{body_sha256}"

    def handle(event: Anything, lookups: Lookups) -> Effects:
        message = _message(event.model_dump()) if source.payload == "message" else None
        if message is None:
            return Effects()
        changed = message["changed_at"]
        identity = {"source": name, "message_id": message.pop("message_id")}
        # Of one moment the later status.
        progress = (None, *ENUMS["status"]).index(message["status"]) / 1000
        rank = (changed.timestamp() if changed else 0.0) + progress
        return Effects(records=(record("received_messages", rank, key=identity, **message),))

    return Provider(
        name=name,
        paths=(f"/api/webhooks/{name}",),
        verify=lambda inbound, settings: _verify(source, inbound),
        sign=lambda call, settings: _sign(source, call),
        read=read,
        project=_project,
        identifiers=frozenset({"id"}),
        samples=f"source-{source.payload}",
        events=EveryType(EventType(model=Anything, handler=handle, key=key)),
        retries=source.retries,
    )


def _verify(source: Source, inbound: Inbound) -> Credential:
    if any(_proves(source, secret, inbound) for secret in source.secret):
        return Credential()
    raise Unauthorized("The call carries no valid signature or token.")


def _proves(source: Source, secret: str, inbound: Inbound) -> bool:
    if source.scheme == "standard-webhooks":
        return _is_standard(secret, inbound)
    presented = inbound.headers.get(_header(source).lower(), "")
    if source.scheme == "bearer":
        scheme, _, token = presented.partition(" ")
        token = token if scheme.lower() == "bearer" else presented
        return security.equals_any(token.strip(), [secret])
    if not presented.startswith(source.prefix):
        return False
    signature = presented[len(source.prefix) :].strip()
    signature = signature.lower() if source.encoding == "hex" else signature
    return security.equals_any(signature, [_hmac(source, secret, inbound.body)])


def _is_standard(secret: str, inbound: Inbound) -> bool:
    # Not by the library's `verify`: hostile headers make it raise more than it says, and it asks
    # the clock instead of the time at which the call came in.
    told = [inbound.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")]
    if not all(told) or not TIMESTAMP.fullmatch(told[1]):
        return False
    at = datetime.fromtimestamp(int(told[1]), UTC)
    if abs(inbound.received_at - at) > TOLERANCE:
        return False
    try:
        expected = Webhook(secret).sign(told[0], at, inbound.body.decode())
    except UnicodeError:
        return False
    presented = told[2].split(" ")
    return any([security.equal(signature, expected) for signature in presented])


def _hmac(source: Source, secret: str, body: bytes) -> str:
    algorithm = hashlib.sha1 if source.scheme == "hmac-sha1" else hashlib.sha256
    digest = hmac.new(secret.encode(), body, algorithm)
    if source.encoding == "hex":
        return digest.hexdigest()
    return base64.b64encode(digest.digest()).decode()


def _header(source: Source) -> str:
    # A bearer token comes where HTTP has it, unless the settings name a header.
    is_named = "header" in source.model_fields_set
    return "Authorization" if source.scheme == "bearer" and not is_named else source.header


def _sign(source: Source, call: Call) -> Call:
    if not source.secret:
        return call
    return replace(call, headers={**call.headers, **_proof(source, source.secret[0], call.body)})


def _proof(source: Source, secret: str, body: bytes) -> dict[str, str]:
    if source.scheme == "bearer":
        scheme = "Bearer " if _header(source) == "Authorization" else ""
        return {_header(source): scheme + secret}
    if source.scheme != "standard-webhooks":
        return {source.header: source.prefix + _hmac(source, secret, body)}
    name, now = f"msg_{random.token_hex(12)}", datetime.now(UTC)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(name, now, body.decode()),
    }


def _message_id(inbound: Inbound, source: Source) -> str | None:
    # It is signed, and the same over all attempts.
    is_standard = source.scheme == "standard-webhooks"
    return _name(inbound.headers.get("webhook-id")) if is_standard else None


def _project(reading: Reading) -> dict[str, Json]:
    shown = reading.payload
    if len(json.dumps(shown)) > SHOWN_BYTES:
        scalars = (str, int, float, bool)
        return {
            name: value[:LONGEST] if isinstance(value, str) else value
            for name, value in list(shown.items())[:32]
            if isinstance(value, scalars)
        }
    return shown


def _message(payload: dict[str, Json]) -> dict[str, Any] | None:
    """Return the row of a message in seed 3's shape, or None for what is none."""
    data = payload.get("data")
    if not isinstance(data, dict) or _name(data.get("id")) is None:
        return None
    for name, allowed in ENUMS.items():
        if data.get(name) is not None and data[name] not in allowed:
            found = repr(data[name])[:50]
            raise Malformed(f"data.{name}: found {found}, wanted one of {', '.join(allowed)}.")
    texts = {name: data.get(name) for name in (*MESSAGE_FIELDS, *ENUMS)}
    metadata = data.get("metadata")
    return {
        "message_id": _name(data.get("id")),
        "conversation_id": _name(payload.get("conversation_id")),
        **{name: value if isinstance(value, str) else None for name, value in texts.items()},
        "metadata": metadata if isinstance(metadata, dict) else None,
        "sent_at": iso(data.get("created_at")),
        "changed_at": iso(data.get("updated_at")) or iso(payload.get("timestamp")),
    }


def _found(payload: dict[str, Json], path: str | None) -> Json:
    return at(payload, path) if path else None


def _name(value: object) -> str | None:
    """Return an id: a text, or a whole number as text; of a very long one its hash."""
    number = whole(value)
    told = text(value, MAX_ID) if number is None else str(number)
    if told is None or len(told) <= LONGEST:
        return told
    return f"sha256:{security.sha256_hex(told.encode())}"
