"""/api/webhooks/{statistics,senders,logs} and /api/operations: who is told what."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.local.stack import LocalStack
from services.providers import PROVIDERS
from services.telemetry.tally import SECONDS, Tally
from tests.database.endpoints import call
from tests.database.events import make_conversation, new_conversation_id
from tests.forwarder import Forwarder
from tests.stack import Service, start_service
from tests.waiting import until
from tests.web.caller import SETTINGS, Caller, joined, utterance
from tests.web.people import Account, make_admin, sign_up

STATISTICS = "/api/webhooks/statistics"
SENDERS = "/api/webhooks/senders"
LOGS = "/api/webhooks/logs"
OPERATIONS = "/api/operations"
TOKEN = "token-of-a-source-for-tests"


@pytest.fixture(name="admin")
def _admin(stack: LocalStack, db: psycopg.Connection) -> Account:
    account = sign_up(stack)
    make_admin(db, account)
    return account


@pytest.fixture(name="source")
def _source() -> str:
    """A sender that nobody else has: what others count and report does not matter."""
    return f"source-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends events of one source."""

    url: str
    source: str

    def send(self, event_id: str, *, token: str = TOKEN) -> httpx.Response:
        return self.post(json.dumps({"type": "order.paid", "id": event_id}).encode(), token)

    def post(self, body: bytes, token: str = TOKEN) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(f"{self.url}/api/webhooks/{self.source}", content=body, headers=headers)


@pytest.fixture(name="start")
def _start(stack: LocalStack, source: str) -> Iterator[Callable[..., tuple[Service, Sender]]]:
    """Starts services that take events of the source."""
    sources = {source: {"scheme": "bearer", "secret": TOKEN, "key": "id"}}
    with ExitStack() as started:

        def start(**env: str) -> tuple[Service, Sender]:
            own = {"WEBHOOK_SOURCES": json.dumps(sources), "STRIPE_WEBHOOK_SECRET": ""}
            service = start_service(stack, **{**SETTINGS, **own, **env})
            started.callback(service.kill)
            return service, Sender(service.url, source)

        yield start


def asked(caller: Caller, account: Account, path: str, **query: Any) -> dict[str, Any]:
    answer = caller.http.get(path, params=query, headers=account.headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def report(db: psycopg.Connection, tally: Tally, **more: Any) -> None:
    """Report as a process does."""
    told = {
        "process_id": str(uuid.uuid4()),
        "kind": "web",
        "host": "a.example.test",
        "started_at": "2026-03-01T06:45:47Z",
        "facts": {"breaker": "closed"},
        "minutes": tally.take(),
        **more,
    }
    db.execute("select public.report_process(%s)", [Jsonb(told)])


@pytest.mark.parametrize("path", [SENDERS, LOGS, OPERATIONS])
def test_only_admins_see_the_whole(
    stack: LocalStack, caller: Caller, admin: Account, path: str
) -> None:
    stranger = caller.http.get(path)
    person = caller.http.get(path, headers=sign_up(stack).headers)
    guest = caller.http.get(path, headers=sign_up(stack, anonymous=True).headers)
    welcome = caller.http.get(path, headers=admin.headers)

    assert (stranger.status_code, person.status_code, guest.status_code) == (401, 403, 403)
    assert welcome.status_code == 200
    assert "RateLimit-Remaining" in welcome.headers


def test_statistics_want_a_person(caller: Caller) -> None:
    assert caller.http.get(STATISTICS).status_code == 401


@pytest.mark.parametrize("hours", ["0", "-1", "2", "1e9", "1000000000", "²", "24.0", "x", ""])
def test_statistics_are_of_an_hour_a_day_or_a_week(
    caller: Caller, admin: Account, hours: str
) -> None:
    answer = caller.http.get(STATISTICS, params={"hours": hours}, headers=admin.headers)

    assert answer.status_code == 400
    assert "hours" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"hours": "0"},
        {"hours": "-1"},
        {"hours": "1e9"},
        {"hours": "999999999999999999999"},
        {"limit": "0"},
        {"limit": "201"},
        {"before": "-1"},
        {"before": str(2**63)},
        {"state": "gone"},
        {"source": ""},
        {"source": "x" * 256},
        {"source": "a\x00b"},
        {"sourse": "tavus"},
    ],
)
def test_wrong_question_of_the_logs_is_400_and_named(
    caller: Caller, admin: Account, query: dict[str, str]
) -> None:
    answer = caller.http.get(LOGS, params=query, headers=admin.headers)

    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["detail"]


@pytest.mark.parametrize(
    ("hours", "steps", "seconds"), [(1, 60, 60), (24, 96, 900), (168, 168, 3600)]
)
def test_all_series_have_a_value_for_each_step(
    caller: Caller, admin: Account, db: psycopg.Connection, hours: int, steps: int, seconds: int
) -> None:
    tally = Tally(["tavus"])
    tally.received("tavus", "new", 0.02)
    report(db, tally)

    told = asked(caller, admin, STATISTICS, hours=hours)

    source, deliveries = told["sources"]["tavus"], told["deliveries"]
    series = [told["times"], told["retries"], *source.values(), *deliveries.values()]
    assert {len(values) for values in series} == {steps}
    assert told["step_seconds"] == seconds
    assert told["since"] == told["times"][0]
    assert told["times"][-1] <= told["until"]
    assert source["received"][-1] >= 1


def test_counts_of_processes_add_up(
    caller: Caller, admin: Account, db: psycopg.Connection, source: str
) -> None:
    first, second = Tally([source]), Tally([source])
    for _ in range(95):
        first.received(source, "new", 0.004)
    for _ in range(5):
        second.received(source, "failed", 0.9)
    second.refused(source, 400)
    second.refused(source, 503)
    second.refused(source, 401)
    before = asked(caller, admin, STATISTICS, hours=1)
    second.retried(source)
    report(db, first)
    report(db, second)

    told = asked(caller, admin, STATISTICS, hours=1)

    series = told["sources"][source]
    assert told["is_admin"] is True
    assert source not in before["sources"]
    assert (sum(series["received"]), sum(series["failed"])) == (102, 7)
    assert sum(told["retries"]) > sum(before["retries"])
    assert [2.5 <= p50 <= 5 for p50 in series["p50_ms"] if p50 is not None] == [True]
    totals = told["totals"]
    assert totals["received"] == sum(sum(one["received"]) for one in told["sources"].values())
    assert totals["retries"] == sum(told["retries"])
    assert totals["success_rate"] == round(1 - totals["failed"] / totals["received"], 4)


def test_sender_that_only_failed_to_prove_itself_is_in_no_chart(
    caller: Caller, admin: Account, db: psycopg.Connection, source: str
) -> None:
    tally = Tally([source])
    tally.refused(source, 401)
    report(db, tally)

    assert source not in asked(caller, admin, STATISTICS, hours=1)["sources"]


def test_report_that_is_told_twice_or_late_counts_once(
    caller: Caller, admin: Account, db: psycopg.Connection, source: str
) -> None:
    tally, process = Tally([source]), str(uuid.uuid4())
    tally.received(source, "new", 0.01)
    early = tally.take()
    tally.received(source, "new", 0.01)
    late = tally.take()

    for minutes in (early, late, late, early):
        report(db, tally, process_id=process, minutes=minutes)

    assert asked(caller, admin, LOGS, source=source)["metrics"]["received"] == 2


def test_process_whose_clock_is_ahead_changes_nothing_until_its_minutes_have_come(
    caller: Caller, admin: Account, db: psycopg.Connection, source: str
) -> None:
    ahead, here = Tally([source], clock=lambda: time.time() + 2 * 86400), Tally([source])
    ahead.received(source, "new", 0.01)
    for _ in range(400):
        ahead.refused(source, 503)
    here.received(source, "new", 0.01)

    report(db, ahead, started_at="2999-03-01T06:45:47Z", host=source)
    report(db, here)

    metrics = asked(caller, admin, LOGS, source=source)["metrics"]
    statistics = asked(caller, admin, STATISTICS, hours=24)["sources"][source]
    [[told]] = db.execute(
        "select public.webhook_senders(%s, now() - '1 day'::interval)", [[source]]
    )
    alerts = db.execute("select public.read_alerts(0)").fetchone()
    assert alerts is not None
    [calls] = [one for one in alerts[0]["calls"] if one["source"] == source]
    [hours] = [one for one in alerts[0]["hours"] if one["source"] == source]
    [[started_at]] = db.execute(
        "select started_at from private.process_reports where host = %s", [source]
    )
    now = datetime.now(UTC)
    assert metrics["received"] == 1
    assert (sum(statistics["received"]), sum(statistics["failed"])) == (1, 0)
    assert (told[0]["received"], told[0]["unavailable"]) == (1, 0)
    assert datetime.fromisoformat(told[0]["last_seen_at"]) <= now
    assert (calls["received"], calls["unavailable"], hours["last_hour"]) == (1, 0, 1)
    assert datetime.fromisoformat(hours["last_at"]) <= now
    assert started_at <= now


def test_last_call_of_a_minute_was_within_it(db: psycopg.Connection, source: str) -> None:
    tally = Tally([source])
    tally.received(source, "new", 0.01)
    [row] = tally.take()

    report(db, tally, minutes=[{**row, "last_at": "2999-03-01T06:45:47Z"}])

    kept = db.execute(
        "select last_at - minute from private.webhook_minutes where source = %s", [source]
    )
    assert kept.fetchall() == [(timedelta(minutes=1),)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_seconds": 1},
        {"step_seconds": 59},
        {"step_seconds": 0},
        {"step_seconds": -60},
        {"step_seconds": None},
        {"step_seconds": 2147483647},
        {"since": "2020-01-01T00:00:00Z"},
        {"since": "-infinity"},
        {"since": None},
        {"bounds": []},
        {"bounds": None},
        {"bounds": [0.1] * 33},
        {"bounds": [[0.1], [0.2]]},
    ],
)
def test_person_asks_the_database_for_as_many_steps_as_the_service_does(
    stack: LocalStack, wrong: dict[str, Any]
) -> None:
    headers = {"apikey": stack.publishable_key, **sign_up(stack, anonymous=True).headers}
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    right = {"since": since, "step_seconds": 60, "bounds": SECONDS}
    url = f"{stack.url}/rest/v1/rpc/my_webhook_statistics"

    good = httpx.post(url, json=right, headers=headers, verify=False)
    refused = httpx.post(url, json={**right, **wrong}, headers=headers, verify=False)

    assert good.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (400, "22023")


def test_person_sees_what_is_theirs(
    stack: LocalStack, caller: Caller, db: psycopg.Connection
) -> None:
    person, other = sign_up(stack, anonymous=True), sign_up(stack)
    theirs, another = new_conversation_id(), new_conversation_id()
    row_id = make_conversation(db, theirs, user_id=person.id)
    make_conversation(db, another, user_id=other.id)
    call(db, "add_message", person.id, row_id, {"message_id": "api:1", "content": "No call"})
    caller.send(joined(theirs))
    caller.send(joined(another))
    caller.send(joined(new_conversation_id()))

    told = asked(caller, person, STATISTICS, hours=1)

    assert told["is_admin"] is False
    assert list(told["sources"]) == ["tavus"]
    assert sum(told["sources"]["tavus"]["received"]) == 1
    assert told["totals"]["received"] == 1
    assert told["totals"]["failed"] == 0
    assert told["totals"]["p50_ms"] > 0
    assert sum(told["retries"]) == 0


def test_admin_is_asked_for_at_each_call(
    stack: LocalStack, caller: Caller, db: psycopg.Connection
) -> None:
    person = sign_up(stack)
    make_admin(db, person)
    before = asked(caller, person, STATISTICS)
    db.execute("update public.profiles set role = 'user' where id = %s", [person.id])

    after = asked(caller, person, STATISTICS)

    assert (before["is_admin"], after["is_admin"]) == (True, False)
    assert after["sources"] == {}


def test_people_cannot_ask_the_database_for_everything(stack: LocalStack) -> None:
    headers = {"apikey": stack.publishable_key, **sign_up(stack).headers}
    arguments = {"since": "2026-01-01T00:00:00Z", "step_seconds": 60, "bounds": SECONDS}

    refused = [
        httpx.post(f"{stack.url}/rest/v1/rpc/{name}", json=asking, headers=headers, verify=False)
        for name, asking in {
            "webhook_statistics": arguments,
            "webhook_senders": {"sources": ["tavus"], "since": "2026-01-01T00:00:00Z"},
            "summarize_logs": {"wanted_source": None, "since": "2026-01-01T00:00:00Z"},
            "operations": {},
            "measure_realtime": {},
        }.items()
    ]

    assert {answer.status_code for answer in refused} == {403}


def test_service_counts_and_reports_on_its_own(
    start: Callable[..., tuple[Service, Sender]], admin: Account, source: str
) -> None:
    service, sender = start()
    sender.send("1")
    sender.send("1")
    sender.post(b"no JSON")
    sender.send("2", token="x" * 20)

    with httpx.Client(base_url=service.url, timeout=30) as http:
        senders = until(lambda: seen(Caller(http), admin, source))

    told = senders[source]
    assert told["paths"] == [f"/api/webhooks/{source}"]
    assert (told["received_24h"], told["duplicates_24h"]) == (2, 1)
    assert (told["rejected_24h"], told["unauthentic_24h"]) == (1, 1)
    assert told["success_rate"] == round(2 / 3, 4)
    assert told["p95_ms"] > 0
    configured = {name: other["configured"] for name, other in senders.items()}
    assert configured.keys() == {*(provider.name for provider in PROVIDERS), source}
    told = {"tavus": True, "twilio": True, "stripe": False, "calendly": True, source: True}
    assert configured == configured | told


def seen(caller: Caller, admin: Account, source: str) -> dict[str, Any]:
    """Return the senders by name once one of them was seen, and nothing before."""
    senders = {sender["source"]: sender for sender in asked(caller, admin, SENDERS)["data"]}
    return senders if senders[source]["unauthentic_24h"] else {}


def test_counts_of_an_outage_are_told_after_it(
    stack: LocalStack,
    start: Callable[..., tuple[Service, Sender]],
    caller: Caller,
    admin: Account,
    source: str,
) -> None:
    with Forwarder(stack.backend.gateway_port) as supabase:
        service, sender = start(
            SUPABASE_URL=supabase.url,
            SPOOL_PATH=str(stack.state.folder / f"{source}.db"),
            BREAKER_FAILURES="1",
            BREAKER_SECONDS="1",
        )
        supabase.mode = "refuse"
        answers = [sender.send(str(n)) for n in range(3)]
        until(lambda: "reports wait" in service.log)
        supabase.mode = "pass"

        metrics = until(lambda: received(caller, admin, source))

    assert {answer.json()["outcome"] for answer in answers} == {"spooled"}
    assert (metrics["received"], metrics["processed"]) == (3, 0)


def received(caller: Caller, admin: Account, source: str) -> dict[str, Any] | None:
    """Return what was counted of a source, once anything was."""
    metrics: dict[str, Any] = asked(caller, admin, LOGS, source=source)["metrics"]
    return metrics if metrics["received"] else None


def test_process_is_told_of_while_it_lives_and_not_once_it_has_ended(
    start: Callable[..., tuple[Service, Sender]],
    stack: LocalStack,
    caller: Caller,
    admin: Account,
    source: str,
) -> None:
    began = datetime.now(UTC).isoformat()

    def new() -> list[dict[str, Any]]:
        processes = asked(caller, admin, OPERATIONS)["processes"]
        return [process for process in processes if process["started_at"] > began]

    service, _ = start(SPOOL_PATH=str(stack.state.folder / f"{source}.db"))
    [process] = until(new)
    service.stop()

    assert (process["kind"], process["alive"]) == ("web", True)
    assert process["facts"]["breaker"] == "closed"
    assert process["facts"]["spooled"] == 0
    assert new() == []


def test_process_that_was_killed_is_told_of_until_another_takes_its_place(
    caller: Caller, admin: Account, db: psycopg.Connection
) -> None:
    host = f"{uuid.uuid4().hex[:8]}.example.test"

    def processes() -> list[bool]:
        told = asked(caller, admin, OPERATIONS)["processes"]
        return [process["alive"] for process in told if process["host"] == host]

    report(db, Tally(), host=host)
    db.execute(
        "update private.process_reports set reported_at = now() - interval '1 minute'"
        " where host = %s",
        [host],
    )
    silent = processes()
    report(db, Tally(), host=host, started_at="2026-03-01T07:00:00Z")

    assert silent == [False]
    assert processes() == [True]


def test_operations_tell_what_waits(caller: Caller, admin: Account, db: psycopg.Connection) -> None:
    before = asked(caller, admin, OPERATIONS)
    caller.send(joined(new_conversation_id()))

    after = asked(caller, admin, OPERATIONS)

    assert after["database"]["unmatched"] == before["database"]["unmatched"] + 1
    assert set(after["deliveries"]) == {"waiting", "oldest_due_seconds", "disabled_endpoints"}
    assert after["realtime"]["limit"] == 30
    assert isinstance(after["incidents"], list)


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_operations_tell_how_bad_an_incident_is(
    caller: Caller, admin: Account, db: psycopg.Connection, source: str, severity: str
) -> None:
    db.execute(
        "insert into private.incidents (name, severity, title, detail, began_at)"
        " values (%s, %s, 'It fails', 'All of it.', now())",
        [source, severity],
    )

    incidents = asked(caller, admin, OPERATIONS)["incidents"]

    db.execute("delete from private.incidents where name = %s", [source])
    assert [one["severity"] for one in incidents if one["name"] == source] == [severity]


def fail(db: psycopg.Connection, conversation: str, error: str) -> None:
    db.execute(
        "insert into private.event_attempts (event_id, attempt, error)"
        " select id, 1, %s from private.webhook_inbox where conversation_id = %s limit 1",
        [error, conversation],
    )


def test_logs_tell_of_events_and_whether_they_failed(
    caller: Caller, admin: Account, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    for seq in (1, 2, 3):
        caller.send(utterance(conversation, seq))
    db.execute(
        "update private.webhook_inbox set state = 'dead' where conversation_id = %s"
        " and event_key like '%%seq:2'",
        [conversation],
    )

    told = asked(caller, admin, LOGS, source="tavus", limit=3, hours=1)
    dead = asked(caller, admin, LOGS, state="dead", limit=1)

    assert [log["success"] for log in told["logs"]] == [True, False, True]
    assert {log["conversation_id"] for log in told["logs"]} == {conversation}
    assert dead["logs"] == [told["logs"][1]]


def test_logs_tell_what_the_calls_add_up_to(
    caller: Caller, admin: Account, db: psycopg.Connection, source: str
) -> None:
    tally = Tally([source])
    for outcome in ("new", "new", "new", "failed", "duplicate", "deferred"):
        tally.received(source, outcome, 0.02)
    tally.refused(source, 400)
    report(db, tally)

    told = asked(caller, admin, LOGS, source=source)

    assert told["logs"] == []
    assert told["metrics"] == {
        "received": 6,
        "processed": 3,
        "failed": 1,
        "duplicates": 1,
        "average_processing_ms": 20,
        "p50_ms": 17.5,
        "p95_ms": 24.25,
    }
    assert told["summary"]["total_events"] == 5
    assert told["summary"]["success_rate"] == round(5 / 7, 4)


def test_pages_of_logs_follow_each_other(
    caller: Caller, admin: Account, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    for seq in range(5):
        caller.send(utterance(conversation, seq))

    first = asked(caller, admin, LOGS, limit=3)
    second = asked(caller, admin, LOGS, limit=3, before=first["next"])

    seqs = [log["seq"] for log in first["logs"] + second["logs"]]
    assert len(seqs) == 6
    assert seqs == sorted(set(seqs), reverse=True)


def test_unknown_source_has_no_logs(caller: Caller, admin: Account) -> None:
    told = asked(caller, admin, LOGS, source="' or 1=1 --")

    assert told["logs"] == []
    assert told["metrics"]["received"] == 0
    assert told["metrics"]["average_processing_ms"] is None
    assert told["summary"] == {"total_events": 0, "success_rate": None, "common_errors": []}
    assert told["next"] is None


def test_same_fault_counts_as_one(caller: Caller, admin: Account, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    caller.send(utterance(conversation, 1))
    db.execute("delete from private.event_attempts")
    db.execute("delete from private.rejected_events")
    for n in range(3):
        fail(
            db, conversation, f"Traceback …\n  line {n}\nKeyError: 'field {n} of {uuid.uuid4()}'\n"
        )
    for word in ("Ada", "555 0100"):
        said = f'new row for relation "booking2s" violates check constraint "at_1": "{word}" 7'
        fail(db, conversation, said)
    caller.send({"event_type": "conversation.utterance"})

    errors = asked(caller, admin, LOGS)["summary"]["common_errors"]

    assert (errors[0]["error"], errors[0]["times"]) == ("KeyError: '…'", 3)
    violation = 'new row for relation "booking2s" violates check constraint "at_1": "…" #'
    assert (violation, 2) in [(error["error"], error["times"]) for error in errors]
    assert len(errors) == 3
