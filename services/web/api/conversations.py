"""/api/conversations: people start conversations, read their own with all that belongs to them, and
end them.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from services.conversation_request import NewConversation
from services.owned import find_conversation
from services.web.api.arguments import idempotency_key, read, read_body
from services.web.api.caller import caller
from services.web.api.conversation_rows import Conversation, ConversationDetail, detail
from services.web.api.cursor import PageQuery, read_page
from services.wiring.web import Services

URL = "/api/conversations"
COLUMNS = ",".join(Conversation.model_fields)

Row = dict[str, Any]


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token, an anonymous one's will do."""
    routes = Blueprint("conversations", __name__, url_prefix=URL)
    conversations = services.conversations

    def reads(token: str) -> Any:
        return services.database.as_person(token).from_("conversations").select(COLUMNS)

    @routes.post("")
    def start_conversation() -> Response:
        who = caller(services)
        wanted = read_body(NewConversation, request)
        row = conversations.start(who, wanted, idempotency_key(request))
        started = Conversation.model_validate(row)
        answer = Response(started.model_dump_json(), 201, content_type="application/json")
        answer.headers["Location"] = f"{URL}/{started.id}"
        return answer

    @routes.get("")
    def list_conversations() -> Row:
        rows = reads(caller(services).token)
        query = read(PageQuery, request.args.to_dict(flat=True))
        return read_page(rows, query, Conversation)

    @routes.get("/<conversation_id>")
    def show_conversation(conversation_id: str) -> Row:
        who = caller(services)
        row = find_conversation(reads(who.token), conversation_id)
        shown: ConversationDetail = detail(services.database.as_person(who.token), row)
        return shown.model_dump(mode="json")

    @routes.post("/<conversation_id>/end")
    def end_conversation(conversation_id: str) -> Row:
        who = caller(services)
        # An admin reads every conversation, but ends only their own.
        row = find_conversation(reads(who.token).eq("user_id", str(who.id)), conversation_id)
        conversations.end(row)
        row = find_conversation(reads(who.token), conversation_id)
        return Conversation.model_validate(row).model_dump(mode="json")

    return routes
