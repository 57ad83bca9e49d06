"""Calls of Tavus, as the tests make them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from services.security import callback_token, hmac_sha256_hex

TOKEN = "static-token-for-tests"
OLD_TOKEN = "older-token-for-tests"
SECRET = "signing-secret-for-tests"
OLD_SECRET = "older-secret-for-tests"
KEY = "callback-key-for-tests"
SOURCE_SECRET = "whsec_" + "c291cmNlLXNlY3JldC1mb3ItdGVzdHM="
SETTINGS = {
    "PUBLIC_BASE_URL": "https://hooks.example.test",
    "TWILIO_AUTH_TOKEN": "twilio-token-for-tests,older-twilio-token",
    "STRIPE_WEBHOOK_SECRET": "whsec_stripe_for_tests,whsec_older_stripe",
    "CALENDLY_WEBHOOK_SIGNING_KEY": "calendly-key-for-tests,older-calendly-key",
    "WEBHOOK_SOURCES": json.dumps(
        {
            "messages": {
                "scheme": "standard-webhooks",
                "secret": SOURCE_SECRET,
                "payload": "message",
            }
        }
    ),
    "TAVUS_WEBHOOK_TOKEN": f"{TOKEN},{OLD_TOKEN}",
    "TAVUS_WEBHOOK_SECRET": f"{SECRET},{OLD_SECRET}",
    "CALLBACK_SIGNING_KEY": KEY,
    "CORS_ORIGINS": "https://app.example.test",
    "REQUEST_TIMEOUT": "3",
    "AUTH_FAILURES_PER_MINUTE": "100000",
}

# The service closes an idle connection after REQUEST_TIMEOUT; nobody is to send on it just then.
LIMITS = httpx.Limits(keepalive_expiry=2)

TAVUS = "/api/tavus/webhook"
QUALIFICATION = "/api/webhook/qualification"
FUNCTION = "/functions/v1/tavus-webhook"


@dataclass(frozen=True, slots=True)
class Caller:
    """Sends callbacks."""

    http: httpx.Client

    def send(
        self,
        payload: Any,
        *,
        path: str = TAVUS,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """POST a payload (bytes as they are), with the static token unless told otherwise."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.http.post(
            path,
            content=body,
            params={"t": TOKEN} if query is None else query,
            headers={"Content-Type": "application/json", **(headers or {})},
        )


def conversation_query(row_id: str, key: str = KEY) -> dict[str, str]:
    """Return the query of a callback URL that was made for one of our rows."""
    return {"c": row_id, "t": callback_token(key, UUID(row_id))}


def signature(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the header of a signed delivery."""
    return {"X-Tavus-Signature": hmac_sha256_hex(secret, body)}


def utterance(conversation_id: str, seq: int, speech: str = "Hello.") -> dict[str, Any]:
    """Return what Tavus says when somebody spoke."""
    return {
        "message_type": "conversation",
        "event_type": "conversation.utterance",
        "conversation_id": conversation_id,
        "seq": seq,
        "properties": {"role": "user", "speech": speech},
    }


def joined(conversation_id: str, **more: Any) -> dict[str, Any]:
    """Return the callback that the agent has joined."""
    return {
        "properties": {"replica_id": "r90bbd427f71"},
        "conversation_id": conversation_id,
        "webhook_url": f"https://hooks.example.test/api/tavus/webhook?t={TOKEN}",
        "event_type": "system.replica_joined",
        "message_type": "system",
        "timestamp": "2026-03-01T06:45:47.472000Z",
        **more,
    }
