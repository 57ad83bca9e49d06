"""/api/conversations: people start conversations, read their own with all that belongs to them, and
end them.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from services.conversations.owned import find_conversation
from services.conversations.request import NewConversation
from services.people import Person
from services.web.api.conversation_rows import Conversation, ConversationDetail, detail
from services.web.api.cursor import Page, PageQuery, read_page
from services.web.api.declared import declared
from services.wiring.web import Services

URL = "/api/conversations"
COLUMNS = ",".join(Conversation.model_fields)


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token, an anonymous one's will do."""
    routes = Blueprint("conversations", __name__, url_prefix=URL)
    conversations = services.conversations

    def reads(token: str) -> Any:
        return services.database.as_person(token).from_("conversations").select(COLUMNS)

    route = declared(services, "Conversations")

    @routes.post("")
    @route(
        body=NewConversation,
        is_idempotent=True,
        answers={201: Conversation},
        location=f"{URL}/{{id}}",
        errors=(409, 502),
        example={"persona_id": "p0123456789a", "conversation_name": "A first call"},
    )
    def start_conversation(person: Person, body: NewConversation, key: str | None) -> Conversation:
        """Start a conversation; its `conversation_url` is where to join it."""
        return Conversation.model_validate(conversations.start(person, body, key))

    @routes.get("")
    @route(query=PageQuery, answers={200: Page[Conversation]})
    def list_conversations(person: Person, query: PageQuery) -> Page[Conversation]:
        """List your conversations, newest first; admins see everybody's."""
        return read_page(reads(person.token), query, Page[Conversation])

    @routes.get("/<conversation_id>")
    @route(answers={200: ConversationDetail}, errors=(404,))
    def show_conversation(person: Person, conversation_id: str) -> ConversationDetail:
        """Show a conversation with all that belongs to it; named by our id or the sender's."""
        row = find_conversation(reads(person.token), conversation_id)
        return detail(services.database.as_person(person.token), row)

    @routes.post("/<conversation_id>/end")
    @route(answers={200: Conversation}, errors=(404, 409, 502))
    def end_conversation(person: Person, conversation_id: str) -> Conversation:
        """End a conversation of yours."""
        # An admin reads every conversation, but ends only their own.
        row = find_conversation(reads(person.token).eq("user_id", str(person.id)), conversation_id)
        conversations.end(row)
        return Conversation.model_validate(find_conversation(reads(person.token), conversation_id))

    return routes
