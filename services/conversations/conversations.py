"""Conversations that people start here: our row first, then Tavus, then the join URL.

Whatever fails on the way, and wherever the process may die, no row stays between two states and
nothing runs at Tavus that nobody was told of; `orphans.py` does what cannot be done at once. A
conversation that Tavus made but we could not store is ended: its person got an error instead of
the join URL, and an empty room holds one of the account's places.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlencode
from uuid import UUID

import structlog
from pydantic import BaseModel, Field, ValidationError

from services.clients.api import ApiRefused
from services.clients.tavus import TavusClient
from services.conversations.orphans import FIRST_LOOK, Orphans, end
from services.conversations.request import NewConversation
from services.database import Database, DatabaseRefused, execute
from services.errors import (
    BadGateway,
    Conflict,
    ConvohooksError,
    Unavailable,
    Unprocessable,
)
from services.limits.limits import Limit
from services.people import Person
from services.security import callback_token, sha256_hex
from services.settings import Settings

CALLBACK_PATH = "/api/tavus/webhook"
LONGEST_REQUEST = 120.0
"""Seconds after which no request can still be at work, whatever it waited for."""
PATIENCE = 5.0
"""Seconds that a caller who gets an error anyway waits for an orphan to be ended."""
OVER = frozenset({"ended", "completed", "failed"})
WRONG_FIELD = (400, 404, 422)
TOO_MANY = "You have started as many conversations as you may in an hour."
# Tavus may repeat our callback URL in a sentence, cut off anywhere; its own ids are shorter.
SECRET = re.compile(r"[0-9a-fA-F]{17,}")

log = structlog.get_logger()

Row = dict[str, Any]


class Started(BaseModel):
    """What Tavus answers; the rest of it is not needed."""

    # Dots alone would be another address, and jsonb takes no NUL.
    conversation_id: str = Field(max_length=255, pattern=r"^[^\s\x00]*[^\s\x00.][^\s\x00]*$")
    conversation_url: str = Field(max_length=2048, pattern=r"^https?://[^\s\"'<>\x00]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """Starts and ends conversations. `base_url` is where Tavus reaches this service by now."""

    settings: Settings
    database: Database
    tavus: TavusClient
    orphans: Orphans
    limit: Limit
    base_url: Callable[[], str]

    def start(self, person: Person, wanted: NewConversation, key: str | None = None) -> Row:
        """Start a conversation; return its row, which has the join URL.

        With a `key` the same request is answered with the same conversation. Raises Unprocessable,
        TooManyRequests, Conflict, BadGateway, Unavailable.
        """
        self._require_setup()
        self._check_visible(person, wanted)
        refusal = self.limit.count(TOO_MANY, "conversations", str(person.id))
        if refusal:
            raise refusal
        begun = self._begin(person, wanted, key)
        if begun["outcome"] != "begun":
            return _earlier(begun)
        started = self._ask(begun["id"], wanted)
        return self._place(begun["id"], started)

    def end(self, row: Row) -> None:
        """End the conversation of a row. Raises Conflict, BadGateway, Unavailable."""
        if row["status"] in OVER:
            return
        if row["conversation_id"] is None:
            raise Conflict("The conversation is still being started; try again in a moment.")
        end(self.tavus, row["conversation_id"])
        self.database.note_end(row["conversation_id"])

    def _require_setup(self) -> None:
        missing = {
            "TAVUS_API_KEY": self.settings.tavus_api_key,
            "CALLBACK_SIGNING_KEY": self.settings.callback_signing_keys,
        }
        for name, value in missing.items():
            if not value:
                raise BadGateway(f"This service cannot start conversations: {name} is not set.")

    def _check_visible(self, person: Person, wanted: NewConversation) -> None:
        """Raise Unprocessable for a scenario or a demo that its person cannot see."""
        reads = self.database.as_person(person.token)
        if wanted.scenario_id is not None:
            scenario = str(wanted.scenario_id)
            if not execute(reads.from_("scenarios").select("id").eq("id", scenario)).data:
                raise Unprocessable("scenario_id: There is no such scenario.")
        if wanted.demo_id is not None and self._has_demo(wanted.demo_id):
            videos = reads.from_("demo_videos").select("id").eq("demo_id", wanted.demo_id)
            if not execute(videos.limit(1)).data:
                raise Unprocessable("demo_id: There is no such demo.")

    def _has_demo(self, demo_id: str) -> bool:
        try:
            return self.database.has_demo(demo_id)
        except DatabaseRefused as error:
            raise _unfit(error) from None

    def _begin(self, person: Person, wanted: NewConversation, key: str | None) -> Row:
        request_hash = sha256_hex(wanted.model_dump_json().encode())
        row = {**wanted.for_row(), "user_id": str(person.id)}
        try:
            return self.database.begin_conversation(row, key, request_hash, LONGEST_REQUEST)
        except DatabaseRefused as error:
            raise _unfit(error) from None

    def _ask(self, ref: str, wanted: NewConversation) -> Started:
        """Ask Tavus for the conversation of a row; when there is none, fail the row."""
        body = {**wanted.for_tavus(), "callback_url": self._callback_url(ref)}
        try:
            return Started.model_validate(self.tavus.post("/conversations", body))
        except ValidationError:
            self._lose(ref, BadGateway("Tavus answered without a conversation."))
        except ConvohooksError as error:
            error.detail = SECRET.sub("…", error.detail)
            if _may_have_worked(error):
                self._lose(ref, error)
            self._fail(ref, "refused_by_tavus")
            raise _refusal(error) from None

    def _callback_url(self, ref: str) -> str:
        token = callback_token(self.settings.callback_signing_keys[0], UUID(ref))
        return f"{self.base_url()}{CALLBACK_PATH}?{urlencode({'c': ref, 't': token})}"

    def _lose(self, ref: str, error: ConvohooksError) -> NoReturn:
        """Fail a row whose conversation may run at Tavus all the same, and look for that."""
        self._fail(ref, "no_answer_from_tavus", FIRST_LOOK)
        looking = threading.Thread(target=self._look, args=(ref,), daemon=True)
        looking.start()
        looking.join(PATIENCE)
        raise error from None

    def _look(self, ref: str) -> None:
        try:
            self.orphans.look(ref)
        except ConvohooksError as error:
            log.warning("orphan not looked for", row_id=ref, reason=error.detail)

    def _fail(self, ref: str, reason: str, look_seconds: float | None = None) -> None:
        try:
            self.database.fail_conversation(ref, reason, look_seconds)
        except ConvohooksError as error:
            # Unfinished as it is, the worker will find it.
            log.warning("conversation left unfinished", row_id=ref, reason=error.detail)

    def _place(self, ref: str, started: Started) -> Row:
        """Return the row, tied to its conversation; else end the conversation, and fail."""
        try:
            placed = self._store(ref, started)
        except ConvohooksError as error:
            self._abandon(ref, started.conversation_id)
            # Where ending it failed too, the worker does it soon.
            detail = f"The conversation could not be stored and is ended again: {error.detail}"
            raise Unavailable(detail) from error
        if placed["outcome"] == "late":
            self._abandon(ref, started.conversation_id)
            raise Unavailable("Starting the conversation took too long; it was ended again.")
        if placed["outcome"] == "taken":
            # It is somebody's: not for us to end.
            self._fail(ref, "refused_by_tavus")
            raise BadGateway("Tavus answered with a conversation that is there already.")
        row: Row = placed["row"]
        return row

    def _store(self, ref: str, started: Started) -> Row:
        store = self.database.place_conversation
        try:
            return store(ref, started.conversation_id, started.conversation_url)
        except Unavailable:
            # Storing it twice is storing it once.
            return store(ref, started.conversation_id, started.conversation_url)

    def _abandon(self, ref: str, conversation_id: str) -> None:
        look_seconds = None
        try:
            end(self.tavus, conversation_id)
        except ConvohooksError as error:
            look_seconds = FIRST_LOOK
            log.warning("conversation not ended", row_id=ref, reason=error.detail)
        self._fail(ref, "not_stored", look_seconds)


def _unfit(error: DatabaseRefused) -> ConvohooksError:
    """Return what is wrong with a request that the database refuses; else the refusal itself."""
    if error.code == "23503":
        return Unprocessable("The account or the scenario is gone.")
    if error.code.startswith("22"):
        # In a database that was there before, a demo's id may be of another type than text.
        return Unprocessable("demo_id: This database holds no such value.")
    return error


def _earlier(begun: Row) -> Row:
    """Return the conversation that the same request began before."""
    if begun["outcome"] == "placed":
        row: Row = begun["row"]
        return row
    if begun["outcome"] == "other":
        raise Unprocessable("Idempotency-Key: It was used for another request.")
    raise Conflict("The same request is still at work; try again in a moment.")


def _may_have_worked(error: ConvohooksError) -> bool:
    """Return whether Tavus may have made a conversation though this is what came back."""
    if isinstance(error, ApiRefused):
        return not 400 <= error.vendor_status < 500 or error.vendor_status == 408
    return isinstance(error, Unavailable)


def _refusal(error: ConvohooksError) -> ConvohooksError:
    if isinstance(error, ApiRefused) and error.vendor_status in WRONG_FIELD:
        return Unprocessable(error.detail)
    return error
