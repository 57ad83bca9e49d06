"""Whatever is received, claimed, lost, replayed and removed in whatever order: the inbox agrees
with a small model of it after every step.

MACHINE_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from tests.database.events import event, make_conversation, receive
from tests.database.inbox_machine import FAR, Machine, effects, projections
from tests.database.inbox_model import OPEN, Stored

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "60"))
CONVERSATIONS = ["c0", "c1"]
KINDS = st.sampled_from(["good", "good", "poison", "late poison"])
ANY = st.integers(0, 30)


class Inbox(Machine):
    """Two workers, a sender, an admin, crashes and the clock, one step at a time."""

    # The sender

    @rule(
        state=st.sampled_from(["processed", "processed", "received", "failed", "ignored"]),
        conversation=st.sampled_from([*CONVERSATIONS, *CONVERSATIONS, None]),
        kind=KINDS,
        times=st.sampled_from([1, 1, 2]),
    )
    def event_comes(self, state: str, conversation: str | None, kind: str, times: int) -> None:
        key = f"e{len(self.sent):03}"
        is_handled = state == "processed"
        self.sent[key] = event(
            conversation,
            key,
            event_key=key,
            event_type=f"type {len(self.sent) % 2}",
            state=state,
            received_at="2100-01-01T00:00:00+00:00",
            error="broken" if state == "failed" else None,
            effects=effects(key, kind) if is_handled else None,
            projections=projections(key) if is_handled else None,
            kind=kind,
        )
        self.send(key, times)

    @precondition(lambda self: self.sent)
    @rule(n=ANY)
    def event_comes_again(self, n: int) -> None:
        self.send(sorted(self.sent)[n % len(self.sent)], 1)

    def send(self, key: str, times: int) -> None:
        is_new = key not in self.model.events
        results = receive(self.db, *[self.sent[key]] * times)
        self.stop_clock()

        outcomes = [result["outcome"] for result in results]
        if is_new:
            self.ids[key] = results[0]["id"]
            assert outcomes.pop(0) == self.expect_new(self.sent[key])
        assert set(outcomes) <= {"duplicate"}

    def expect_new(self, sent: dict[str, Any]) -> str:
        key, conversation, state = sent["event_key"], sent.get("conversation_id"), sent["state"]
        stored = self.model.events[key] = Stored(key, conversation, state)
        if state == "received":
            stored.attempts, stored.is_due = 0, True
            return "deferred"
        if state == "failed" or (
            state == "processed" and self.model.fails(sent["kind"], conversation)
        ):
            self.model.fail(stored)
            return "failed"
        self.model.handle(stored, state, sent["kind"])
        return "new"

    @rule()
    def unreadable_event_comes(self) -> None:
        [result] = receive(self.db, event("c0", "?", rejected="It cannot be read."))

        self.rejected += 1
        assert result["outcome"] == "rejected"

    @rule(conversation=st.sampled_from(CONVERSATIONS))
    def conversation_becomes_known(self, conversation: str) -> None:
        if conversation not in self.model.known:
            make_conversation(self.db, conversation)
            self.stop_clock()
            self.model.adopt(conversation)

    # The workers

    @rule(most=st.integers(1, 4))
    def worker_claims(self, most: int) -> None:
        claim = str(uuid.uuid4())
        claimed = self.call("select public.claim_events(%s, %s, %s)", claim, most, FAR)

        due = {self.ids[stored.key]: stored for stored in self.model.due}
        assert len(claimed) == min(most, len(due))
        for item in claimed:
            stored = due[item["id"]]
            stored.claim, stored.is_due = claim, False
            stored.attempts += 1
            assert item["tries"] == stored.tries
        self.claims.append(claim)

    @precondition(lambda self: self.model.events)
    @rule(n=ANY)
    def time_passes(self, n: int) -> None:
        """An event's lease, or its wait, ends."""
        stored = self.pick(n)
        if stored.state in OPEN:
            stored.is_due = True
            self.db.execute(
                "update private.webhook_inbox set next_attempt_at = now() where id = %s",
                [self.ids[stored.key]],
            )

    @precondition(lambda self: self.claims)
    @rule(c=ANY)
    def worker_extends(self, c: int) -> None:
        claim = self.claims[c % len(self.claims)]
        extended = self.call("select public.extend_claim(%s, %s)", claim, FAR)

        held = [stored for stored in self.model.events.values() if stored.held_by(claim)]
        for stored in held:
            stored.is_due = False
        assert extended == len(held)

    @precondition(lambda self: self.claims and self.model.events)
    @rule(c=ANY, n=ANY, state=st.sampled_from(["processed", "processed", "ignored"]), kind=KINDS)
    def worker_finishes(self, c: int, n: int, state: str, kind: str) -> None:
        claim, stored = self.claims[c % len(self.claims)], self.pick(n)
        handled = {
            "state": state,
            "effects": effects(stored.key, kind) if state == "processed" else {},
            "projections": projections(stored.key) if state == "processed" else [],
        }
        outcome = self.finish(claim, stored, handled)

        if not stored.held_by(claim):
            assert outcome == "lost"
        elif state == "processed" and self.model.fails(kind, stored.conversation):
            self.model.fail(stored)
            assert outcome == stored.state
        else:
            self.model.handle(stored, state, kind)
            assert outcome == stored.state

    @precondition(lambda self: self.claims and self.model.events)
    @rule(c=ANY, n=ANY)
    def worker_fails(self, c: int, n: int) -> None:
        claim, stored = self.claims[c % len(self.claims)], self.pick(n)
        outcome = self.finish(claim, stored, {"error": "broken again"})

        if stored.held_by(claim):
            self.model.fail(stored)
            assert outcome == stored.state
        else:
            assert outcome == "lost"

    @precondition(lambda self: self.model.events)
    @rule(n=ANY, times=st.integers(2, 6))
    def event_fails_again_and_again(self, n: int, times: int) -> None:
        for _ in range(times):
            self.time_passes(n)
            self.worker_claims(100)
            self.worker_fails(-1, n)

    @precondition(lambda self: self.claims)
    @rule(c=ANY)
    def worker_crashes(self, c: int) -> None:
        """Nobody comes back with this claim."""
        self.claims.pop(c % len(self.claims))

    # The admin

    @precondition(lambda self: self.model.events)
    @rule(n=ANY)
    def admin_replays_one(self, n: int) -> None:
        stored = self.pick(n)
        self.expect_replayed({"id": self.ids[stored.key]}, lambda other: other is stored)

    @rule(state=st.sampled_from(["dead", "failed", "processed", "unmatched"]))
    def admin_replays_a_state(self, state: str) -> None:
        self.expect_replayed({"state": state}, lambda stored: stored.state == state)

    @rule(conversation=st.sampled_from(CONVERSATIONS))
    def admin_replays_a_conversation(self, conversation: str) -> None:
        self.expect_replayed(
            {"conversation_id": conversation}, lambda stored: stored.conversation == conversation
        )

    def expect_replayed(self, wanted: dict[str, str], matches: Callable[[Stored], bool]) -> None:
        replayed = self.call("select public.replay_events(%s)", Jsonb(wanted))
        matching = [stored for stored in self.model.events.values() if matches(stored)]

        assert replayed == len(self.model.replay(matching))

    @rule(conversation=st.sampled_from(CONVERSATIONS))
    def admin_purges(self, conversation: str) -> None:
        purged = self.call(
            "select public.purge_events(%s)", Jsonb({"conversation_id": conversation})
        )
        matching = [s for s in self.model.events.values() if s.conversation == conversation]

        assert purged == self.model.remove(matching)

    @precondition(lambda self: self.model.events)
    @rule(n=ANY)
    def event_grows_old_and_is_pruned(self, n: int) -> None:
        stored = self.pick(n)
        stored.is_old = True
        self.db.execute(
            "update private.webhook_inbox set received_at = now() - interval '1 year'"
            " where id = %s",
            [self.ids[stored.key]],
        )
        self.call("select public.prune(30, 60, 100)")
        self.model.prune()


def test_inbox_agrees_with_its_model(sourced: str) -> None:
    with psycopg.connect(sourced, autocommit=True) as db:
        run_state_machine_as_test(
            lambda: Inbox(db),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
