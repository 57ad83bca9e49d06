"""Incidents: opened once and ended once, told at least once, however many workers there are."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.database import Database
from services.errors import Unavailable
from services.local.stack import LocalStack
from services.notifier.messages import Message, as_json
from services.notifier.note import Note
from services.notifier.notifier import Notifier
from services.notifier.outage import NAME, STEADY, Outage
from services.notifier.rules import judge
from services.notifier.targets import NotSent
from services.notifier.thresholds import NAMES, Thresholds
from services.settings import load_settings
from tests.database.events import rows

OFF = dict.fromkeys(NAMES, 0.0)
TABLES = (
    "private.incidents",
    "private.alert_signs",
    "private.alert_watch",
    "private.webhook_minutes",
    "private.process_reports",
    "private.realtime_minutes",
    "public.delivery_attempts",
)


@dataclass
class Ear:
    """Hears messages; refuses as many as it is told to."""

    name: str = "webhook"
    heard: list[Message] = field(default_factory=list)
    refuses: int = 0

    def send(self, message: Message) -> None:
        if self.refuses:
            self.refuses -= 1
            raise NotSent("It answered 500; 2xx was wanted.")
        self.heard.append(message)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(message.kind, message.incident["name"]) for message in self.heard]


class LostAnswers(Database):
    """Supabase does what it is asked, and its answer to one function gets lost."""

    lost = "finish_notice"

    def call(self, function: str, arguments: Any) -> Any:
        answer = super().call(function, arguments)
        if function == self.lost:
            self.lost = ""
            raise Unavailable()
        return answer


class KilledBefore(Database):
    """The worker is killed before it can say what came of its message."""

    def call(self, function: str, arguments: Any) -> Any:
        if function == "finish_notice":
            raise KeyboardInterrupt
        return super().call(function, arguments)


@pytest.fixture(autouse=True)
def _nothing_is_wrong(db: psycopg.Connection) -> Iterator[None]:
    def clear() -> None:
        for table in TABLES:
            db.execute(f"delete from {table}")

    clear()
    yield
    clear()


@pytest.fixture(name="database")
def _database(stack: LocalStack) -> Iterator[Database]:
    database = Database(load_settings(stack.env()))
    yield database
    database.close()


@pytest.fixture(name="dead")
def _dead(db: psycopg.Connection) -> Iterator[Callable[[int], None]]:
    """Have so many dead letters."""

    def make(count: int) -> None:
        db.execute("delete from private.webhook_inbox where state = 'dead'")
        db.execute(
            "insert into private.webhook_inbox"
            " (source, event_key, event_type, body, body_sha256, state)"
            " select 'tavus', gen_random_uuid()::text, 't', 'what a caller said', '', 'dead'"
            " from generate_series(1, %s)",
            [count],
        )

    yield make
    make(0)


def notifier(database: Database, *ears: Ear, **thresholds: float) -> Notifier:
    """Return a notifier that looks at what has a threshold here, at every turn."""
    return Notifier(
        database=database,
        outage=Outage(targets=ears, after=60.0, service_url="", note=Note(None)),
        targets=ears,
        thresholds=Thresholds(**{**OFF, **(thresholds or {"dead_letters": 3})}),
        realtime_limit=30.0,
        service_url="https://hooks.example.test",
        keep_days=90,
        every=0.0,
    )


def incidents(database: Database) -> list[dict[str, Any]]:
    return list(database.call("list_incidents", {"most": 50}))


def make_due(db: psycopg.Connection) -> None:
    """Let the leases and waits of all messages be over."""
    db.execute("update private.incident_notices set due_at = now() where sent_at is null")


def test_beginning_and_end_are_told_once_and_what_was_said_is_in_neither(
    database: Database, dead: Callable[[int], None]
) -> None:
    ear, other = Ear(), Ear(name="slack")
    watch = notifier(database, ear, other)

    for count in (0, 3, 7, 7, 0, 0):
        dead(count)
        watch.work()

    assert ear.told == other.told == [("began", "dead_letters"), ("ended", "dead_letters")]
    began, ended = ear.heard
    assert began.incident["detail"].startswith("3 events have failed too often")
    assert began.incident["figures"] == {"value": 3, "threshold": 3, "worst": 3}
    assert (began.incident["ended_at"], ended.incident["id"]) == (None, began.incident["id"])
    assert ended.incident["ended_at"] > began.incident["began_at"]
    assert "what a caller said" not in str(ear.heard)
    [listed] = incidents(database)
    assert [notice["sent_at"] is not None for notice in listed["notices"]] == [True] * 4


def test_while_it_lasts_it_tells_how_it_is_and_in_the_end_how_bad_it_was(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear()
    watch = notifier(database, ear)
    seen = []

    for count in (4, 64, 5):
        dead(count)
        watch.work()
        [open_one] = incidents(database)
        seen.append((open_one["detail"][:2], open_one["figures"]["value"]))
    db.execute("update private.incidents set began_at = now() - interval '14 minutes'")
    dead(0)
    watch.work()

    assert seen == [("4 ", 4), ("64", 64), ("5 ", 5)]
    ended = as_json(ear.heard[1])["data"]
    assert ended["detail"] == (
        "It is over, after 14 minutes. At its worst: "
        "64 events have failed too often and wait for somebody."
    )
    assert (ended["worst"], incidents(database)[0]["detail"][:2]) == (64, "64")


def test_a_value_at_the_threshold_does_not_come_and_go(
    database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear()
    watch = notifier(database, ear, dead_letters=10)

    for count in (10, 9, 10, 8, 10, 9):
        dead(count)
        watch.work()
    assert ear.told == [("began", "dead_letters")]

    dead(7)
    watch.work()
    assert ear.told[1:] == [("ended", "dead_letters")]


def test_many_workers_at_once_tell_it_once(stack: LocalStack, dead: Callable[[int], None]) -> None:
    ear = Ear()
    databases = [Database(load_settings(stack.env())) for _ in range(6)]
    watches = [notifier(database, ear) for database in databases]

    for count in (3, 0):
        dead(count)
        for _ in range(3):
            threads = [threading.Thread(target=watch.work) for watch in watches]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert ear.told == [("began", "dead_letters"), ("ended", "dead_letters")]
    for database in databases:
        database.close()


def test_a_restarted_worker_goes_on_where_the_other_was(
    database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear()
    dead(3)
    for _ in range(4):
        notifier(database, ear).work()

    assert ear.told == [("began", "dead_letters")]


def test_only_one_worker_reads_within_a_turn(database: Database) -> None:
    first = database.call("read_alerts", {"every_seconds": 60})
    second = database.call("read_alerts", {"every_seconds": 60})

    assert "read_at" in first
    assert second == {"next_outage": first["next_outage"]}


def test_an_old_reading_is_not_heard(database: Database, dead: Callable[[int], None]) -> None:
    """A worker that slept between reading and judging must not end what began meanwhile."""
    ear = Ear()
    watch = notifier(database, ear)
    stale = database.call("read_alerts", {"every_seconds": 0})
    dead(3)
    watch.work()

    verdicts = [v.to_json() for v in judge(stale, watch.thresholds, 30.0)]
    judgement = {"read_at": stale["read_at"], "targets": [], "keep_days": 1, "verdicts": verdicts}
    said = database.call("judge_alerts", {"judgement": judgement})

    assert verdicts[0]["state"] == "right"
    assert said == {"began": [], "ended": []}
    assert incidents(database)[0]["ended_at"] is None


def test_a_clock_that_is_set_back_does_not_stop_the_watch(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    database.call("read_alerts", {"every_seconds": 0})
    db.execute(
        "update private.alert_watch"
        " set read_at = now() + interval '1 day', judged_at = now() + interval '1 day'"
    )
    ear = Ear()
    dead(3)
    notifier(database, ear).work()

    assert ear.told == [("began", "dead_letters")]


def test_what_is_soon_right_again_is_no_incident(
    db: psycopg.Connection, database: Database
) -> None:
    ear = Ear()
    watch = notifier(database, ear, deliveries_failing=0.5)

    def sign(since: str) -> None:
        db.execute("update private.alert_signs set wrong_since = now() - %s::interval", [since])

    attempts(db, failed=30)
    watch.work()
    sign("239 seconds")
    watch.work()
    assert ear.told == []

    sign("241 seconds")
    watch.work()
    assert ear.told == [("began", "deliveries_failing")]
    began_at = datetime.fromisoformat(ear.heard[0].incident["began_at"])
    assert timedelta(seconds=240) < datetime.now(UTC) - began_at < timedelta(seconds=340)


def attempts(db: psycopg.Connection, *, failed: int = 0, delivered: int = 0) -> None:
    """Insert attempts to deliver, of a made-up endpoint."""
    with db.transaction():
        db.execute("set local session_replication_role = replica")
        db.execute(
            "insert into public.delivery_attempts"
            " (delivery_id, endpoint_id, user_id, attempt, error)"
            " select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1,"
            " case when n <= %s then 'It answered 500.' end from generate_series(1, %s) n",
            [failed, failed + delivered],
        )


def test_a_message_that_is_refused_is_sent_later_and_seen_to_wait(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear(refuses=2)
    watch = notifier(database, ear)
    dead(3)

    watch.work()
    watch.work()
    assert ear.heard == []
    [notice] = incidents(database)[0]["notices"]
    assert (notice["tries"], notice["last_error"]) == (1, "It answered 500; 2xx was wanted.")

    dead(0)
    for _ in range(3):
        make_due(db)
        watch.work()
    assert ear.told == [("began", "dead_letters"), ("ended", "dead_letters")]
    assert {notice["last_error"] for notice in incidents(database)[0]["notices"]} == {None}


def test_a_message_that_never_arrives_is_given_up_and_its_end_told_all_the_same(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear(refuses=1)
    watch = notifier(database, ear)
    dead(3)
    watch.work()
    db.execute("update private.incident_notices set tries = 29, due_at = now()")
    ear.refuses = 1
    watch.work()
    [notice] = incidents(database)[0]["notices"]
    assert notice["given_up_at"] is not None

    dead(0)
    watch.work()
    watch.work()

    assert ear.told == [("ended", "dead_letters")]


def test_a_target_that_hangs_is_asked_once_a_turn_and_holds_up_no_other(
    db: psycopg.Connection, database: Database
) -> None:
    hanging, well = Ear(refuses=9), Ear(name="slack")
    db.execute(
        "with made as (insert into private.incidents (name, severity, title, detail, began_at)"
        " select 'open ' || n, 'warning', '', '', now() from generate_series(1, 4) n returning id)"
        " insert into private.incident_notices (incident_id, target, kind)"
        " select id, target, 'began' from made, unnest(array['webhook', 'slack']) target"
    )

    notifier(database, hanging, well)._send_due()

    assert (hanging.refuses, len(well.heard)) == (8, 4)


@pytest.mark.parametrize("kind", [LostAnswers, KilledBefore])
def test_a_worker_that_dies_between_sending_and_saying_so_repeats_the_same_id(
    db: psycopg.Connection,
    stack: LocalStack,
    database: Database,
    dead: Callable[[int], None],
    kind: type[Database],
) -> None:
    ear = Ear()
    dead(3)
    broken = kind(load_settings(stack.env()))
    try:
        notifier(broken, ear).work()
    except KeyboardInterrupt:
        pass
    finally:
        broken.close()
    notifier(database, ear).work()
    assert len(ear.heard) == 1  # its lease is not over

    make_due(db)
    notifier(database, ear).work()
    notifier(database, ear).work()

    # Whose answer was lost had said so all the same.
    assert len(ear.heard) == (1 if kind is LostAnswers else 2)
    assert len({message.id for message in ear.heard}) == 1


def test_a_worker_that_dies_between_claiming_and_sending_loses_nothing(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear()
    mute = notifier(database)  # opens no messages: nobody is to be told
    dead(3)
    mute.work()
    db.execute(
        "insert into private.incident_notices (incident_id, target, kind)"
        " select id, 'webhook', 'began' from private.incidents"
    )
    claim = {"claim": str(uuid.uuid4()), "targets": ["webhook"], "lease_seconds": 60}
    claimed = database.call("claim_notice", claim)
    notifier(database, ear).work()
    assert ear.heard == []

    make_due(db)
    notifier(database, ear).work()
    late = database.call(
        "finish_notice", {"outcome": {"claim": claim["claim"], "id": claimed["id"]}}
    )

    assert ear.told == [("began", "dead_letters")]
    assert late == "lost"


def test_an_end_waits_for_its_beginning(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear(refuses=1)
    watch = notifier(database, ear)
    dead(3)
    watch.work()
    dead(0)
    watch.work()
    assert ear.told == []

    make_due(db)
    watch.work()

    assert ear.told == [("began", "dead_letters"), ("ended", "dead_letters")]


def test_who_was_not_told_of_a_beginning_is_not_told_of_its_end(
    database: Database, dead: Callable[[int], None]
) -> None:
    ear = Ear()
    dead(3)
    notifier(database).work()
    dead(0)
    notifier(database, ear).work()

    assert ear.heard == []
    assert incidents(database)[0]["ended_at"] is not None


def test_open_incidents_are_listed_first_and_old_ones_forgotten(
    db: psycopg.Connection, database: Database
) -> None:
    db.execute(
        "insert into private.incidents (name, severity, title, detail, began_at, ended_at) values"
        " ('new', 'warning', '', '', now(), now()),"
        " ('old', 'warning', '', '', now() - interval '99 days', now() - interval '91 days'),"
        " ('open', 'warning', '', '', now() - interval '99 days', null)"
    )
    db.execute("insert into private.alert_signs values ('open', now(), null, 3600)")

    names = [incident["name"] for incident in incidents(database)]
    notifier(database, dead_letters=0).work()

    assert names == ["open", "new", "old"]
    assert [incident["name"] for incident in incidents(database)] == ["open", "new"]


@dataclass
class Times:
    """A clock that the test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Away(Database):
    """Supabase, which the test takes away and brings back."""

    is_away = False

    def call(self, function: str, arguments: Any) -> Any:
        if self.is_away:
            raise Unavailable()
        return super().call(function, arguments)


def test_an_outage_of_supabase_is_told_by_the_worker_and_written_down_afterwards(
    stack: LocalStack,
) -> None:
    ear, times = Ear(), Times()
    began = times.now
    database = Away(load_settings(stack.env()))
    watch = notifier(database, ear)
    outage = Outage(targets=[ear], after=60.0, service_url="", note=Note(None), now=times)
    object.__setattr__(watch, "outage", outage)
    watch.work()

    database.is_away = True
    for _ in range(10):
        watch.work()
        times.pass_(15)
    assert ear.told == [("began", NAME)]

    database.is_away = False
    for _ in range(5):
        watch.work()
        times.pass_(STEADY.total_seconds() / 2)

    assert ear.told == [("began", NAME), ("ended", NAME)]
    [listed] = incidents(database)
    assert listed["id"] == ear.heard[0].incident["id"] == ear.heard[1].incident["id"]
    assert datetime.fromisoformat(listed["began_at"]) == began
    assert datetime.fromisoformat(listed["ended_at"]) == began + timedelta(seconds=150)
    # The next outage has another name.
    assert database.call("read_alerts", {"every_seconds": 0})["next_outage"] != listed["id"]
    database.close()


def test_an_outage_that_several_hosts_have_told_of_is_one_and_ends_once(
    db: psycopg.Connection, database: Database
) -> None:
    now = datetime.now(UTC)
    outage = {
        "id": str(uuid.uuid4()), "name": NAME, "severity": "critical", "title": "", "detail": "",
        "figures": {}, "began_at": (now - timedelta(minutes=5)).isoformat(), "told": ["webhook"],
    }  # fmt: skip
    ear = Ear()
    for later in (0, 20):
        ended = {"ended_at": (now + timedelta(seconds=later)).isoformat()}
        database.call("record_outage", {"outage": {**outage, **ended}})
        notifier(database, ear).work()

    assert ear.told == [("ended", NAME)]
    [listed] = incidents(database)
    assert datetime.fromisoformat(listed["ended_at"]) == now + timedelta(seconds=20)


def minutes(db: psycopg.Connection, source: str, ago: str, **counts: Any) -> None:
    """Insert what a process has counted in a minute so long ago."""
    row = {"received": 0, "unauthentic": 0, "retried": 0, "failed": 0, **counts}
    names = ", ".join(row)
    db.execute(
        f"insert into private.webhook_minutes (minute, source, process_id, last_at, {names})"
        " select date_trunc('minute', now() - %s::interval), %s, gen_random_uuid(),"
        f" case when %s > 0 then now() - %s::interval end, {', '.join(['%s'] * len(row))}",
        [ago, source, row["received"], ago, *row.values()],
    )


def report(
    db: psycopg.Connection, kind: str, host: str, ago: str = "1 second", **facts: Any
) -> None:
    db.execute(
        "insert into private.process_reports"
        " (process_id, kind, host, started_at, reported_at, facts)"
        " values (gen_random_uuid(), %s, %s, now() - interval '1 hour', now() - %s::interval, %s)",
        [kind, host, ago, Jsonb(facts)],
    )


def states(database: Database, **thresholds: float) -> dict[str, str]:
    """Return what a reading of now comes to."""
    reading = database.call("read_alerts", {"every_seconds": 0})
    wanted = Thresholds(**{**OFF, "least_calls": 20.0, **thresholds})
    return {verdict.name: verdict.state for verdict in judge(reading, wanted, 30.0)}


def test_silence_is_seen_in_the_hours_of_the_days_before(
    db: psycopg.Connection, database: Database
) -> None:
    report(db, "web", "one")
    for source in ("silent", "sunday", "monday", "calls", "few", "refused"):
        minutes(db, source, "7 days 30 minutes", received=9 if source == "few" else 10)
    minutes(db, "silent", "1 day 10 minutes", received=6)
    minutes(db, "silent", "1 day 50 minutes", received=6)
    minutes(db, "monday", "14 days 30 minutes", received=40)
    minutes(db, "few", "1 day 10 minutes", received=99)
    minutes(db, "calls", "1 day 10 minutes", received=99)
    minutes(db, "calls", "59 minutes", received=1)
    minutes(db, "refused", "1 day 10 minutes", received=99)
    minutes(db, "refused", "5 minutes", unavailable=1)
    # Just beside the hour.
    minutes(db, "sunday", "1 day 62 minutes", received=99)
    minutes(db, "sunday", "23 hours 50 minutes", received=99)

    assert states(database, silence=10) == {
        "silence:silent": "wrong",
        "silence:monday": "wrong",
        "silence:sunday": "unsure",
        "silence:few": "unsure",
        "silence:calls": "right",
        "silence:refused": "right",
    }


def test_nobody_is_silent_while_nobody_listens(db: psycopg.Connection, database: Database) -> None:
    minutes(db, "silent", "7 days 30 minutes", received=10)
    minutes(db, "silent", "1 day 30 minutes", received=10)
    report(db, "web", "one", ago="2 minutes")

    assert states(database, silence=10) == {"silence:silent": "unsure"}


def test_who_was_busy_and_fell_silent_is_seen_until_they_call_again(
    db: psycopg.Connection, database: Database
) -> None:
    report(db, "web", "one")
    for quarter in range(12):
        for source, begin in (("gone", 60), ("short", 60), ("closed", 60), ("busy", 2)):
            calls = 0 if source == "short" and quarter == 5 else 10
            minutes(db, source, f"{begin + 15 * quarter} minutes", received=calls)
    # At this time they closed yesterday too; the others did not.
    minutes(db, "closed", "1 day 80 minutes", received=9)
    for source in ("gone", "short"):
        minutes(db, source, "1 day 50 minutes", received=9)

    assert states(database, went_silent=10) == {
        "went_silent:gone": "wrong",
        "went_silent:short": "right",
        "went_silent:closed": "right",
        "went_silent:busy": "right",
    }
    minutes(db, "gone", "0 minutes", received=1)
    assert states(database, went_silent=10)["went_silent:gone"] == "right"


def test_rates_are_of_the_last_minutes_and_of_all_processes(
    db: psycopg.Connection, database: Database
) -> None:
    buckets = [0] * 8 + [90, 10, 0, 0, 0]
    minutes(db, "bad", "0 minutes", received=50, failed=5, buckets=buckets)
    minutes(db, "bad", "4 minutes", received=46, rejected=1, unavailable=3)
    minutes(db, "bad", "20 minutes", received=5000)
    minutes(db, "over", "4 minutes", received=60, failed=60, buckets=buckets)
    minutes(db, "over", "0 minutes", received=20, buckets=[20])
    minutes(db, "nobody-knows", "4 minutes", received=60, failed=60, buckets=buckets)
    minutes(db, "good", "3 minutes", received=96, failed=4)
    minutes(db, "few", "3 minutes", received=19, failed=19)

    assert states(database, error_rate=0.08, slow_answers=1.0) == {
        "error_rate:bad": "wrong",
        "error_rate:good": "right",
        "error_rate:few": "right",
        "error_rate:over": "right",
        "error_rate:nobody-knows": "unsure",
        "slow_answers:over": "right",
        "slow_answers:nobody-knows": "unsure",
        "slow_answers:bad": "wrong",
        "slow_answers:good": "right",
        "slow_answers:few": "right",
    }


def test_retries_and_signature_failures_are_spikes_over_the_day_before(
    db: psycopg.Connection, database: Database
) -> None:
    for hour in range(1, 24):
        minutes(db, "scanned", f"{hour} hours", unauthentic=180)
    for source in ("scanned", "attacked", "drowned"):
        minutes(db, source, "0 minutes", unauthentic=40, received=500 if source == "drowned" else 5)
    minutes(db, "over", "4 minutes", unauthentic=40)
    minutes(db, "tavus", "0 minutes", retried=40)
    spikes = states(database, signature_failures=30, retries=30)
    for hour in range(1, 24):
        minutes(db, "tavus", f"{hour} hours", retried=80)
    usual = states(database, retries=30)

    assert spikes == {
        "signature_failures:scanned": "right",
        "signature_failures:attacked": "wrong",
        "signature_failures:drowned": "right",
        "signature_failures:over": "right",
        "signature_failures:tavus": "right",
        "retries": "wrong",
    }
    assert usual == {"retries": "right"}


def test_attempts_that_failed_for_a_while_and_do_no_more_are_over(
    db: psycopg.Connection, database: Database
) -> None:
    minutes(db, "tavus", "4 minutes", retried=63)
    attempts(db, failed=63)
    db.execute("update public.delivery_attempts set attempted_at = now() - interval '4 minutes'")
    silent = states(database, deliveries_failing=0.5, retries=30)
    attempts(db, delivered=5)
    delivered = states(database, deliveries_failing=0.5)

    assert silent == {"deliveries_failing": "unsure", "retries": "right"}
    assert delivered == {"deliveries_failing": "right"}


def test_processes_tell_of_their_host(db: psycopg.Connection, database: Database) -> None:
    report(db, "web", "one", breaker="open", spooled=4, unsendable=1)
    report(db, "worker", "one", spooled=3, unsendable=0)
    report(db, "web", "two", breaker="closed", spooled=None, unsendable=None)
    report(db, "web", "three", breaker="half-open")
    report(db, "worker", "gone", ago="61 seconds", spooled=9)

    wanted = {"spool_not_empty": 1, "unsendable": 1, "circuit_open": 1, "spool_broken": 1}
    found = states(database, **wanted, process_gone=60)

    assert {name for name, state in found.items() if state == "wrong"} == {
        "spool_not_empty:one",
        "unsendable:one",
        "circuit_open:one",
        "spool_broken:two",
        "process_gone:worker on gone",
    }


def test_a_process_that_another_has_replaced_is_not_missed(
    db: psycopg.Connection, database: Database
) -> None:
    report(db, "worker", "pod-1", ago="5 minutes")
    report(db, "worker", "pod-2")
    before = states(database, process_gone=60)
    db.execute("update private.process_reports set started_at = now() where host = 'pod-2'")
    after = states(database, process_gone=60)

    assert before["process_gone:worker on pod-1"] == "wrong"
    assert after["process_gone:worker on pod-1"] == "right"


def test_a_worker_that_was_suspended_accuses_neither_itself_nor_what_was_beside_it(
    db: psycopg.Connection, database: Database
) -> None:
    for kind in ("web", "worker"):
        report(db, kind, "slept", ago="80 seconds")
    before = states(database, process_gone=60)
    report(db, "worker", "awake")
    after = states(database, process_gone=60)

    names = {"process_gone:web on slept", "process_gone:worker on slept"}
    assert before == dict.fromkeys(names, "unsure")
    assert after == dict.fromkeys(names, "wrong") | {"process_gone:worker on awake": "right"}


def test_waiting_work_and_a_full_realtime_are_seen(
    db: psycopg.Connection, database: Database, dead: Callable[[int], None]
) -> None:
    attempts(db, failed=20, delivered=19)
    db.execute(
        "insert into private.realtime_minutes values (date_trunc('minute', now()), 1260, 60, 25)"
        " on conflict (minute) do update set changes = 1260, seconds = 60"
    )
    dead(1)

    found = states(database, deliveries_failing=0.5, dead_letters=1, realtime_near_limit=0.7)

    assert found == {
        "deliveries_failing": "wrong",
        "dead_letters": "wrong",
        "realtime_near_limit": "wrong",
    }


def test_the_reading_of_a_large_month_is_quick(db: psycopg.Connection, database: Database) -> None:
    """A month of four processes and five senders, as a worker reads it every few seconds."""
    db.execute(
        "insert into private.webhook_minutes (minute, source, process_id, received, last_at)"
        " select m, 's' || s, md5(p::text)::uuid, 3, m"
        " from generate_series(now() - interval '15 days', now(), '1 minute') m,"
        " generate_series(1, 5) s, generate_series(1, 4) p"
    )
    db.execute("analyze private.webhook_minutes")
    started = rows(db, "select clock_timestamp() as at")[0]["at"]
    reading = database.call("read_alerts", {"every_seconds": 0})
    ended = rows(db, "select clock_timestamp() as at")[0]["at"]

    assert len(reading["hours"]) == 5
    assert (ended - started).total_seconds() < 3.0
