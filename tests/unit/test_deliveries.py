"""deliveries.py: claims what it has places for, loses nothing, waits for nobody who is slow."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.database import DatabaseRefused
from services.errors import Unavailable
from services.outgoing import deliveries, finisher
from services.outgoing.attempt import Attempt, Claimed
from services.outgoing.clock import DatabaseClock
from services.outgoing.crew import Crew
from services.outgoing.deliveries import Deliveries
from tests.receivers import delivery
from tests.waiting import until

PATIENCE = 10.0
DELIVERED = Attempt(outcome="delivered", status=200, response="ok", duration_ms=12.3)
NOW = "2026-03-01T10:00:00.000000+00:00"

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "AWAY", 0.05)
    monkeypatch.setattr(finisher, "AWAY", 0.05)
    monkeypatch.setattr(deliveries, "IDLE", 0.05)


@dataclass(slots=True)
class FakeStore:
    """Deliveries that wait, what was claimed of them, and what was finished."""

    waiting: list[Row] = field(default_factory=list)
    claims: list[tuple[str, int, float]] = field(default_factory=list)
    risky: list[int] = field(default_factory=list)
    seen: list[Row | None] = field(default_factory=list)
    finished: list[Row] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    claim_errors: list[Exception] = field(default_factory=list)
    finish_errors: list[Exception] = field(default_factory=list)
    disabled: str | None = None

    def claim(self, wanted: Row) -> Row:
        if self.claim_errors:
            raise self.claim_errors.pop(0)
        most = wanted["most"]
        self.claims.append((wanted["claim"], most, wanted["lease_seconds"]))
        self.risky.append(wanted["most_risky"])
        self.seen.append(wanted["seen"])
        given, self.waiting[:] = self.waiting[:most], self.waiting[most:]
        due_seconds = 0.0 if self.waiting else None
        return {"deliveries": given, "due_seconds": due_seconds, "now": NOW, "jumps": 7}

    def finish(
        self, batch: Sequence[Mapping[str, Any]], disable_after: float, seen: Row | None
    ) -> list[Row]:
        if self.finish_errors:
            raise self.finish_errors.pop(0)
        if any(row["id"] == "poison" for row in batch):
            raise DatabaseRefused("no")
        self.finished += map(dict, batch)
        self.batches.append(len(batch))
        return [
            {"id": row["id"], "outcome": row["outcome"], "disabled": self.disabled} for row in batch
        ]

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.finished]


@dataclass(slots=True)
class FakeSender:
    """Ends an attempt when it is let to, at once where nothing holds it."""

    holds: Callable[[Claimed], bool] = lambda delivery: False
    timeout: float = 30.0
    sent: list[tuple[str, datetime]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def send(self, delivery: Claimed, at: datetime) -> Attempt:
        self.sent.append((delivery["id"], at))
        if self.holds(delivery):
            assert self.release.wait(PATIENCE)
        return DELIVERED


def due(amount: int, **other: Any) -> list[Row]:
    return [
        delivery("https://example.test/secret", "whsec_x", id=str(uuid.uuid4()), now=NOW, **other)
        for _ in range(amount)
    ]


@contextmanager
def working(
    store: FakeStore, sender: FakeSender | None = None, at_once: int = 10
) -> Iterator[Callable[[], None]]:
    """Run deliveries in a thread; give what tells it to stop and waits until it has."""
    stopping = threading.Event()
    worked = Deliveries(
        store=store,
        sender=sender or FakeSender(),
        at_once=at_once,
        rate=100,
        concurrency=10,
        disable_after=60.0,
    )
    thread = threading.Thread(target=worked.run, args=(stopping,), daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    yield stop
    stop()


def test_everything_due_is_sent_and_finished_once() -> None:
    rows = due(200)
    store, sender = FakeStore(list(rows)), FakeSender()

    with working(store, sender):
        until(lambda: len(store.finished) >= 200)

    assert sorted(store.ids) == sorted(row["id"] for row in rows)
    assert len(sender.sent) == 200
    assert len(store.batches) < 200


def test_what_is_finished_says_how_the_attempt_ended_and_by_which_claim() -> None:
    store = FakeStore(due(1))

    with working(store):
        until(lambda: bool(store.finished))

    [row] = store.finished
    assert row == {
        "id": row["id"],
        "claim": store.claims[0][0],
        "outcome": "delivered",
        "status": 200,
        "error": None,
        "response": "ok",
        "duration_ms": 12.3,
        "retry_seconds": None,
        "gone": False,
        "timed_out": False,
    }


def test_no_more_is_claimed_than_there_are_places() -> None:
    store, sender = FakeStore(due(50)), FakeSender(holds=lambda delivery: True)

    with working(store, sender, at_once=8):
        until(lambda: len(sender.sent) == 8)
        time.sleep(0.2)
        assert len(sender.sent) == 8
        sender.release.set()
        until(lambda: len(store.finished) == 50)

    assert max(most for _, most, _ in store.claims) <= 8


def test_lease_outlasts_the_attempt() -> None:
    store = FakeStore()

    with working(store, FakeSender(timeout=2.0)):
        until(lambda: bool(store.claims))

    assert store.claims[0][2] == 17.0
    assert len({claim for claim, _, _ in store.claims}) == len(store.claims)


def test_idle_it_looks_seldom_and_busy_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "IDLE", 0.4)
    monkeypatch.setattr(deliveries, "LATELY", 0.2)
    store = FakeStore()

    with working(store):
        time.sleep(1.0)
        idle = len(store.claims)
        store.waiting += due(1)
        until(lambda: len(store.finished) == 1)

    assert 2 <= idle <= 4


def test_signed_time_is_the_databases_whatever_the_host_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, sender = FakeStore(due(1)), FakeSender()
    monkeypatch.setattr(time, "time", lambda: 0.0)

    with working(store, sender):
        until(lambda: bool(sender.sent))

    told = sender.sent[0][1] - datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert 0 <= told.total_seconds() < 5


@pytest.mark.parametrize("error", [Unavailable(), DatabaseRefused("no"), ValueError("a defect")])
def test_claim_that_fails_is_made_again(error: Exception) -> None:
    store = FakeStore(due(3), claim_errors=[error, error])

    with working(store):
        until(lambda: len(store.finished) == 3)


def test_attempts_that_ended_while_supabase_was_away_are_written_down_later() -> None:
    rows = due(5)
    store = FakeStore(list(rows), finish_errors=[Unavailable()] * 5)
    sender = FakeSender()

    with working(store, sender):
        until(lambda: len(store.finished) == 5)

    assert sorted(store.ids) == sorted(row["id"] for row in rows)
    assert len(sender.sent) == 5


def test_attempt_whose_lease_is_over_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MARGIN", 0.2)
    store = FakeStore(due(1), finish_errors=[Unavailable()] * 10)

    with working(store, FakeSender(timeout=0.0)):
        until(lambda: len(store.finish_errors) < 8)
        time.sleep(0.3)
        tried = len(store.finish_errors)
        time.sleep(0.2)
        assert len(store.finish_errors) == tried
        store.finish_errors.clear()
        store.waiting += due(1)
        until(lambda: len(store.finished) == 1)


def test_one_that_cannot_be_written_down_does_not_take_the_others_with_it() -> None:
    rows = due(6)
    rows[2]["id"] = "poison"
    store, sender = FakeStore(list(rows)), FakeSender(holds=lambda delivery: True)

    with capture_logs() as logs, working(store, sender):
        until(lambda: len(sender.sent) == 6)
        sender.release.set()
        until(lambda: len(store.finished) == 5)

    assert "poison" not in store.ids
    assert [log["delivery_id"] for log in logs if log["log_level"] == "error"] == ["poison"]


def test_defect_at_one_batch_does_not_end_the_others() -> None:
    store = FakeStore(due(1), finish_errors=[KeyError("a defect")])

    with capture_logs() as logs, working(store):
        until(lambda: not store.finish_errors)
        store.waiting += due(1)
        until(lambda: len(store.finished) == 1)

    assert any(log.get("exc_info") for log in logs)


def test_claim_that_came_late_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease might end before the attempt does, and somebody else send it at the same time."""
    monkeypatch.setattr(deliveries, "LATE", -1.0)
    store, sender = FakeStore(due(1)), FakeSender()

    with capture_logs() as logs, working(store, sender):
        until(lambda: any(log["event"] == "delivery comes too late" for log in logs))

    assert sender.sent == []
    assert store.finished == []


def test_told_to_stop_it_finishes_what_it_has_begun_and_claims_no_more() -> None:
    store, sender = FakeStore(due(4)), FakeSender(holds=lambda delivery: True)

    with working(store, sender) as stop:
        until(lambda: len(sender.sent) == 4)
        threading.Timer(0.3, sender.release.set).start()
        stop()
        claims = len(store.claims)

    assert len(store.finished) == 4
    assert len(store.claims) == claims


def test_told_to_stop_it_waits_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "GRACE", 0.3)
    store, sender = FakeStore(due(3)), FakeSender(holds=lambda delivery: True)

    with capture_logs() as logs, working(store, sender) as stop:
        until(lambda: len(sender.sent) == 3)
        stop()

    sender.release.set()
    assert {"event": "deliveries left", "amount": 3, "log_level": "warning"} in logs


def test_log_has_ids_and_no_contents() -> None:
    store = FakeStore(due(1, attempt=3), disabled="gone")

    with capture_logs() as logs, working(store):
        until(lambda: len(logs) == 2)

    told = delivery("", "")
    assert logs[0] == {
        "event": "delivery",
        "log_level": "info",
        "endpoint_id": told["endpoint_id"],
        "delivery_id": store.finished[0]["id"],
        "webhook_id": told["webhook_id"],
        "event_type": "message.created",
        "attempt": 3,
        "status": 200,
        "ms": 12,
        "outcome": "delivered",
    }
    assert logs[1]["event"] == "endpoint disabled"
    assert logs[1]["reason"] == "gone"
    assert not any("example.test" in str(log) or "Grüße" in str(log) for log in logs)


def test_slow_ones_give_up_their_places() -> None:
    release = threading.Event()
    crew = Crew(4, slow=0.1)
    for _ in range(4):
        crew.do(lambda: release.wait(PATIENCE) and None)
    at_first = crew.free()

    until(lambda: crew.free() == 4)

    assert at_first == 0
    release.set()
    assert crew.join(PATIENCE) == 0


def test_slow_ones_are_never_more_than_twice_as_many() -> None:
    release = threading.Event()
    crew = Crew(3, slow=0.0)
    for _ in range(6):
        crew.do(lambda: release.wait(PATIENCE) and None)

    assert crew.free() == 0
    assert crew.join(0.1) == 6
    release.set()
    assert crew.join(PATIENCE) == 0


def test_threads_are_made_as_they_are_needed_and_used_again() -> None:
    crew = Crew(100)
    used: set[int] = set()
    for _ in range(20):
        crew.do(lambda: used.add(threading.get_ident()))
        assert crew.join(PATIENCE) == 0

    assert len(used) == 1
    assert crew.free() == 100


def test_slow_endpoint_does_not_keep_the_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hang as there are places; the healthy one goes out nevertheless."""
    monkeypatch.setattr("services.outgoing.deliveries.Crew", lambda places: Crew(places, slow=0.1))
    hung = due(10, event_type="hangs")
    store = FakeStore(list(hung))
    sender = FakeSender(holds=lambda delivery: delivery["event_type"] == "hangs")

    with working(store, sender, at_once=10):
        until(lambda: len(sender.sent) == 10)
        store.waiting += due(30)
        until(lambda: len(store.finished) == 30)
        sender.release.set()
        until(lambda: len(store.finished) == 40)


def test_half_of_the_places_are_for_endpoints_that_may_hang() -> None:
    store, sender = FakeStore(waiting=due(3, is_risky=True)), FakeSender(holds=lambda _: True)
    with working(store, sender, at_once=10) as stop:
        until(lambda: len(sender.sent) == 3)
        until(lambda: store.risky[-1] == 2)
        sender.release.set()
        until(lambda: store.risky[-1] == 5)
        stop()


def test_each_claim_tells_what_the_database_showed_before() -> None:
    store = FakeStore()
    with working(store):
        until(lambda: len(store.seen) >= 2)

    first, second, *_ = store.seen
    assert first is None
    assert second is not None
    assert (second["now"], second["jumps"]) == (NOW, 7)
    assert 0 < second["elapsed"] < PATIENCE


def test_no_more_is_written_down_at_once_than_so_many() -> None:
    store = FakeStore()
    writing = finisher.Finisher(store=store, disable_after=60.0)
    for row in due(finisher.MOST + 1):
        writing.put(finisher.Ended(delivery=row, claim="c", held_until=0.0, attempt=DELIVERED))  # type: ignore[arg-type]

    thread = writing.start()
    until(lambda: len(store.finished) > finisher.MOST)
    writing.stop()
    thread.join(PATIENCE)

    assert store.batches == [finisher.MOST, 1]
    assert not thread.is_alive()


def test_database_that_has_not_told_its_time_has_none() -> None:
    """The host's own may be wrong by any time: nothing is signed by it."""
    clock = DatabaseClock()
    with pytest.raises(RuntimeError, match="has not told its time"):
        clock.time()

    clock.saw({"now": NOW, "jumps": 0})

    assert clock.time() >= datetime(2026, 3, 1, 10, tzinfo=UTC)
