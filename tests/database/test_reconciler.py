"""The reconciler: what lost callbacks left open is asked of Tavus, and nothing else changes."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services import security
from services.chores.reconciled_events import UNKNOWN_REASON, secrets_of
from services.chores.reconciler import Reconciler
from services.clients.tavus import TavusClient
from services.database import Database
from services.errors import ConvohooksError, Unavailable
from services.events import WebhookEventProcessingService
from services.local.stack import LocalStack
from services.settings import Settings, load_settings
from services.writer import Writer
from tests.database.events import make_conversation, receive, rows
from tests.database.test_any_order import final_rows
from tests.database.test_any_order import row as callback_row
from tests.providers.tavus_samples import Rows
from tests.tavus_fake import LATE, FakeTavus, fake_tavus

TOKEN = "static-token-of-the-tests"
SIGNING_KEY = "signing-key-of-the-tests"
TRANSCRIPT = [
    {"role": "system", "content": "a secret prompt"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Hi, show me the demo."},
]
LOOK = "/conversations/[^/]+"


@pytest.fixture(name="tavus")
def _tavus() -> Iterator[FakeTavus]:
    with fake_tavus() as tavus:
        yield tavus


@pytest.fixture(name="settings")
def _settings(stack: LocalStack, tavus: FakeTavus) -> Settings:
    return load_settings(
        {
            **stack.env(),
            **tavus.settings(),
            "TAVUS_WEBHOOK_TOKEN": TOKEN,
            "CALLBACK_SIGNING_KEY": SIGNING_KEY,
        }
    )


@pytest.fixture(name="make")
def _make(settings: Settings) -> Iterator[Callable[..., Reconciler]]:
    made: list[Database] = []

    def make(**overrides: Any) -> Reconciler:
        database = Database(settings)
        made.append(database)
        wanted: dict[str, Any] = {
            "database": database,
            "tavus": TavusClient(settings),
            "events": WebhookEventProcessingService(lookups=Rows()),
            "writer": Writer(database.receive_events),
            "after": 300.0,
            "secrets": secrets_of(settings),
            **overrides,
        }
        return Reconciler(**wanted)

    yield make
    for database in made:
        database.close()


@pytest.fixture(autouse=True)
def _nothing_due(db: psycopg.Connection) -> None:
    """Take off the list what other tests left."""
    db.execute("delete from private.reconciliations")


class Call:
    """A conversation of ours at Tavus."""

    def __init__(self, db: psycopg.Connection, tavus: FakeTavus, age: str = "1 hour") -> None:
        self.db, self.tavus = db, tavus
        self.ref = make_conversation(db, None, status="active")
        token = security.callback_token(SIGNING_KEY, uuid.UUID(self.ref))
        url = f"https://hooks.example.test/api/tavus/webhook?c={self.ref}&t={token}"
        self.id = started(tavus, url)
        self.token = token
        db.execute(
            "update public.conversations set conversation_id = %s,"
            " created_at = now() - %s::interval where id = %s",
            [self.id, age, self.ref],
        )

    def happen(self) -> None:
        """Let the whole call happen at Tavus, without telling us."""
        self.tavus.add_event(self.id, "system.replica_joined", replica_id="r1")
        self.tavus.add_event(self.id, "system.pal_joined", face_id="r1")
        joined, twin = self.tavus.conversations[self.id]["events"]
        twin["timestamp"] = joined["timestamp"]
        self.tavus.end(self.id)
        self.tavus.add_event(self.id, "application.transcription_ready", transcript=TRANSCRIPT)
        self.tavus.add_event(self.id, "application.perception_analysis", analysis="They smiled.")

    def callbacks(self) -> list[dict[str, Any]]:
        """Return what Tavus would have called us with: other bytes, other precision of times."""
        events = json.loads(json.dumps(self.tavus.conversations[self.id]["events"]))
        for event in events:
            event["timestamp"] = event["timestamp"].replace("Z", "+00:00")
        return [dict(reversed(event.items())) for event in events]

    def receive(self, *events: dict[str, Any]) -> None:
        receive(self.db, *(callback_row(self.id, event) for event in events))

    def row(self) -> dict[str, Any]:
        [row] = rows(
            self.db, "select * from public.conversations where conversation_id = %s", self.id
        )
        return row

    def watched(self) -> dict[str, Any]:
        [row] = rows(
            self.db, "select * from private.reconciliations where conversation_id = %s", self.id
        )
        return row

    def state(self) -> dict[str, Any]:
        """Return all that can be read of it, without what differs from call to call."""
        told = final_rows(self.db, self.id)
        text = json.dumps(told).replace(self.ref, "<ref>").replace(self.token, "<token>")
        return dict(json.loads(text.replace("+00:00", "Z")))  # both are in what came


def started(tavus: FakeTavus, callback_url: str) -> str:
    """Let a conversation run at Tavus; return its id."""
    conversation_id = f"c{uuid.uuid4().hex[:15]}"
    at = datetime.now(UTC).isoformat()
    tavus.conversations[conversation_id] = {
        "conversation_id": conversation_id,
        "status": "active",
        "callback_url": callback_url,
        "created_at": at,
        "updated_at": at,
        "events": [],
    }
    return conversation_id


@pytest.fixture(name="call")
def _call(db: psycopg.Connection, tavus: FakeTavus) -> Call:
    return Call(db, tavus)


def test_lost_callbacks_are_healed(call: Call, make: Callable[..., Reconciler]) -> None:
    call.happen()

    assert make().work()

    row = call.row()
    assert (row["status"], row["end_reason"]) == ("completed", "participant_left_timeout")
    assert (row["replica_id"], row["perception_analysis"]) == ("r1", "They smiled.")
    said = [m["content"] for m in call.state()["public.conversation_messages"]]
    assert sorted(said) == ["Hello!", "Hi, show me the demo."]
    assert len(call.state()["public.feedback_sessions"]) == 1
    assert not make().work()


def test_every_conversation_gets_a_last_look_when_all_had_time_to_come(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler]
) -> None:
    call.happen()
    for event in call.tavus.conversations[call.id]["events"]:
        event["timestamp"] = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    lost = "application.perception_analysis"
    call.receive(*(event for event in call.callbacks() if event["event_type"] != lost))

    call.tavus.fail("GET", LOOK, status=500)  # not among those that a read repeats
    with pytest.raises(ConvohooksError):
        make().work()
    assert not make().work()
    db.execute("update private.reconciliations set due_from = due_from - interval '1 day'")
    assert make().work()

    assert call.row()["perception_analysis"] == "They smiled."
    assert call.watched()["settled_at"] is not None
    db.execute("update private.reconciliations set due_from = due_from - interval '1 day'")
    assert not make().work()


def test_last_look_waits_until_all_had_time_to_come(
    call: Call, make: Callable[..., Reconciler]
) -> None:
    call.happen()
    call.receive(*call.callbacks())

    assert not make().work()
    assert call.tavus.calls == []


def test_rows_are_those_of_a_call_where_nothing_was_lost(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler]
) -> None:
    whole, healed = Call(db, tavus), Call(db, tavus)
    whole.happen()
    tavus.conversations[healed.id]["events"] = [
        {**event, "conversation_id": healed.id, "webhook_url": "https://other.test/?t=x"}
        for event in tavus.conversations[whole.id]["events"]
    ]
    tavus.conversations[healed.id].update(status="ended")
    whole.receive(*whole.callbacks())

    assert make().reconcile(healed.id)

    assert healed.state() == whole.state()


@pytest.mark.parametrize("seed", range(8))
def test_any_part_of_the_callbacks_in_any_order_leaves_the_same_rows(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler], seed: int
) -> None:
    chance = random.Random(seed)
    whole, call = Call(db, tavus), Call(db, tavus)
    whole.happen()
    whole.receive(*whole.callbacks())
    tavus.conversations[call.id]["events"] = [
        {**event, "conversation_id": call.id} for event in tavus.conversations[whole.id]["events"]
    ]
    tavus.conversations[call.id].update(status="ended")
    callbacks = call.callbacks()
    told = chance.sample(callbacks, chance.randint(0, len(callbacks)))
    late = [event for event in callbacks if event not in told]

    call.receive(*told)
    make().reconcile(call.id)
    call.receive(*chance.sample(late, len(late)))
    make().reconcile(call.id)

    assert call.state() == whole.state()


def test_callbacks_at_the_same_time_are_told_once(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler], settings: Settings
) -> None:
    database = Database(settings)
    calls = [Call(db, tavus) for _ in range(4)]
    for call in calls:
        call.happen()
    gate = threading.Barrier(8)

    def callbacks(call: Call) -> None:
        gate.wait()
        for event in call.callbacks():
            database.receive_events([callback_row(call.id, event)])

    def reconcile(call: Call) -> None:
        reconciler = make()
        gate.wait()
        reconciler.reconcile(call.id)

    with ThreadPoolExecutor(8) as pool:
        doing = [pool.submit(do, call) for call in calls for do in (callbacks, reconcile)]
        for done in doing:
            done.result()
    database.close()

    for call in calls:
        types = [e["event_type"] for e in call.state()["public.processed_webhook_events"]]
        assert sorted(types) == sorted(set(types))
        assert len(call.state()["public.conversation_messages"]) == 2
        assert call.row()["status"] == "completed"


def test_inbox_tells_where_it_came_from_and_keeps_no_token(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler]
) -> None:
    call.happen()
    call.tavus.add_event(call.id, "application.perception_analysis", echo=f"?t={call.token}")
    call.tavus.conversations[call.id]["events"][0]["callback_url"] = "https://x.test/?t=" + TOKEN
    call.tavus.conversations[call.id]["events"][1]["note"] = TOKEN

    make().reconcile(call.id)

    stored = rows(
        db,
        "select source, path, headers, convert_from(body, 'UTF8') as body"
        " from private.webhook_inbox where conversation_id = %s",
        call.id,
    )
    assert {(row["source"], row["path"]) for row in stored} == {("tavus", "reconcile")}
    assert {row["headers"]["user-agent"] for row in stored} == {"Convohooks reconcile"}
    everything = json.dumps([stored, call.state()], default=str)
    for secret in (call.token, TOKEN, "webhook_url", "callback_url"):
        assert secret not in everything.replace("<token>", "")


def test_end_without_its_event_is_made_of_the_answer(
    call: Call, make: Callable[..., Reconciler]
) -> None:
    call.tavus.conversations[call.id].update(
        status="ended", shutdown_reason="max_call_duration", updated_at="2026-03-01T06:52:00Z"
    )

    make().work()

    row = call.row()
    assert (row["status"], row["end_reason"]) == ("completed", "max_call_duration")
    assert row["ended_at"] == datetime(2026, 3, 1, 6, 52, tzinfo=UTC)


def test_later_callback_of_the_end_outranks_the_made_one(
    call: Call, make: Callable[..., Reconciler]
) -> None:
    call.tavus.conversations[call.id].update(
        status="ended", shutdown_reason="x", updated_at="2026-03-01T06:52:00Z"
    )
    make().work()

    call.receive(
        {
            "event_type": "system.shutdown",
            "timestamp": "2026-03-01T06:48:37.5Z",
            "properties": {"shutdown_reason": "participant_left_timeout"},
        }
    )

    row = call.row()
    assert row["end_reason"] == "participant_left_timeout"
    assert row["ended_at"].minute == 48


def test_told_end_is_not_changed(call: Call, make: Callable[..., Reconciler]) -> None:
    call.receive(
        {
            "event_type": "system.shutdown",
            "timestamp": "2026-03-01T06:48:37Z",
            "properties": {"shutdown_reason": "participant_left_timeout"},
        }
    )
    before = call.state()
    call.tavus.conversations[call.id].update(
        status="ended", shutdown_reason="another", updated_at="2026-01-01T00:00:00Z"
    )

    make().reconcile(call.id)

    assert call.state() == before


def test_end_noted_here_becomes_tavus_own(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler]
) -> None:
    db.execute("select public.note_end(%s)", [call.id])
    assert call.row()["end_reason"] == "ended_by_user"
    call.tavus.end(call.id, "end_conversation_endpoint_hit")

    make().reconcile(call.id)

    assert call.row()["end_reason"] == "end_conversation_endpoint_hit"


def test_fresh_end_waits_for_its_callback(call: Call, make: Callable[..., Reconciler]) -> None:
    call.tavus.end(call.id)
    call.tavus.conversations[call.id]["events"].clear()

    make().work()

    assert call.row()["status"] == "active"


def test_running_conversation_is_left_and_looked_at_again(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler]
) -> None:
    assert make().work()
    assert not make().work()

    assert call.row()["status"] == "active"
    [wait] = rows(
        db,
        "select extract(epoch from due_from - now()) + 300 as seconds"
        " from private.reconciliations where conversation_id = %s",
        call.id,
    )
    assert 880 < wait["seconds"] < 920


@pytest.mark.parametrize(
    ("age", "seconds"), [("301 seconds", 300), ("4 hours", 3600), ("20 days", 86400)]
)
def test_intervals_grow_and_are_bounded(
    db: psycopg.Connection,
    tavus: FakeTavus,
    make: Callable[..., Reconciler],
    age: str,
    seconds: int,
) -> None:
    call = Call(db, tavus, age)
    make().reconcile(call.id)
    [wait] = rows(
        db,
        "select extract(epoch from due_from - now()) + 300 as seconds"
        " from private.reconciliations where conversation_id = %s",
        call.id,
    )
    assert abs(wait["seconds"] - seconds) < 10


def test_young_conversation_is_not_looked_at(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler]
) -> None:
    Call(db, tavus, "200 seconds")

    assert not make().work()
    assert list(make().reconcile_all()) == []
    assert tavus.calls == []


def test_missing_transcript_is_given_up_after_a_day(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler]
) -> None:
    call = Call(db, tavus, "3 days")
    call.receive(
        {
            "event_type": "system.shutdown",
            "timestamp": "2026-03-01T06:48:37Z",
            "properties": {"shutdown_reason": "participant_absent_timeout"},
        }
    )
    tavus.end(call.id)

    assert make().work()

    assert call.watched()["settled_at"] is not None
    assert not make().work()
    tavus.add_event(call.id, "application.transcription_ready", transcript=TRANSCRIPT)
    [look] = make().reconcile_all()
    assert look.outcome == "complete"


@pytest.mark.parametrize("status", [400, 404])
def test_conversation_that_tavus_forgot_is_not_active_for_ever(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler], status: int
) -> None:
    young, old = Call(db, tavus), Call(db, tavus, "2 days")
    tavus.fail("GET", LOOK, status=status, body={"error": "Invalid conversation_id"}, times=2)

    outcomes = {look.conversation_id: look.outcome for look in make().reconcile_all()}

    assert outcomes == {young.id: "waiting", old.id: "given up"}
    assert young.row()["status"] == "active"
    assert (old.row()["status"], old.row()["end_reason"]) == ("ended", UNKNOWN_REASON)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429, "body": {"message": "slow down"}},
        {"status": 401, "body": {"message": "Invalid access token"}},
        {"status": None},
        {"status": 200, "body": b"<html>"},
        {"status": 200, "body": b'{"a":' * 3000 + b"1" + b"}" * 3000},
        {"status": 200, "body": []},
        {"status": 200, "body": {}},
        {"status": 200, "body": {"status": ["ended"]}},
        {"status": 200, "body": {"status": "ended", "conversation_id": "another"}},
    ],
    ids=lambda fault: str(fault)[:60],
)
def test_trouble_changes_nothing_and_the_next_look_heals(
    call: Call, make: Callable[..., Reconciler], fault: dict[str, Any]
) -> None:
    call.happen()
    trouble = call.tavus.fail("GET", LOOK, times=99, **fault)

    with pytest.raises(ConvohooksError):
        make().work()
    assert not make().work()  # not before its time
    assert call.row()["status"] == "active"

    trouble.times = 0
    assert [look.outcome for look in make().reconcile_all()] == ["complete"]


def test_answer_nested_deeper_than_our_code_follows_is_trouble_too(
    call: Call, make: Callable[..., Reconciler], settings: Settings
) -> None:
    call.happen()
    nested: Any = "end"
    for _ in range(5000):
        nested = {"a": nested}

    class Deep(TavusClient):
        def get(self, path: str, **query: str | int) -> Any:
            shutdown = {"event_type": "system.shutdown", "properties": nested}
            return {"status": "ended", "events": [shutdown]}

    look = make(tavus=Deep(settings)).reconcile(call.id)

    assert look is not None
    assert (look.told, look.is_away) == ("failed", False)
    assert look.error == "Tavus's answer is nested too deeply."
    assert [look.outcome for look in make().reconcile_all()] == ["complete"]


@pytest.mark.parametrize("is_away", [True, False])
def test_what_the_database_does_not_take_is_left_to_the_next_look(
    call: Call, make: Callable[..., Reconciler], is_away: bool
) -> None:
    call.happen()

    def receive_nothing(batch: Sequence[Any]) -> list[dict[str, Any]]:
        if is_away:
            raise Unavailable("Supabase is away.")
        return [{"outcome": "unstored", "known": False, "error": "no room"} for _ in batch]

    look = make(writer=Writer(receive_nothing)).reconcile(call.id)

    assert look is not None
    assert (look.told, look.outcome, look.is_away) == ("failed", "waiting", is_away)
    told = "Supabase is away." if is_away else "An event could not be stored: no room"
    assert look.error == told
    assert call.row()["status"] == "active"
    assert [look.outcome for look in make().reconcile_all()] == ["complete"]


def test_nonsense_about_one_conversation_does_not_keep_the_others_waiting(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler]
) -> None:
    bad, good = Call(db, tavus, "2 hours"), Call(db, tavus)
    good.happen()
    tavus.fail("GET", f"/conversations/{bad.id}", status=200, body=[], times=99)

    with pytest.raises(ConvohooksError):
        make().work()
    make().work()

    assert good.row()["status"] == "completed"


@pytest.mark.parametrize(
    "events",
    [
        None,
        "events",
        {"a": 1},
        [None, 1, "x", [], {}],
        [{"event_type": 5}, {"event_type": None}, {"event_type": "x" * 10_000}],
        [{"event_type": "system.shutdown", "conversation_id": "another", "properties": {}}],
        [{"event_type": "application.transcription_ready", "properties": {"transcript": 5}}],
        [{"event_type": "conversation.objective.completed", "properties": None}],
        [{"event_type": "system.replica_joined", "properties": "\ud800\u0000"}],
        [{"event_type": "application.new_kind", "properties": {"a": 1}}] * 3,
    ],
)
def test_events_that_are_none_do_no_harm(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler], events: Any
) -> None:
    call.tavus.conversations[call.id]["events"] = events

    look = make().reconcile(call.id)

    assert look is not None
    assert look.error is None
    assert call.row()["status"] == "active"
    failed = rows(
        db,
        "select state from private.webhook_inbox where conversation_id = %s"
        " and state in ('failed', 'dead')",
        call.id,
    )
    assert failed == []


def test_several_workers_ask_once(
    db: psycopg.Connection, tavus: FakeTavus, make: Callable[..., Reconciler]
) -> None:
    calls = [Call(db, tavus) for _ in range(12)]
    for call in calls:
        call.happen()

    def work(reconciler: Reconciler) -> None:
        while reconciler.work():
            pass

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, make()) for _ in range(4)]:
            done.result()

    asked = [call.path for call in tavus.called("GET", LOOK)]
    assert sorted(asked) == sorted(f"/conversations/{call.id}" for call in calls)


def test_who_lost_the_lease_decides_nothing(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler]
) -> None:
    gate = threading.Event()
    call.happen()
    call.tavus.fail("GET", LOOK, status=LATE, gate=gate)
    slow, looks = make(), []
    asking = threading.Thread(target=lambda: looks.append(slow.reconcile(call.id)))
    asking.start()
    while not call.tavus.called("GET", LOOK):
        asking.join(0.01)

    assert not make().work()  # it is leased
    db.execute("update private.reconciliations set due_from = now() - interval '1 day'")
    assert make().work()
    gate.set()
    asking.join()

    assert looks[0].outcome == "lost"
    assert (looks[0].new, call.row()["status"]) == (0, "completed")


def test_deleted_conversation_is_watched_no_more(
    db: psycopg.Connection, call: Call, make: Callable[..., Reconciler]
) -> None:
    db.execute("delete from public.conversations where conversation_id = %s", [call.id])

    assert not make().work()
    assert make().reconcile(call.id) is None
