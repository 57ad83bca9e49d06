"""The webhook of one conversation: an endpoint that hears its messages and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.conversations.owned import NO_CONVERSATION, find_conversation, find_own
from services.database import Database, execute
from services.egress import Egress
from services.errors import NotFound
from services.outgoing.endpoint_request import ConversationWebhook
from services.outgoing.endpoints import check_url, new_secret
from services.outgoing.store import OutgoingStore
from services.people import Person

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationWebhooks:
    """Sets, shows and removes the webhooks of conversations; `told_id` is any id of one."""

    database: Database
    store: OutgoingStore
    egress: Egress

    def set(self, person: Person, told_id: str, wanted: ConversationWebhook) -> Row:
        """Set a conversation's webhook; return the endpoint, with its `secret` if it is new.

        One that was disabled is enabled. Raises NotFound, Unprocessable, Unavailable.
        """
        conversation = find_own(self.database, person, told_id)
        check_url(self.egress, wanted.config.callback_url, "config.callback_url")
        webhook = {"url": wanted.config.callback_url, "workflow": wanted.workflow()}
        secret = new_secret()
        told = self.store.configure_conversation(
            str(person.id), conversation["id"], webhook, secret
        )
        if told is None:
            raise NotFound(NO_CONVERSATION)
        row: Row = told["row"]
        return {**row, "secret": secret} if told["created"] else row

    def show(self, person: Person, told_id: str) -> Row:
        """Return the endpoint of a conversation that a person may read. Raises NotFound."""
        reads = self.database.as_person(person.token)
        conversation = find_conversation(reads.from_("conversations").select("*"), told_id)
        rows = reads.from_("webhook_endpoints").select("*")
        for row in execute(rows.eq("conversation_id", conversation["id"])).data:
            return dict(row)
        raise _unset()

    def remove(self, person: Person, told_id: str) -> None:
        """Remove a conversation's webhook. Raises NotFound."""
        conversation = find_own(self.database, person, told_id)
        if not self.store.remove_conversation_webhook(str(person.id), conversation["id"]):
            raise _unset()


def _unset() -> NotFound:
    return NotFound("The conversation has no webhook.")
