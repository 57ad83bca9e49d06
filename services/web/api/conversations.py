"""/api/conversations: people start conversations, read their own with all that belongs to them, and
end them.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.conversation_request import NewConversation
from services.database import execute
from services.errors import Unprocessable
from services.owned import find_conversation
from services.people import Person
from services.web.api.arguments import read, read_body
from services.web.api.conversation_rows import Conversation, ConversationDetail, detail
from services.web.api.cursor import Cursor, read_cursor
from services.wiring import Services

URL = "/api/conversations"
COLUMNS = ",".join(Conversation.model_fields)
LONGEST_ID = 255

Row = dict[str, Any]


class Query(BaseModel):
    """What may be asked. An unknown parameter is refused: it would silently not filter."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=200)
    before: Annotated[Cursor | None, BeforeValidator(read_cursor)] = None


class Page(BaseModel):
    """A page of conversations, newest first; `next` is the `before` of the next, if any."""

    data: list[Conversation]
    next: str | None


def blueprint(services: Services) -> Blueprint:
    """Return the routes; each wants a person's token, an anonymous one's will do."""
    routes = Blueprint("conversations", __name__, url_prefix=URL)
    conversations = services.conversations

    def person() -> Person:
        return services.people.person(request.headers.get("Authorization"))

    def reads(token: str) -> Any:
        return services.database.as_person(token).from_("conversations").select(COLUMNS)

    @routes.post("")
    def start_conversation() -> Response:
        who = person()
        wanted = read_body(NewConversation, request)
        row = conversations.start(who, wanted, _key(request.headers.get("Idempotency-Key")))
        started = Conversation.model_validate(row)
        answer = Response(started.model_dump_json(), 201, content_type="application/json")
        answer.headers["Location"] = f"{URL}/{started.id}"
        return answer

    @routes.get("")
    def list_conversations() -> Row:
        query = read(Query, request.args.to_dict(flat=True))
        rows = reads(person().token)
        if query.before is not None:
            rows = rows.or_(query.before.filter("created_at"))
        rows = rows.order("created_at", desc=True, nullsfirst=False).order("id", desc=True)
        return _page(execute(rows.limit(query.limit + 1)).data, query.limit)

    @routes.get("/<conversation_id>")
    def show_conversation(conversation_id: str) -> Row:
        who = person()
        row = find_conversation(reads(who.token), conversation_id)
        shown: ConversationDetail = detail(services.database.as_person(who.token), row)
        return shown.model_dump(mode="json")

    @routes.post("/<conversation_id>/end")
    def end_conversation(conversation_id: str) -> Row:
        who = person()
        # An admin reads every conversation, but ends only their own.
        row = find_conversation(reads(who.token).eq("user_id", str(who.id)), conversation_id)
        conversations.end(row)
        row = find_conversation(reads(who.token), conversation_id)
        return Conversation.model_validate(row).model_dump(mode="json")

    return routes


def _key(header: str | None) -> str | None:
    if header is None:
        return None
    if not 1 <= len(header) <= 255 or not header.isascii() or not header.isprintable():
        raise Unprocessable("Idempotency-Key: 1 to 255 printable ASCII characters are wanted.")
    return header


def _page(rows: list[Row], limit: int) -> Row:
    data = [Conversation.model_validate(row) for row in rows[:limit]]
    following = Cursor.of(data[-1].created_at, data[-1].id) if len(rows) > limit else None
    return Page(data=data, next=following).model_dump(mode="json")
