"""The database's side of the state machine: how it is called, read, and held against the model."""

from __future__ import annotations

from typing import Any

import psycopg
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant
from psycopg.types.json import Jsonb

from services.retry import next_wait
from tests.database.events import rows
from tests.database.inbox_model import Model, Stored

FAR = 86_400.0
"""Seconds of a lease or a wait: none ends by itself while a history runs."""
TABLES = (
    "private.webhook_inbox, private.rejected_events, private.conversation_facts,"
    " public.conversations, public.conversation_messages, public.processed_webhook_events"
)

INBOX = """
select i.event_key as key, i.conversation_id as conversation, i.state, i.attempts,
    i.attempts_before as before, i.claim_id::text as claim,
    i.state in ('received', 'failed') and i.next_attempt_at <= now() as is_due,
    i.pruned_at is not null as is_pruned, i.effects is not null as is_waiting,
    (select count(*) from private.event_attempts a where a.event_id = i.id) as failures
from private.webhook_inbox i order by i.event_key
"""
WRITTEN = """
select
    (select coalesce(array_agg(message_id order by message_id), '{}')
        from public.conversation_messages) as said,
    (select coalesce(array_agg(event_data ->> 'fact' order by event_data ->> 'fact'), '{}')
        from public.processed_webhook_events) as shown,
    (select coalesce(array_agg(k order by k), '{}')
        from public.conversations c, jsonb_object_keys(c.tavus_metadata) k) as merged,
    (select coalesce(sum(times), 0) from private.rejected_events) as rejected,
    (select array_agg(r order by r) from (
        select to_jsonb(c)::text as r from public.conversations c
        union all select to_jsonb(m)::text from public.conversation_messages m
        union all select to_jsonb(e)::text from public.processed_webhook_events e
    ) r) as everything
"""


def effects(key: str, kind: str) -> dict[str, Any]:
    """Return a message, and a word about the conversation; a poison breaks one of the two."""
    message = {"message_id": key, "role": "user", "content": key}
    change: dict[str, Any] = {"metadata_key": key, "metadata": {"said": key}}
    if kind == "poison":
        return {"messages": [{**message, "confidence": "?"}]}
    if kind == "late poison":
        change["started_at"] = "no time"
    return {"messages": [message], "conversation": change}


def projections(key: str) -> list[dict[str, Any]]:
    """Return what browsers see of an event."""
    return [{"event_type": "shown", "event_data": {"fact": key}}]


class Machine(RuleBasedStateMachine):
    """An inbox, its model, and what is true of both after every step."""

    def __init__(self, db: psycopg.Connection) -> None:
        super().__init__()
        self.db = db
        self.model = Model()
        self.ids: dict[str, str] = {}
        self.sent: dict[str, dict[str, Any]] = {}
        self.claims: list[str] = []
        self.rejected = 0
        self.before: tuple[list[Any], Any] = ([], None)
        db.execute("reset role")
        db.execute(f"truncate {TABLES} cascade")

    def call(self, sql: str, *arguments: Any) -> Any:
        """Call a function as the service does: in one transaction, as service_role."""
        with self.db.transaction():
            self.db.execute("set local role service_role")
            row = self.db.execute(sql, list(arguments)).fetchone()
        assert row is not None
        return row[0]

    def stop_clock(self) -> None:
        """Put far off what is not due yet, so that only `time_passes` makes it so."""
        self.db.execute(
            "update private.webhook_inbox set next_attempt_at = now() + interval '1 day'"
            " where state = 'failed' and next_attempt_at > now()"
        )

    def pick(self, n: int) -> Stored:
        events = list(self.model.events.values())
        return events[n % len(events)]

    def finish(self, claim: str, stored: Stored, handled: dict[str, Any]) -> str:
        retry_seconds = None if next_wait(stored.tries) is None else FAR
        item = {"id": self.ids[stored.key], "retry_seconds": retry_seconds, **handled}
        [answer] = self.call("select public.finish_events(%s, %s)", claim, Jsonb([item]))
        note(f"{stored.key}: {answer['outcome']}")
        return str(answer["outcome"])

    @invariant()
    def inbox_is_as_the_model_says(self) -> None:
        expected = [
            {
                "key": e.key, "conversation": e.conversation, "state": e.state,
                "attempts": e.attempts, "before": e.before, "claim": e.claim, "is_due": e.is_due,
                "is_pruned": e.is_pruned, "is_waiting": e.waiting is not None,
                "failures": e.failures,
            }
            for _, e in sorted(self.model.events.items())
        ]  # fmt: skip
        assert rows(self.db, INBOX) == expected

    @invariant()
    def effects_are_there_exactly_once(self) -> None:
        [written] = rows(self.db, WRITTEN)
        expected = [sorted(self.model.said), sorted(self.model.shown), sorted(self.model.merged)]

        assert [written["said"], written["shown"], written["merged"]] == expected
        assert written["rejected"] == self.rejected

        facts = [*expected, sorted(self.model.known)]
        if facts == self.before[0]:  # no effect was due, so no row, no version may have changed
            assert written["everything"] == self.before[1]
        self.before = (facts, written["everything"])
