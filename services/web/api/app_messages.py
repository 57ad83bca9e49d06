"""POST /api/conversations/<id>/app-messages: what a person's browser hears in their call."""

from __future__ import annotations

import structlog
from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from services.validation import check_content_type
from services.web.api.arguments import read_json
from services.web.api.caller import caller
from services.web.webhooks import inbound
from services.wiring.web import Services

MAX_BODY = 256 * 1024
MAX_MESSAGES = 100
LONGEST_TYPE = 255

log = structlog.get_logger()


class AppMessage(BaseModel):
    """An app-message as Tavus sends it; its `conversation_id` does not count."""

    model_config = ConfigDict(extra="allow")

    event_type: str = Field(min_length=1, max_length=LONGEST_TYPE)


class Batch(BaseModel):
    """Messages in any order, repeats among them or not."""

    model_config = ConfigDict(extra="forbid")

    messages: list[AppMessage] = Field(max_length=MAX_MESSAGES)


class Answer(BaseModel):
    """How many messages were new, and how many had been relayed before."""

    accepted: int
    duplicates: int


def blueprint(services: Services) -> Blueprint:
    """Return the route."""
    routes = Blueprint("app_messages", __name__)

    @routes.post("/api/conversations/<path:conversation_id>/app-messages")
    def relay(conversation_id: str) -> dict[str, object]:
        person = caller(services)
        request.max_content_length = MAX_BODY
        check_content_type(request.content_type or "")
        call = inbound(request)
        messages = [message.model_dump() for message in read_json(Batch, call.body).messages]
        relayed = services.relay.receive(person, conversation_id, messages, call)
        log.info("relay", accepted=relayed.accepted, duplicates=relayed.duplicates)
        return Answer(accepted=relayed.accepted, duplicates=relayed.duplicates).model_dump()

    return routes
