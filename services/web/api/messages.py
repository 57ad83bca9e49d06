"""/api/conversations/<id>/messages: people add messages, and say what became of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.outgoing.message_request import MessageChange, NewMessage
from services.people import Person
from services.web.api.declared import declared
from services.wiring.web import Services

URL = "/api/conversations/<path:conversation_id>/messages"


class Message(BaseModel):
    """A message as endpoints are told of it."""

    id: UUID
    content: str
    content_type: str
    type: str
    channel: str
    status: str
    metadata: dict[str, Any]
    created_by: str
    updated_by: str
    created_at: str
    updated_at: str


class Medium(Message):
    """A message that is a picture, a film, a recording or a document."""

    filename: str | None


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants the token of the person whose conversation it is."""
    routes = Blueprint("messages", __name__, url_prefix=URL)
    messages = services.messages

    route = declared(services, "Messages")

    @routes.post("")
    @route(
        body=NewMessage,
        is_idempotent=True,
        answers={201: Medium | Message, 200: Medium | Message},
        errors=(404, 409),
        example={"content": "Hello.", "metadata": {"ticket": 42}},
    )
    def add_message(
        person: Person, body: NewMessage, key: str | None, conversation_id: str
    ) -> tuple[Message, int]:
        """Add a message to a conversation of yours; 200 repeats the answer to a known key."""
        row, is_new = messages.add(person, conversation_id, body, key)
        return _shown(row), 201 if is_new else 200

    @routes.patch("/<uuid:message_id>")
    @route(
        body=MessageChange,
        answers={200: Medium | Message},
        errors=(404, 409),
        example={"status": "PROCESSED"},
    )
    def change_message(
        person: Person, body: MessageChange, conversation_id: str, message_id: UUID
    ) -> Message:
        """Say what became of a message that you have added."""
        return _shown(messages.change(person, conversation_id, str(message_id), body))

    return routes


def _shown(row: dict[str, Any]) -> Message:
    return (Medium if "filename" in row else Message).model_validate(row)
