"""Finds everything of a person in the database: what names them, and what names that in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.database import Database
from services.erasure.places import (
    PLACES,
    REQUEST,
    Item,
    conversation_of,
    has_in_column,
    item_of,
    links_of,
    marks_of,
    people_of,
    shared_of,
)
from services.erasure.subject import (
    Subject,
    body_of,
    column,
    identifier,
    is_any_named,
    is_telling,
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
    """By the sender's id, with its source where that names its own; else by that of our row."""
    owners: dict[str, str | None] = field(default_factory=dict)
    """Whose each of them is, where it has a row."""
    others: dict[str, Item] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Of records that are not to come back."""

    @property
    def items(self) -> list[Item]:
        """Return it in the order in which it goes: that in which everybody locks."""
        conversations = self.conversations.items()
        ordered = sorted(conversations, key=lambda one: one[1].get("conversation_id", one[0]))
        return [*self.others.values(), *(item for _, item in ordered)]

    @property
    def told(self) -> list[dict[str, Any]]:
        """Return each conversation with whose it is, for a person who is to decide."""
        return [
            {name: value for name, value in item.items() if name != "kind"}
            | {"user_id": self.owners.get(key)}
            for key, item in sorted(self.conversations.items())
        ]

    def has(self, conversation: Item) -> bool:
        """Whether a conversation is among those to be erased."""
        refs = {item.get("ref") for item in self.conversations.values()} - {None}
        known = {key for key, item in self.conversations.items() if "conversation_id" in item}
        own = f"{conversation.get('source')}/{conversation.get('conversation_id')}"
        return (
            conversation.get("ref") in refs
            or own in known
            or conversation.get("conversation_id") in known
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
            talks = [self._add(plan, subject, *found) for found in self._rows([subject])]
            self._identify(plan, [talk for talk in talks if talk])
        self._follow(plan, subject)
        return plan

    def _add_conversations(self, plan: Plan, subject: Subject) -> None:
        if subject.kind == "conversation":
            self._identify(plan, [{"kind": "conversation", "conversation_id": subject.value}])
            return
        arguments = {"name": None, "email": None, "phone": None, subject.kind: subject.value}
        found = self.database.call("find_conversations", arguments)
        if found["is_ours"]:
            raise Conflict(
                f"{subject.value} is a number of ours (phone_numbers): everybody who called it"
                " would be erased. Name the caller's number."
            )
        for item in found["conversations"]:
            _put(plan, item)

    def _identify(self, plan: Plan, talks: list[Item]) -> None:
        """Take conversations, each with the id and the owner that its row has."""
        names = {talk.get("conversation_id") or talk["ref"] for talk in talks}
        rows: dict[str, Item] = {}
        for some in _parts(sorted(names)):
            for row in self.database.call("conversations_named", {"names": some}):
                rows |= {row["ref"]: row, row["conversation_id"] or row["ref"]: row}
        for talk in talks:
            # One that has no row may have events all the same.
            name = talk.get("conversation_id") or talk["ref"]
            # The id of a row is the same in capitals.
            _put(plan, rows.get(name) or rows.get(name.lower(), talk))

    def _add(self, plan: Plan, subject: Subject, table: str, row: Mapping[str, Any]) -> Item | None:
        """Take a row that names the person; one of a conversation is returned: all of it goes."""
        conversation = conversation_of(PLACES[table], row)
        if conversation is None:
            self._put_row(plan, table, row)
        if table == "private.webhook_inbox" and subject.is_named_in(row["event_key"]):
            plan.others[f"event {row['id']}"] = {"kind": "event", "id": row["id"], "rename": True}
        return conversation

    def _follow(self, plan: Plan, subject: Subject) -> None:
        """Look for what names the things found, until nothing new comes of it."""
        looked_for: set[Subject] = set()
        while wanted := [one for one in _names(plan) if one not in looked_for]:
            looked_for.update(wanted)
            for some in _parts(wanted):
                plan.subjects += [one for one in some if one not in plan.subjects]
                for table, row in self._rows(some):
                    if _leads_to(subject, some, table, row):
                        self._put_row(plan, table, row)

    def _put_row(self, plan: Plan, table: str, row: Mapping[str, Any]) -> None:
        place, item = PLACES[table], item_of(table, PLACES[table], row)
        key = f"event {item['id']}" if item["kind"] == "event" else f"{table} {item['key']}"
        plan.others.setdefault(key, item)
        plan.names.update(marks_of(table, place, row))
        plan.subjects += map(_name, links_of(place, row))
        plan.subjects += map(column, shared_of(place, row))

    def _rows(self, subjects: list[Subject]) -> Iterator[tuple[str, dict[str, Any]]]:
        pattern = rough(subjects)
        is_person = subjects[0].kind in ("email", "phone")
        at: dict[str, Any] | None = {"place": 1, "after": None}
        while at is not None:
            self.progress(f"place {at['place']} of {len(PLACES)}")
            arguments = {"pattern": pattern, "seconds": SECONDS, **at}
            found = self.database.call("search_rows", arguments)
            for table, row in ((one["table"], _readable(one["row"])) for one in found["rows"]):
                # What is left of an event has a key: it may name a thing, but nobody.
                is_looked_at = is_person or row.get("erased_at") is None
                if is_looked_at and is_any_named(subjects, row):
                    yield table, row
            at = found["next"]


def _parts(names: Iterable[Any]) -> Iterator[list[Any]]:
    left = list(names)
    yield from (left[n : n + AT_ONCE] for n in range(0, len(left), AT_ONCE))


def _put(plan: Plan, item: Item) -> None:
    key = item.get("conversation_id") or item["ref"]
    key = f"{item['source']}/{key}" if "source" in item else key
    named = {name: value for name, value in item.items() if value is not None}
    owner = named.pop("user_id", None)
    plan.conversations.setdefault(key, {**named, "kind": "conversation"})
    plan.owners.setdefault(key, owner)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    # An sms has a body too, as text.
    return {**row, "body": body_of(row["body"])} if "body_sha256" in row else row


def _name(name: str) -> Subject:
    return identifier(name) if is_telling(name) else column(name)


def _names(plan: Plan) -> list[Subject]:
    found = {one for one in plan.subjects if one.kind in ("id", "column")}
    for item in plan.conversations.values():
        names = (item[name] for name in ("conversation_id", "ref") if name in item)
        # One that is a word of everybody's is known by the columns for it alone.
        found |= {identifier(name) for name in names if is_telling(name)}
    return sorted(found, key=lambda one: (one.kind, one.value))


def _leads_to(
    subject: Subject, names: Iterable[Subject], table: str, row: Mapping[str, Any]
) -> bool:
    """Whether a row that has one of these names is about what they name, and of nobody else."""
    place = PLACES[table]
    if conversation_of(place, row) is not None:
        # Somebody else's talk may mention a name; it stays theirs.
        return False
    people = people_of(place, row)
    return any(
        one.is_named_in(row)
        if one.kind == "id"
        else has_in_column(place, row, one.value)
        and (subject.is_named_in(people) or not (people or one.value.startswith(REQUEST)))
        for one in names
    )
