"""What customers were to be told, what is written down of telling it, and what they heard."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.chaos.author import CONVERSATION
from tests.chaos.listeners import listeners
from tests.receivers import Call

# Every message that is committed, whatever becomes of its row.
WATCH = """
create table private.chaos_said (conversation_id text, origin text, content text, status text);
create function private.chaos_hear() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into private.chaos_said
    values (new.conversation_id, new.origin, new.content, coalesce(new.status, 'RECEIVED'));
    return null;
end
$$;
create trigger chaos_hear after insert or update of status on public.conversation_messages
for each row execute function private.chaos_hear()
"""
SAID = """
select distinct s.conversation_id, s.origin, s.content, s.status
from private.chaos_said s join public.conversations using (conversation_id)
"""
FACTS = """
select 'feedback.created:' || f.id
from public.feedback_sessions f join public.conversations c on c.id = f.conversation_id
union all
select 'qualification.updated:' || q.id || ':' || q.version
from public.qualification_data q join public.conversations using (conversation_id)
"""
DELIVERIES = """
select d.webhook_id, d.event_type, d.state, substring(e.url from '[^/]*$'), o.key, o.payload,
    c.conversation_id
from public.webhook_deliveries d
join public.webhook_endpoints e on e.id = d.endpoint_id
join private.outgoing_events o on o.id = d.event_id
left join public.conversations c on c.id::text = o.payload ->> 'conversation_id'
"""

Said = tuple[str, str, str, str]
"""A conversation, a message's origin, what was said, and its status."""
Heard = tuple[str, str]
"""An endpoint's name, and a webhook's id."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for an endpoint."""

    webhook_id: str
    event_type: str
    state: str
    endpoint: str
    key: str
    payload: Any
    conversation: str | None

    @property
    def fact(self) -> str:
        """What it tells of."""
        if not self.event_type.startswith("message."):
            return self.key
        data = self.payload["data"]
        return _message(str(self.conversation), data["content"], data["status"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What the database holds: what was said and found out, and of telling it."""

    said: Sequence[Said]
    facts: Set[str]
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Facts, webhooks' ids and bodies with which something is wrong; empty when nothing is."""

    untold: set[str] = field(default_factory=set)
    told_twice: set[str] = field(default_factory=set)
    never_happened: set[str] = field(default_factory=set)
    misdirected: set[str] = field(default_factory=set)
    undelivered: set[Heard] = field(default_factory=set)
    unheard: set[Heard] = field(default_factory=set)
    unknown: set[Heard] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)


def watch(database_url: str) -> None:
    """Have the database note every message, from now on."""
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(WATCH)


def read(database_url: str) -> Outbox:
    """Read everything there is."""
    with psycopg.connect(database_url) as db:
        return Outbox(
            said=db.execute(SAID).fetchall(),
            facts={row[0] for row in db.execute(FACTS)},
            deliveries=[Delivery(*row) for row in db.execute(DELIVERIES)],
        )


def settle(outbox: Outbox, written: Set[tuple[str, str]], calls: Sequence[Call]) -> Hearing:
    """Compare: whatever was committed is told once to each who listens, and has been heard.

    `written` is the content and status of what the author knows to be committed.
    """
    events = {delivery.webhook_id: delivery for delivery in outbox.deliveries}
    told = Counter(event.fact for event in events.values())
    said = _said(outbox.said, told.keys()) | {_message(CONVERSATION, *each) for each in written}
    queued = Counter((each.endpoint, each.webhook_id) for each in outbox.deliveries)
    heard = {(call.path.rpartition("/")[2], call.webhook_id) for call in calls}
    spoken = {event.fact for event in events.values() if event.event_type.startswith("message.")}
    rows = {_row(fact) for fact in outbox.facts}
    return Hearing(
        untold=(said | outbox.facts) - told.keys(),
        told_twice={fact for fact, times in told.items() if times > 1},
        never_happened=(spoken - said)
        | {fact for fact in told.keys() - spoken if _row(fact) not in rows},
        misdirected=_misdirected(outbox.deliveries),
        undelivered={
            (each.endpoint, each.webhook_id)
            for each in outbox.deliveries
            if each.state != "delivered"
        },
        unheard=queued.keys() - heard,
        unknown=heard - queued.keys(),
        changed=_changed(events, calls),
    )


def _message(conversation: str, content: str, status: str) -> str:
    return f"{conversation}: {content} {status}"


def _row(fact: str) -> str:
    """Return a fact without the version that a row had then; it may have another by now."""
    return ":".join(fact.split(":")[:2])


def _said(said: Iterable[Said], told: Set[str]) -> set[str]:
    """Return the messages to be told of: those of a transcript only where none was told live."""
    live: dict[str, set[str]] = defaultdict(set)
    lines: dict[str, set[str]] = defaultdict(set)
    added = set()
    for conversation, origin, content, status in said:
        message = _message(conversation, content, status)
        if origin == "api":
            added.add(message)
        else:
            (lines if origin == "transcript" else live)[conversation].add(message)
    for conversation in live.keys() | lines.keys():
        were_live, were_lines = live[conversation], lines[conversation]
        # It depends on whether the transcript came before the conversation was known.
        is_transcript = were_lines and (not were_live or told & were_lines == were_lines)
        added |= were_lines if is_transcript else were_live
    return added


def _misdirected(deliveries: Iterable[Delivery]) -> set[str]:
    """Return the events that were not told once to each of those who listen."""
    directed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in deliveries:
        directed[each.webhook_id, each.event_type].append(each.endpoint)
    return {
        webhook_id
        for (webhook_id, event_type), endpoints in directed.items()
        if sorted(endpoints) != sorted(listeners(event_type))
    }


def _changed(events: Mapping[str, Delivery], calls: Iterable[Call]) -> set[str]:
    """Return the webhooks that were heard with several bodies, or another than was stored."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for call in calls:
        bodies[call.webhook_id].add(call.body)
    return {
        webhook_id
        for webhook_id, heard in bodies.items()
        if webhook_id in events
        and (len(heard) > 1 or json.loads(min(heard)) != events[webhook_id].payload)
    }
