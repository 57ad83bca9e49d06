"""/api/conversations/<id>/messages: people add messages, and say what became of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from pydantic import BaseModel

from services.outgoing.message_request import MessageChange, NewMessage
from services.web.api.arguments import idempotency_key, read_body
from services.web.api.caller import caller
from services.wiring.web import Services

URL = "/api/conversations/<path:conversation_id>/messages"

Shown = dict[str, Any]


class Message(BaseModel):
    """A message as endpoints are told of it; only a medium has a `filename`."""

    id: UUID
    content: str
    content_type: str
    filename: str | None = None
    type: str
    channel: str
    status: str
    metadata: dict[str, Any]
    created_by: str
    updated_by: str
    created_at: str
    updated_at: str


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants the token of the person whose conversation it is."""
    routes = Blueprint("messages", __name__, url_prefix=URL)
    messages = services.messages

    @routes.post("")
    def add_message(conversation_id: str) -> tuple[Shown, int]:
        person = caller(services)
        wanted = read_body(NewMessage, request)
        row, is_new = messages.add(person, conversation_id, wanted, idempotency_key(request))
        return _shown(row), 201 if is_new else 200

    @routes.patch("/<uuid:message_id>")
    def change_message(conversation_id: str, message_id: UUID) -> Shown:
        person = caller(services)
        change = read_body(MessageChange, request)
        return _shown(messages.change(person, conversation_id, str(message_id), change))

    return routes


def _shown(row: dict[str, Any]) -> Shown:
    return Message.model_validate(row).model_dump(mode="json", exclude_unset=True)
