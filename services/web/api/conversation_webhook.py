"""/api/conversations/<id>/webhook: where the messages of one conversation go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel

from services.outgoing.endpoint_request import ConversationWebhook
from services.people import Person
from services.web.api.declared import declared
from services.wiring.web import Services

URL = "/api/conversations/<path:conversation_id>/webhook"


class ConfiguredWorkflow(BaseModel):
    """Whom the messages are for, and where they go."""

    workflow_id: str | None
    callback_url: str


class ConfiguredWebhook(BaseModel):
    """The webhook of a conversation, and the endpoint that it is."""

    channel: str
    usecase: str
    config: ConfiguredWorkflow
    endpoint_id: UUID
    disabled: bool
    disabled_reason: str | None


class NewlyConfiguredWebhook(ConfiguredWebhook):
    """A new webhook with the secret that its deliveries are signed with, shown this once."""

    secret: str


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token."""
    routes = Blueprint("conversation_webhook", __name__, url_prefix=URL)
    webhooks = services.conversation_webhooks
    route = declared(services, "Conversations")

    @routes.put("")
    @route(
        body=ConversationWebhook,
        answers={200: ConfiguredWebhook, 201: NewlyConfiguredWebhook},
        errors=(404, 409),
        example={
            "channel": "API",
            "usecase": "WORKFLOW_EXECUTION",
            "config": {"workflow_id": "123", "callback_url": "https://hooks.example.test/in"},
        },
    )
    def set_conversation_webhook(
        person: Person, body: ConversationWebhook, conversation_id: str
    ) -> tuple[ConfiguredWebhook, int]:
        """Say where the messages of one conversation go.

        201 with the secret, shown this once, for a new one; 200 for one that has changed.
        """
        shown = _shown(webhooks.set(person, conversation_id, body))
        return shown, 201 if isinstance(shown, NewlyConfiguredWebhook) else 200

    @routes.get("")
    @route(answers={200: ConfiguredWebhook}, errors=(404,))
    def show_conversation_webhook(person: Person, conversation_id: str) -> ConfiguredWebhook:
        """Show where the messages of one conversation go."""
        return _shown(webhooks.show(person, conversation_id))

    @routes.delete("")
    @route(answers={204: None}, errors=(404,))
    def remove_conversation_webhook(person: Person, conversation_id: str) -> None:
        """Remove the webhook of one conversation, with its log."""
        webhooks.remove(person, conversation_id)

    return routes


def _shown(row: dict[str, Any]) -> ConfiguredWebhook:
    workflow = row["workflow"]
    model = NewlyConfiguredWebhook if "secret" in row else ConfiguredWebhook
    return model.model_validate(
        {
            **row,
            **workflow,
            "config": {**workflow, "callback_url": row["url"]},
            "endpoint_id": row["id"],
        }
    )
