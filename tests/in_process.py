"""The service in this very process, with a database made of a function."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from services.ingestion import WebhookDataIngestionService
from services.provider import Provider
from services.providers.tavus import TAVUS
from services.settings import Settings, load_settings
from services.web import errors, request_id, webhooks
from services.wiring.web import wire
from services.writer import Writer
from tests.providers.tavus_samples import Rows
from tests.secrecy.known import KNOWN

TOKEN = "static-token-for-tests"
EVENT_ID = "5f0c8a52-6d6f-4a35-9d3b-0c6a2f4b7e11"
PATH = "/api/tavus/webhook"
UTTERANCE = "conversation.utterance"

Row = dict[str, Any]
Rows_ = Sequence[Mapping[str, Any]]
Receive = Callable[[Rows_], list[dict[str, Any]]]


def settings_of(**environment: str) -> Settings:
    """Return settings with these beside the ones that every service needs."""
    told = {
        "SUPABASE_URL": "https://project.example.test",
        "SUPABASE_SECRET_KEY": "sb_secret_of_the_tests",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_of_the_tests",
        "TAVUS_WEBHOOK_TOKEN": TOKEN,
        **environment,
    }
    KNOWN.note(told)
    return load_settings(told)


def store(batch: Rows_) -> list[dict[str, Any]]:
    """Answer as `receive_events` does: an event whose handler failed is stored as failed."""
    outcomes = ["failed" if row.get("state") == "failed" else "new" for row in batch]
    return [{"outcome": outcome, "known": True, "id": EVENT_ID} for outcome in outcomes]


def client(settings: Settings, provider: Provider = TAVUS, receive: Receive = store) -> FlaskClient:
    """Return a client of the service with one sender; /broken is a route with a defect."""
    services = wire(settings)
    ingestion = WebhookDataIngestionService(writer=Writer(receive))
    events = replace(services.webhooks.events, lookups=Rows())
    services = replace(
        services,
        providers=(provider,),
        webhooks=replace(services.webhooks, ingestion=ingestion, events=events),
    )
    app = Flask("services.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    request_id.register(app)
    app.register_blueprint(webhooks.blueprint(services))
    app.add_url_rule("/broken/<word>", view_func=_stumble)
    errors.register(app)
    return app.test_client()


def due(body: Mapping[str, Any], *, tries: int, headers: Mapping[str, str] | None = None) -> Row:
    """Return an utterance that is to be tried again, as `claim_events` does."""
    return {
        "id": EVENT_ID,
        "source": "tavus",
        "event_type": UTTERANCE,
        "path": PATH,
        "body": b64encode(json.dumps(body).encode()).decode(),
        "headers": dict(headers or {}),
        "tries": tries,
        "received_at": "2026-03-01T00:00:00+00:00",
    }


def failing(error: Exception) -> Provider:
    """Return Tavus with a handler of utterances that fails."""

    def fail(*_: object) -> Any:
        raise error

    broken = replace(TAVUS.events[UTTERANCE], handler=fail)
    return replace(TAVUS, events={**TAVUS.events, UTTERANCE: broken})


def _stumble(word: str) -> str:
    local_variable = {"word": word}
    raise ValueError(f"cannot read {local_variable}")
