"""POST /api/conversations/<id>/app-messages: what a person's browser hears in their call."""

from __future__ import annotations

import structlog
from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from services.inbound import Inbound
from services.people import Person
from services.web.api.declared import declared
from services.wiring.web import Services

MAX_BODY = 256 * 1024
MAX_MESSAGES = 100
LONGEST_TYPE = 255

log = structlog.get_logger()


class AppMessage(BaseModel):
    """An app-message as Tavus sends it; its `conversation_id` does not count."""

    model_config = ConfigDict(extra="allow")

    event_type: str = Field(min_length=1, max_length=LONGEST_TYPE)


class AppMessages(BaseModel):
    """Messages in any order, repeats among them or not."""

    model_config = ConfigDict(extra="forbid")

    messages: list[AppMessage] = Field(max_length=MAX_MESSAGES)


class Relayed(BaseModel):
    """How many messages were new, and how many had been relayed before."""

    accepted: int
    duplicates: int


def blueprint(services: Services) -> Blueprint:
    """Return the route."""
    routes = Blueprint("app_messages", __name__)
    route = declared(services, "Conversations")

    @routes.post("/api/conversations/<path:conversation_id>/app-messages")
    @route(
        body=AppMessages,
        largest=MAX_BODY,
        answers={200: Relayed},
        errors=(404, 409),
        example={"messages": [{"event_type": "conversation.utterance", "seq": 4}]},
    )
    def relay_messages(
        person: Person, body: AppMessages, call: Inbound, conversation_id: str
    ) -> Relayed:
        """Relay what a person's browser heard in their call.

        At most 100 messages and 256 KiB. A repeat changes nothing: send again what was not stored.
        """
        messages = [message.model_dump() for message in body.messages]
        relayed = services.relay.receive(person, conversation_id, messages, call)
        log.info("relay", accepted=relayed.accepted, duplicates=relayed.duplicates)
        return Relayed(accepted=relayed.accepted, duplicates=relayed.duplicates)

    return routes
