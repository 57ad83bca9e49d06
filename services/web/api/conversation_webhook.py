"""/api/conversations/<id>/webhook: where the messages of one conversation go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from pydantic import BaseModel

from services.outgoing.endpoint_request import ConversationWebhook
from services.web.api.arguments import read_body
from services.web.api.caller import caller
from services.wiring.web import Services

URL = "/api/conversations/<path:conversation_id>/webhook"

Shown = dict[str, Any]


class Config(BaseModel):
    """Whom the messages are for, and where they go."""

    workflow_id: str | None
    callback_url: str


class Configured(BaseModel):
    """The webhook of a conversation, and the endpoint that it is."""

    channel: str
    usecase: str
    config: Config
    endpoint_id: UUID
    disabled: bool
    disabled_reason: str | None


class NewlyConfigured(Configured):
    """A new webhook with the secret that its deliveries are signed with, shown this once."""

    secret: str


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token."""
    routes = Blueprint("conversation_webhook", __name__, url_prefix=URL)
    webhooks = services.conversation_webhooks

    @routes.put("")
    def configure(conversation_id: str) -> tuple[Shown, int]:
        person = caller(services)
        wanted = read_body(ConversationWebhook, request)
        row = webhooks.set(person, conversation_id, wanted)
        return _shown(row), 201 if "secret" in row else 200

    @routes.get("")
    def show(conversation_id: str) -> Shown:
        return _shown(webhooks.show(caller(services), conversation_id))

    @routes.delete("")
    def remove(conversation_id: str) -> tuple[str, int]:
        webhooks.remove(caller(services), conversation_id)
        return "", 204

    return routes


def _shown(row: dict[str, Any]) -> Shown:
    workflow = row["workflow"]
    model = NewlyConfigured if "secret" in row else Configured
    shown = model.model_validate(
        {
            **row,
            **workflow,
            "config": {**workflow, "callback_url": row["url"]},
            "endpoint_id": row["id"],
        }
    )
    return shown.model_dump(mode="json")
