"""From a body to an event: what it is, which fact it names, what it does."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError

from services import redaction, security, validation
from services.effects import NOTHING, Effects, Projection
from services.errors import ConvohooksError, Malformed, Unavailable
from services.inbound import Inbound
from services.provider import Credential, EventType, Lookups, Provider, Reading
from services.shown_events import SHOWN_BY_DEFAULT, ShownEvents

MAX_KEY = 400
MAX_ERROR = 4000
MAX_EVENT_TYPE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One call of a sender, understood: what `receive_events` stores and applies."""

    source: str
    event_key: str
    event_type: str
    conversation_id: str | None
    conversation_ref: UUID | None
    body: bytes
    body_sha256: str
    headers: Mapping[str, str]
    state: Literal["received", "processed", "ignored", "failed"]
    effects: Effects = NOTHING
    projections: tuple[Projection, ...] = ()
    error: str | None = None
    defect: Exception | None = None
    """What our own code raised, where that is why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEventProcessingService:
    """Turns authentic calls into events, by the provider's table."""

    lookups: Lookups
    shown: ShownEvents = SHOWN_BY_DEFAULT

    def process(
        self,
        inbound: Inbound,
        provider: Provider,
        credential: Credential,
        *,
        deferred: bool = False,
    ) -> Event:
        """Return the event that a call holds. Raises Malformed when it holds none.

        A deferred one is `received`: it has no effects yet, the worker will handle it.
        Nor does a defect of ours lose the event: it is returned as `failed`, to be tried again.
        """
        try:
            return self._understood(inbound, provider, credential, deferred=deferred)
        except ConvohooksError:
            raise
        except Exception as error:
            return _not_understood(inbound, provider, credential, error)

    def process_or_defer(
        self,
        inbound: Inbound,
        provider: Provider,
        credential: Credential,
        *,
        deferred: bool = False,
    ) -> Event:
        """Return the event like `process`; as deferred when what its handler looks up is away."""
        try:
            return self.process(inbound, provider, credential, deferred=deferred)
        except Unavailable:
            return self.process(inbound, provider, credential, deferred=True)

    def _understood(
        self, inbound: Inbound, provider: Provider, credential: Credential, *, deferred: bool
    ) -> Event:
        parsed = provider.parse(inbound)
        is_clean = redaction.is_clean(inbound.body, credential.secrets)
        payload = parsed if is_clean else redaction.mask_payload(parsed, credential.secrets)
        reading = provider.read(inbound, payload)
        if len(reading.event_type) > MAX_EVENT_TYPE:
            raise Malformed(f"event_type is longer than {MAX_EVENT_TYPE} characters.")
        digest = security.sha256_hex(inbound.body)
        entry = provider.events.get(reading.event_type)
        known: dict[str, Any] = {
            "source": provider.name,
            "event_type": reading.event_type,
            "conversation_id": reading.conversation_id,
            "conversation_ref": credential.conversation_ref,
            "body": redaction.mask_body(inbound.body, parsed, credential.secrets),
            "body_sha256": digest,
            "headers": kept_headers(inbound),
        }
        if entry is None:
            fact = f"id:{reading.name}" if reading.name else f"{reading.event_type}:body:{digest}"
            key = _event_key(reading, credential, fact)
            return Event(event_key=key, state="ignored", **known)
        model = _validated(entry, reading)
        fact = f"id:{reading.name}" if reading.name else entry.key(model, digest)
        key = _event_key(reading, credential, fact)
        if deferred:
            return Event(event_key=key, state="received", **known)
        return self._handled(provider, entry, reading, model, {"event_key": key, **known})

    def _handled(
        self,
        provider: Provider,
        entry: EventType,
        reading: Reading,
        model: Any,
        known: dict[str, Any],
    ) -> Event:
        try:
            effects: Effects = entry.handler(model, self.lookups)
            is_shown = self.shown.includes(reading.event_type, default=entry.projected)
            own = (_projection(provider, reading),) if is_shown else ()
            more = self.shown.of(effects.projections, reading.event_type)
        except (Malformed, Unavailable):
            raise
        except Exception as error:  # a defect of ours must not cost the event
            return Event(state="failed", error=_last_error(), defect=error, **known)
        return Event(state="processed", effects=effects, projections=own + more, **known)


def _not_understood(
    inbound: Inbound, provider: Provider, credential: Credential, error: Exception
) -> Event:
    """Return a call that our own code stumbled over, as far as it can be told what it is."""
    digest = security.sha256_hex(inbound.body)
    return Event(
        source=provider.name,
        event_key=f"not understood:{digest}",
        event_type="unknown",
        conversation_id=None,
        conversation_ref=credential.conversation_ref,
        body=redaction.mask_body(inbound.body, None, credential.secrets),
        body_sha256=digest,
        headers=kept_headers(inbound),
        state="failed",
        error=_last_error(),
        defect=error,
    )


KEPT_HEADERS = ("content-type", "user-agent", "x-request-id", "traceparent")
MAX_HEADER = 500


def kept_headers(inbound: Inbound) -> dict[str, str]:
    """Return the headers worth keeping; none of them proves anything, so none is secret."""
    return {
        name: validation.storable(redaction.mask_log(inbound.headers[name][:MAX_HEADER]))
        for name in KEPT_HEADERS
        if name in inbound.headers
    }


def _validated(entry: EventType, reading: Reading) -> Any:
    try:
        return entry.model.model_validate(
            {**reading.payload, "conversation_id": reading.conversation_id}
        )
    except ValidationError as error:
        raise Malformed(f"{reading.event_type}: {validation.explain(error)}") from None


def _event_key(reading: Reading, credential: Credential, fact: str) -> str:
    scope = reading.conversation_id or credential.conversation_ref or "-"
    key = f"{scope}:{fact}"
    return key if len(key) <= MAX_KEY else f"sha256:{security.sha256_hex(key.encode())}"


def _projection(provider: Provider, reading: Reading) -> Projection:
    return Projection(event_type=reading.event_type, event_data=provider.project(reading))


def _last_error() -> str:
    return validation.storable(traceback.format_exc()[-MAX_ERROR:])
