"""Finds everything of a person in the database: what names them, and what names that in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.database import Database
from services.erasure.places import PLACES, Item, conversation_of, item_of, links_of, marks_of
from services.erasure.subject import (
    SHORTEST_NAME,
    Subject,
    body_of,
    identifier,
    is_any_named,
    rough,
)
from services.errors import Conflict

SECONDS = 2.0
"""How long one look into a table may take; then it is asked for the rest."""
AT_ONCE = 40
"""Names that one pattern holds."""

Progress = Callable[[str], None]


@dataclass(slots=True)
class Plan:
    """What is to be erased. `subjects` are all names by which the person was found."""

    subjects: list[Subject] = field(default_factory=list)
    conversations: dict[str, Item] = field(default_factory=dict)
    """By the sender's id, else by that of our row."""
    others: dict[str, Item] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Of records that are not to come back."""

    @property
    def items(self) -> list[Item]:
        """Return it in the order in which it goes: that in which everybody locks."""
        return [
            *self.others.values(),
            *(self.conversations[key] for key in sorted(self.conversations)),
        ]

    def has(self, conversation: Item) -> bool:
        """Whether a conversation is among those to be erased."""
        known = {item.get("ref") for item in self.conversations.values()}
        return conversation.get("conversation_id") in self.conversations or (
            conversation.get("ref") in known - {None}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Looks for one subject."""

    database: Database
    progress: Progress = lambda table: None

    def find(self, subject: Subject, known: Iterable[Subject] = ()) -> Plan:
        """Return what there is of somebody. Raises Conflict for a number of ours, Unavailable.

        `known` are names of theirs that an earlier search has found: what told them may be gone.
        """
        plan = Plan(subjects=[subject, *(one for one in known if one != subject)])
        self._add_conversations(plan, subject)
        if subject.kind != "conversation":
            for table, row in self._rows([subject]):
                self._add(plan, subject, table, row)
        self._follow(plan)
        return plan

    def _add_conversations(self, plan: Plan, subject: Subject) -> None:
        if subject.kind == "conversation":
            found = self._conversations(name=subject.value)
            # One that has no row may have events all the same.
            for item in found["conversations"] or [{"conversation_id": subject.value}]:
                _put(plan, item)
            return
        found = self._conversations(**{subject.kind: subject.value})
        if found["is_ours"]:
            raise Conflict(
                f"{subject.value} is a number of ours (phone_numbers): everybody who called it"
                " would be erased. Name the caller's number."
            )
        for item in found["conversations"]:
            _put(plan, item)

    def _conversations(self, **wanted: str) -> dict[str, Any]:
        arguments = {"name": None, "email": None, "phone": None, **wanted}
        found: dict[str, Any] = self.database.call("find_conversations", arguments)
        return found

    def _add(self, plan: Plan, subject: Subject, table: str, row: Mapping[str, Any]) -> None:
        """Take a row that names the person themselves: then its whole conversation is theirs."""
        place = PLACES[table]
        if conversation := conversation_of(place, row):
            if "conversation_id" not in conversation:
                known = self._conversations(name=conversation["ref"])["conversations"]
                conversation = known[0] if known else conversation
            _put(plan, conversation)
        else:
            self._put_row(plan, table, row)
        if table == "private.webhook_inbox" and subject.is_named_in(row["event_key"]):
            plan.others[f"event {row['id']}"] = {"kind": "event", "id": row["id"], "rename": True}

    def _follow(self, plan: Plan) -> None:
        """Look for what names the things found, until nothing new comes of it."""
        looked_for: set[str] = set()
        while wanted := sorted(_names(plan) - looked_for):
            looked_for.update(wanted)
            for n in range(0, len(wanted), AT_ONCE):
                some = [identifier(name) for name in wanted[n : n + AT_ONCE]]
                plan.subjects += some
                for table, row in self._rows(some):
                    conversation = conversation_of(PLACES[table], row)
                    # Somebody else's talk may mention a name; it stays theirs.
                    if conversation is None:
                        self._put_row(plan, table, row)

    def _put_row(self, plan: Plan, table: str, row: Mapping[str, Any]) -> None:
        place, item = PLACES[table], item_of(table, PLACES[table], row)
        key = f"event {item['id']}" if item["kind"] == "event" else f"{table} {item['key']}"
        plan.others.setdefault(key, item)
        plan.names.update(marks_of(table, place, row))
        for name in links_of(place, row):
            plan.subjects.append(identifier(name))

    def _rows(self, subjects: list[Subject]) -> Iterator[tuple[str, dict[str, Any]]]:
        pattern = rough(subjects)
        at: dict[str, int] | None = {"place": 1, "block": 0}
        while at is not None:
            self.progress(f"place {at['place']} of {len(PLACES)}")
            arguments = {"pattern": pattern, "seconds": SECONDS, **at}
            found = self.database.call("search_rows", arguments)
            for table, row in ((one["table"], _readable(one["row"])) for one in found["rows"]):
                if not _is_erased(row) and is_any_named(subjects, row):
                    yield table, row
            at = found["next"]


def _put(plan: Plan, item: Item) -> None:
    key = item.get("conversation_id") or item["ref"]
    named = {name: value for name, value in item.items() if value is not None}
    plan.conversations.setdefault(key, {**named, "kind": "conversation"})


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    # An sms has a body too, as text.
    return {**row, "body": body_of(row["body"])} if "body_sha256" in row else row


def _names(plan: Plan) -> set[str]:
    found = {subject.value for subject in plan.subjects if subject.kind == "id"}
    for item in plan.conversations.values():
        found |= {item[name] for name in ("conversation_id", "ref") if name in item}
    return {name for name in found if len(name) >= SHORTEST_NAME}


def _is_erased(row: Mapping[str, Any]) -> bool:
    """Whether a row is what is left of an event: its key, which alone may still name a thing."""
    return (
        "event_key" in row
        and row.get("pruned_at") is not None
        and not row.get("body")
        and row.get("conversation_id") is None
    )
