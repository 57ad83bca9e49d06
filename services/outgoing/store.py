"""The outgoing side's tables, by the functions of `sql/36` to `sql/38`.

Every method raises Unavailable when it may work later, DatabaseRefused when it will not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from services.database import Database
from services.outgoing.vault import Vault

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingStore:
    """Endpoints, messages that people add, and deliveries. Ids are texts of UUIDs.

    Secrets, and what endpoints' own headers say, go in and come out as they are; in the database
    they are as the vault seals them.
    """

    database: Database
    vault: Vault = field(default_factory=Vault)

    def create_endpoint(self, owner: str, endpoint: Row, secret: str, most: int) -> Row:
        """Make an endpoint; return {outcome: created | too_many, row}."""
        sealed = self._sealed(endpoint)
        arguments = {"owner": owner, "endpoint": sealed, "secret": self.vault.seal(secret)}
        return self._row("create_endpoint", **arguments, most=most)

    def change_endpoint(self, owner: str, endpoint_id: str, change: Row) -> Row | None:
        """Change the columns that are named; return the row, None when it is not theirs."""
        arguments = {"owner": owner, "endpoint_id": endpoint_id}
        return self._found("change_endpoint", **arguments, change=self._sealed(change))

    def delete_endpoint(self, owner: str, endpoint_id: str) -> bool:
        """Remove an endpoint and its deliveries; return whether there was one of theirs."""
        # Many deliveries take seconds to remove: what happens meanwhile must not wait for that.
        if self.change_endpoint(owner, endpoint_id, {"disabled": True}) is None:
            return False
        return bool(self._ask("delete_endpoint", owner=owner, endpoint_id=endpoint_id))

    def rotate_secret(self, owner: str, endpoint_id: str, secret: str, overlap: float) -> bool:
        """Sign with a new secret, for `overlap` seconds with the older ones too."""
        sealed = self.vault.seal(secret)
        arguments = {"owner": owner, "endpoint_id": endpoint_id, "secret": sealed}
        return bool(self._ask("rotate_endpoint_secret", **arguments, overlap_seconds=overlap))

    def configure_conversation(
        self, owner: str, conversation: str, webhook: Row, secret: str
    ) -> Row | None:
        """Set the webhook of a conversation's row; return {created, row}."""
        arguments = {"owner": owner, "conversation": conversation, "webhook": webhook}
        sealed = self.vault.seal(secret)
        return self._found("configure_conversation_webhook", **arguments, secret=sealed)

    def remove_conversation_webhook(self, owner: str, conversation: str) -> bool:
        """Remove the webhook of a conversation's row; return whether there was one."""
        return bool(
            self._ask("remove_conversation_webhook", owner=owner, conversation=conversation)
        )

    def test_endpoint(
        self, owner: str, endpoint_id: str, event_type: str, payload: Row
    ) -> Row | None:
        """Queue a sample; return its delivery, None for no such endpoint or a disabled one."""
        arguments = {"owner": owner, "endpoint_id": endpoint_id, "event_type": event_type}
        return self._found("test_endpoint", **arguments, payload=payload)

    def resend(self, owner: str, endpoint_id: str, delivery_id: str) -> Row | None:
        """Send a delivery again; return its row, None when it is not theirs."""
        arguments = {"owner": owner, "endpoint_id": endpoint_id, "delivery_id": delivery_id}
        return self._found("resend_delivery", **arguments)

    def resend_failed(self, owner: str, endpoint_id: str, since: str) -> int:
        """Send again what failed for good since an ISO time; return how many."""
        arguments = {"owner": owner, "endpoint_id": endpoint_id, "since": since}
        return cast(int, self._ask("resend_failed_deliveries", **arguments))

    def add_message(self, owner: str, conversation: str, message: Row) -> Row | None:
        """Add a message; return {outcome: new | duplicate | unplaced, row}."""
        arguments = {"owner": owner, "conversation": conversation, "message": message}
        return self._found("add_message", **arguments)

    def change_message(
        self, owner: str, conversation: str, message: str, change: Row
    ) -> Row | None:
        """Change an added message's status; return the message."""
        arguments = {"owner": owner, "conversation": conversation, "message": message}
        return self._found("change_message", **arguments, change=change)

    def claim(self, wanted: Row) -> Row:
        """Claim due deliveries; return {deliveries, now, due_seconds}.

        `wanted` are the arguments of `claim_deliveries` (sql/37_webhook_deliveries.sql).
        """
        told = self._row("claim_deliveries", **wanted)
        for delivery in told["deliveries"]:
            delivery["secrets"] = self.vault.opened(delivery["secrets"] or ())
            delivery["headers"] = self._opened(delivery["headers"])
        return told

    def finish(
        self, batch: Sequence[Mapping[str, Any]], disable_after: float, seen: Row | None = None
    ) -> list[Row]:
        """Write down attempts that ended; return [{id, outcome, disabled}].

        `seen` is the time of the last claim, as `claim` takes it.
        """
        arguments = {"batch": batch, "seen": seen, "disable_after_seconds": disable_after}
        return cast(list[Row], self._ask("finish_deliveries", **arguments))

    def sealed_values(self, after: str, most: int) -> list[Row]:
        """Return [{place, value}] of what is sealed, as it is, in the order of places."""
        return cast(list[Row], self._ask("sealed_values", after=after, most=most))

    def reseal_values(self, batch: Sequence[Row]) -> int:
        """Put each {place, was, value} where it still is what it was; return how many did."""
        return cast(int, self._ask("reseal_values", batch=batch))

    def tidy(self) -> bool:
        """Forget what has run out; return False, as nothing is left."""
        self._ask("tidy_deliveries")
        return False

    def _sealed(self, endpoint: Row) -> Row:
        """Return what is told of an endpoint, what its headers say sealed; null says nothing."""
        told: dict[str, str | None] = endpoint.get("headers") or {}
        sealed = {name: value and self.vault.seal(value) for name, value in told.items()}
        return {**endpoint, "headers": sealed} if "headers" in endpoint else endpoint

    def _opened(self, headers: Mapping[str, str]) -> dict[str, str]:
        found = {name: self.vault.opened([value]) for name, value in headers.items()}
        return {name: values[0] for name, values in found.items() if values}

    def _row(self, function: str, **arguments: Any) -> Row:
        return cast(Row, self._ask(function, **arguments))

    def _found(self, function: str, **arguments: Any) -> Row | None:
        return cast(Row | None, self._ask(function, **arguments))

    def _ask(self, function: str, **arguments: Any) -> Any:
        return self.database.call(function, arguments)
