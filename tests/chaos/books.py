"""What the database holds in the end, and how it compares with what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg

from tests.chaos.load import Load
from tests.chaos.story import Effect, Told

# How often an event left the states in which it is somebody's to handle.
WATCH = """
create table private.chaos_finished (event_id uuid);
create function private.chaos_note() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into private.chaos_finished values (new.id);
    return null;
end
$$;
create trigger chaos_note after update of state on private.webhook_inbox for each row
when (old.state in ('received', 'failed') and new.state not in ('received', 'failed'))
execute function private.chaos_note()
"""
FINISHED_TWICE = """
select i.headers ->> 'x-request-id' from private.chaos_finished f
join private.webhook_inbox i on i.id = f.event_id group by i.id having count(*) > 1
"""
ERRORS = "select left(split_part(error, E'\\n', 1), 90) from private.event_attempts"
INBOX = "select headers ->> 'x-request-id', state from private.webhook_inbox"
KNOWN = "select conversation_id from public.conversations"
EFFECTS = {
    "stream": """
        select conversation_id, event_type,
            coalesce(event_data ->> 'seq', event_data ->> 'tool_call_id')
        from public.processed_webhook_events
        where event_type <> 'conversation.message.updated'""",
    "message": """
        select conversation_id, content from public.conversation_messages where origin <> 'api'""",
    "transcript": """
        select conversation_id from public.conversation_messages
        where origin = 'transcript' and position = 0""",
    "call": """
        select conversation_id, tool_call_id from public.tool_calls where arguments is not null""",
    "report": "select conversation_id, tool_call_id from public.tool_calls where reported",
    "completion": """
        select conversation_id, jsonb_object_keys(variables)
        from private.objective_completions""",
    "qualification": """
        select conversation_id, jsonb_object_keys(output_variables)
        from public.qualification_data""",
    "feedback": """
        select c.conversation_id from public.feedback_sessions f
        join public.conversations c on c.id = f.conversation_id""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the database holds of every event."""

    stored: Counter[str]
    states: dict[str, str]
    effects: Counter[Effect]
    known: set[str]
    finished_twice: set[str]
    errors: Counter[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The names of events, or the effects, with which something is wrong; empty when nothing is."""

    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    halves: set[str] = field(default_factory=set)
    misplaced: set[str] = field(default_factory=set)
    strange: set[Effect] = field(default_factory=set)


def watch(database_url: str) -> None:
    """Have the database note every event that is finished, from now on."""
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(WATCH)


def read(database_url: str) -> Books:
    """Read everything there is."""
    with psycopg.connect(database_url) as db:
        inbox = db.execute(INBOX).fetchall()
        return Books(
            stored=Counter(name for name, _ in inbox),
            states=dict(inbox),
            effects=Counter(
                (table, *row) for table, query in EFFECTS.items() for row in db.execute(query)
            ),
            known={row[0] for row in db.execute(KNOWN)},
            errors=Counter(row[0] for row in db.execute(ERRORS)),
            finished_twice={row[0] for row in db.execute(FINISHED_TWICE)},
        )


def settle(load: Load, books: Books) -> Account:
    """Compare: each event that is stored has each of its effects once, and no other is there."""
    sent, counts = load.sent, books.effects
    stored = [sent[name] for name in books.stored]
    incomplete = {told.name for told in stored if min(_times(told, books)) == 0}
    return Account(
        lost=(load.acknowledged - books.stored.keys()) | (incomplete & load.acknowledged),
        halves=incomplete - load.acknowledged,
        doubled=books.finished_twice
        | {name for name, times in books.stored.items() if times > 1}
        | {told.name for told in stored if max(_times(told, books)) > 1},
        misplaced={told.name for told in stored if books.states[told.name] != _state(told, books)},
        strange=counts.keys() - set(_all_effects(sent.values())),
    )


def _times(told: Told, books: Books) -> list[int]:
    is_known = told.conversation in books.known
    wanted = told.effects + (told.effects_when_known if is_known else ())
    return [books.effects[effect] for effect in wanted]


def _state(told: Told, books: Books) -> str:
    return "processed" if told.conversation in books.known else "unmatched"


def _all_effects(told: Iterable[Told]) -> Iterable[Effect]:
    return (effect for each in told for effect in each.effects + each.effects_when_known)
