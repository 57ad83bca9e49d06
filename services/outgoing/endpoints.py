"""What people do with their endpoints: the URLs that are told of what happens here.

Reads are made with a person's own token. An admin reads every endpoint, but changes only their own.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.database import Database, DatabaseRefused, execute
from services.egress import AddressRefused, Egress
from services.errors import Conflict, NotFound, Unprocessable
from services.outgoing.endpoint_request import EndpointChange, EventType, NewEndpoint
from services.outgoing.samples import sample
from services.outgoing.store import OutgoingStore
from services.people import Person

MOST = 200
"""Endpoints that one person may have."""
SECRET_BYTES = 24
FOREIGN_KEY = "23503"
LOCAL = "WEBHOOK_ALLOW_LOCAL=1 allows http to loopback addresses, for development."

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Makes, changes and tests endpoints, and sends again what they missed."""

    database: Database
    store: OutgoingStore
    egress: Egress

    def create(self, person: Person, wanted: NewEndpoint) -> Row:
        """Make an endpoint; return its row with its `secret`, which nobody is shown again.

        Raises Unprocessable, Conflict, Unavailable.
        """
        check_url(self.egress, wanted.url, "url")
        secret = new_secret()
        try:
            made = self.store.create_endpoint(str(person.id), wanted.model_dump(), secret, MOST)
        except DatabaseRefused as error:
            if error.code == FOREIGN_KEY:
                raise Unprocessable("The account is gone.") from None
            raise
        if made["outcome"] == "too_many":
            raise Conflict(f"You have {MOST} endpoints; more are not allowed.")
        return {**made["row"], "secret": secret}

    def find(self, person: Person, endpoint_id: str) -> Row:
        """Return an endpoint that a person may read. Raises NotFound, Unavailable."""
        return self._first(self._rows(person, endpoint_id))

    def change(self, person: Person, endpoint_id: str, change: EndpointChange) -> Row:
        """Change the fields that were sent; return the row. Raises like `create`, and NotFound."""
        row = self._own(person, endpoint_id)
        fields = change.fields()
        if "url" in fields:
            check_url(self.egress, fields["url"], "url")
        _check_kept(fields.get("headers", {}), row["headers"])
        if not fields:
            return row
        return _there(self.store.change_endpoint(str(person.id), endpoint_id, fields))

    def delete(self, person: Person, endpoint_id: str) -> None:
        """Remove an endpoint with its deliveries. Raises NotFound, Unavailable."""
        if not self.store.delete_endpoint(str(person.id), endpoint_id):
            raise _missing()

    def rotate(self, person: Person, endpoint_id: str, overlap: int) -> Row:
        """Sign with a new secret; return it, and when the older ones stop signing beside it.

        Raises NotFound, Unavailable.
        """
        secret = new_secret()
        expires_at = datetime.now(UTC) + timedelta(seconds=overlap)
        if not self.store.rotate_secret(str(person.id), endpoint_id, secret, overlap):
            raise _missing()
        return {"secret": secret, "previous_expires_at": expires_at}

    def test(self, person: Person, endpoint_id: str, event_type: EventType | None) -> Row:
        """Queue a sample, of the first type that it listens to unless told; return the delivery.

        Raises NotFound, Conflict (it is disabled), Unavailable.
        """
        endpoint = self._enabled(person, endpoint_id)
        kind = event_type or (endpoint["event_types"] or ["message.created"])[0]
        payload = sample(kind, endpoint["conversation_id"])
        queued = self.store.test_endpoint(str(person.id), endpoint_id, kind, payload)
        if queued is None:
            raise _disabled()
        return queued

    def resend(self, person: Person, endpoint_id: str, delivery_id: str) -> Row:
        """Send a delivery again under its webhook-id; return it. Raises like `test`."""
        self._enabled(person, endpoint_id)
        again = self.store.resend(str(person.id), endpoint_id, delivery_id)
        if again is None:
            raise NotFound("There is no such delivery to this endpoint.")
        return again

    def resend_failed(self, person: Person, endpoint_id: str, since: datetime) -> int:
        """Send again what failed for good since a time; return how many. Raises like `test`."""
        self._enabled(person, endpoint_id)
        return self.store.resend_failed(str(person.id), endpoint_id, since.isoformat())

    def _enabled(self, person: Person, endpoint_id: str) -> Row:
        row = self._own(person, endpoint_id)
        if row["disabled"]:
            raise _disabled()
        return row

    def _own(self, person: Person, endpoint_id: str) -> Row:
        return self._first(self._rows(person, endpoint_id).eq("user_id", str(person.id)))

    def _rows(self, person: Person, endpoint_id: str) -> Any:
        reads = self.database.as_person(person.token).from_("webhook_endpoints")
        return reads.select("*").eq("id", endpoint_id)

    def _first(self, rows: Any) -> Row:
        return _there(next(iter(execute(rows).data), None))


def new_secret() -> str:
    """Return a secret as Standard Webhooks has them.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_url(egress: Egress, url: str, field: str) -> None:
    """Raise Unprocessable, naming the field, for a URL that is refused as it is written."""
    try:
        egress.check(url)
    except AddressRefused as error:
        hint = f" {LOCAL}" if url[:5].lower() == "http:" else ""
        raise Unprocessable(f"{field}: {error.detail}{hint}") from None


def _check_kept(told: Mapping[str, str | None], kept: Mapping[str, None]) -> None:
    """Raise Unprocessable for a header that is to stay as it is, and is not there."""
    if any(value is None and name not in kept for name, value in told.items()):
        raise Unprocessable("headers: null keeps what a header says, and one of them is new.")


def _there(row: Row | None) -> Row:
    if row is None:
        raise _missing()
    return row


def _missing() -> NotFound:
    return NotFound("There is no such endpoint of yours.")


def _disabled() -> Conflict:
    return Conflict("The endpoint is disabled; enable it first: PATCH {disabled: false}.")
