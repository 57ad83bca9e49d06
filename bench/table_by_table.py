"""The usual way: look whether the event is there, insert it, then write each table, a call each.

As the webhook guides for Supabase have it, with supabase-py's default client.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from flask import Flask, request
from supabase import Client, create_client

from bench.callbacks import PATH
from services.providers.tavus import TAVUS
from services.settings import load_settings
from services.web.webhooks import inbound

SOURCE = "table_by_table"


def create_app() -> Flask:
    """Return an application that stores events without a transaction."""
    settings = load_settings()
    app = Flask(__name__)
    app.extensions["drainer"] = None  # gunicorn.conf.py asks for it

    @cache
    def supabase() -> Client:
        return create_client(settings.supabase_url, settings.supabase_secret_key)

    @app.post(PATH)
    def receive() -> dict[str, bool]:
        call = inbound(request)
        TAVUS.verify(call, settings)
        digest = sha256(call.body).hexdigest()
        if not _is_known(supabase(), digest):
            _store(supabase(), json.loads(call.body), digest)
        return {"received": True}

    return app


def _is_known(client: Client, digest: str) -> bool:
    # With the source, so that the partial index serves the question.
    query = client.table("processed_webhook_events").select("id").eq("source", SOURCE)
    return bool(query.eq("event_hash", digest).limit(1).execute().data)


def _store(client: Client, event: dict[str, Any], digest: str) -> None:
    conversation_id, said = event["conversation_id"], event["properties"]
    client.table("processed_webhook_events").insert(
        {
            "source": SOURCE,
            "conversation_id": conversation_id,
            "event_type": event["event_type"],
            "event_data": event,
            "event_hash": digest,
            "processed_at": datetime.now(UTC).isoformat(),
        }
    ).execute()
    client.table("conversation_messages").upsert(
        {
            "conversation_id": conversation_id,
            "message_id": event["inference_id"],
            "role": said["role"],
            "content": said["speech"],
            "content_length": len(said["speech"]),
            "origin": SOURCE,
            "timestamp": event["timestamp"],
        }
    ).execute()
