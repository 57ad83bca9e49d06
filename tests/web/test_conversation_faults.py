"""Starting a conversation fails anywhere: nothing keeps running at Tavus, and no row stays open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any
from uuid import UUID

import httpx
import psutil
import psycopg
import pytest

from services.conversations.conversations import Conversations
from services.conversations.orphans import WAITS, Orphans
from services.conversations.request import NewConversation
from services.database import Database, DatabaseRefused
from services.errors import ConvohooksError, Unavailable, Unprocessable
from services.local.stack import LocalStack
from services.people import Person
from services.settings import Settings, load_settings
from services.wiring.web import wire
from tests.database.events import make_conversation, rows
from tests.stack import start_service
from tests.tavus_fake import LATE, Call, FakeTavus, reference
from tests.waiting import until
from tests.web.caller import SETTINGS, Caller, conversation_query, joined
from tests.web.conversations import (
    URL,
    _ada,
    _caller,
    _service,
    _shared_tavus,
    _tavus,
    rows_of,
    start,
)
from tests.web.people import Account

__all__ = ["_ada", "_caller", "_service", "_shared_tavus", "_tavus"]

TAVUS_FAULTS: dict[str, dict[str, Any]] = {
    "works": {},
    "refuses": {"status": 400, "body": {"error": "Invalid persona_id"}},
    "breaks": {"status": 500},
    "is not reached": {"status": None},
    "makes it and breaks": {"status": 500, "after": True},
    "makes it and is silent": {"status": None, "after": True},
    "makes it and answers nonsense": {"status": 200, "body": b"<html>", "after": True},
}
DATABASE_FAULTS: dict[str, dict[str, str]] = {
    "works": {},
    **{
        f"{function} {fault}": {function: fault}
        for function in ("begin_conversation", "place_conversation", "fail_conversation")
        for fault in ("lost before", "lost after", "killed before", "killed after")
    },
    "is away after the beginning": dict.fromkeys(
        ("place_conversation", "fail_conversation", "finish_look"), "lost before"
    ),
    "answers no more after the beginning": dict.fromkeys(
        ("place_conversation", "fail_conversation", "finish_look"), "lost after"
    ),
}
# What is done before Tavus is asked, and after it has answered, depends on no fault of Tavus's.
FAULTS = [
    (tavus_fault, database_fault)
    for database_fault in DATABASE_FAULTS
    for tavus_fault in TAVUS_FAULTS
    if tavus_fault == "works" or not database_fault.startswith(("begin", "place"))
]


class Killed(BaseException):
    """The process was killed here."""


class Flaky(Database):
    """A database whose functions fail where the test says so: before they are done, or after."""

    def __init__(self, settings: Settings, faults: dict[str, str]) -> None:
        super().__init__(settings)
        self.faults = faults

    def call(self, function: str, arguments: Any) -> Any:
        kind, _, when = self.faults.get(function, "").partition(" ")
        if when == "before":
            self._fail(kind)
        answer = super().call(function, arguments)
        if when == "after":
            self._fail(kind)
        return answer

    def _fail(self, kind: str) -> None:
        raise Killed() if kind == "killed" else Unavailable("Supabase cannot be reached (test).")


@dataclass(slots=True)
class Office:
    """Starts conversations within the test, and sweeps up as a worker does."""

    settings: Settings
    db: psycopg.Connection
    person: Person
    conversations: Conversations
    databases: list[Database] = field(default_factory=list)

    def start(self, faults: dict[str, str] | None = None, **wanted: str) -> dict[str, Any]:
        database = Flaky(self.settings, faults or {})
        self.databases.append(database)
        orphans = replace(self.conversations.orphans, database=database)
        conversations = replace(self.conversations, database=database, orphans=orphans)
        return conversations.start(
            self.person, NewConversation.model_validate({"persona_id": "p1", **wanted})
        )

    def sweep(self, times: int = len(WAITS) + 2) -> None:
        """Let the worker look as often as it will, without the waits between."""
        for _ in range(times):
            due = self.db.execute(
                "update private.conversation_calls set next_look_at = now()"
                " where user_id = %s and next_look_at is not null",
                [self.person.id],
            )
            if not due.rowcount:
                return
            self.orphans().work()

    def orphans(self) -> Orphans:
        database = Database(self.settings)
        self.databases.append(database)
        return replace(self.conversations.orphans, database=database)


@pytest.fixture(name="office")
def _office(
    stack: LocalStack, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> Iterator[Office]:
    env = {**stack.env(), **SETTINGS, **tavus.settings(), "CONVERSATIONS_PER_HOUR": "0"}
    person = Person(id=UUID(ada.id), token=ada.token)
    settings = load_settings(env)
    office = Office(settings, db, person, wire(settings).conversations)
    yield office
    for database in office.databases:
        database.close()


def outcome(work: Callable[[], Any]) -> str:
    """Return how a request ended for its caller."""
    try:
        work()
    except ConvohooksError:
        return "refused"
    except Killed:
        return "killed"
    return "answered"


@pytest.mark.parametrize(("tavus_fault", "database_fault"), FAULTS)
def test_whatever_fails_nothing_is_left_by_half(
    office: Office,
    tavus: FakeTavus,
    db: psycopg.Connection,
    ada: Account,
    tavus_fault: str,
    database_fault: str,
) -> None:
    if TAVUS_FAULTS[tavus_fault]:
        tavus.fail("POST", "/conversations", **TAVUS_FAULTS[tavus_fault])

    ended = outcome(lambda: office.start(DATABASE_FAULTS[database_fault]))
    office.sweep()

    found = rows_of(db, ada)
    running = tavus.running()
    if ended == "answered" or (found and found[0]["status"] == "active"):
        # Killed when all was stored: the person finds the conversation in their list.
        assert ended == "answered" or database_fault == "place_conversation killed after"
        assert [row["status"] for row in found] == ["active"]
        assert found[0]["conversation_id"] == running[0]["conversation_id"]
        assert len(running) == 1
    else:
        assert [row["status"] for row in found] in ([], ["failed"])
        assert running == []
    assert still_looked_for(db, ada) == 0


def test_orphan_is_ended_at_once_when_tavus_can_be_asked(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    tavus.fail("POST", "/conversations", None, after=True)

    with pytest.raises(Unavailable):
        office.start()

    [orphan] = tavus.conversations.values()
    assert orphan["status"] == "ended"
    assert still_looked_for(db, ada) == 0


def test_what_can_neither_be_stored_nor_ended_is_ended_later(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    tavus.fail("POST", ".*/end", 500)

    with pytest.raises(Unavailable, match="could not be stored and is ended again"):
        office.start({"place_conversation": "lost before"})
    left = len(tavus.running()), rows_of(db, ada)[0]["status"], still_looked_for(db, ada)
    office.sweep(times=1)

    assert left == (1, "failed", 1)
    assert tavus.running() == []
    assert still_looked_for(db, ada) == 0


def test_account_that_goes_meanwhile_begins_nothing(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    db.execute("delete from auth.users where id = %s", [ada.id])

    with pytest.raises(Unprocessable, match=r"^The account or the scenario is gone\.$"):
        office.start()

    assert tavus.called("POST", "/conversations") == []
    assert rows_of(db, ada) == []


@pytest.mark.parametrize("asked", ["has_demo", "begin_conversation"])
@pytest.mark.parametrize(
    ("code", "error"), [("22P02", Unprocessable), ("PGRST202", DatabaseRefused)]
)
def test_demo_of_which_the_database_can_hold_no_such_id_is_refused(
    office: Office,
    tavus: FakeTavus,
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    code: str,
    error: type[Exception],
) -> None:
    """Where the tables were there before, a demo's id may be a uuid."""

    def refuse(*_: object) -> None:
        raise DatabaseRefused("no", code)

    monkeypatch.setattr(Database, asked, refuse)

    with pytest.raises(error):
        office.start(demo_id="d1")

    assert tavus.called("POST", "/conversations") == []


def test_demo_that_its_person_sees_is_practised_with(
    office: Office, db: psycopg.Connection
) -> None:
    demo = f"demo-{office.person.id}"
    db.execute("insert into public.demo_videos (demo_id, title) values (%s, 'Tour')", [demo])

    assert office.start(demo_id=demo)["demo_id"] == demo


def test_orphan_that_appears_late_is_ended_later(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    tavus.fail("POST", "/conversations", None)
    with pytest.raises(Unavailable):
        office.start()
    request = tavus.called("POST", "/conversations")[0]

    assert still_looked_for(db, ada) == 1
    office.sweep(times=1)
    tavus.do(request)
    office.sweep(times=1)

    assert len(tavus.conversations) == 1
    assert tavus.running() == []
    assert still_looked_for(db, ada) == 0


def test_conversations_of_others_keep_running(
    office: Office, tavus: FakeTavus, db: psycopg.Connection
) -> None:
    office.start()
    foreign = [
        "https://elsewhere.example.test/hook",
        "",
        "https://[",
        f"https://elsewhere.example.test/?c={make_conversation(db, None)}&t=x",
    ]
    for url in foreign:
        tavus.do(_creation(tavus, url))
    for row in list(tavus.conversations.values())[-1:]:
        row["callback_url"] = 7
    tavus.fail("POST", "/conversations", 500, after=True)

    with pytest.raises(ConvohooksError):
        office.start()
    office.sweep()

    assert len(tavus.running()) == 1 + len(foreign)


def test_orphan_beyond_the_first_page_is_found(office: Office, tavus: FakeTavus) -> None:
    tavus.fail("POST", "/conversations", None, after=True)
    tavus.fail("GET", "/conversations", 500)
    with pytest.raises(Unavailable):
        office.start()
    for _ in range(250):
        tavus.do(_creation(tavus, ""))

    office.sweep(times=1)

    assert len(tavus.running()) == 250


def test_orphan_that_tavus_refuses_to_end_holds_up_no_other(
    office: Office, tavus: FakeTavus
) -> None:
    for _ in range(2):
        with pytest.raises(Killed):
            office.start({"place_conversation": "killed before"})
    refused = min(tavus.running(), key=lambda row: reference(row) or "")
    tavus.fail("POST", f".*/{refused['conversation_id']}/end", 400, body={"error": "Not now"})

    office.sweep(times=1)
    left = tavus.running()
    office.sweep(times=1)

    assert left == [refused]
    assert tavus.running() == []


def test_worker_goes_on_where_tavus_was_away(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    tavus.fail("POST", "/conversations", None, after=True)
    tavus.fail("GET", "/conversations", 500, times=2)
    with pytest.raises(Unavailable):
        office.start()

    with pytest.raises(ConvohooksError):
        office.sweep(times=1)
    status, running = rows_of(db, ada)[0]["status"], len(tavus.running())
    office.sweep(times=1)

    assert (status, running) == ("failed", 1)
    assert tavus.running() == []


def test_row_is_failed_though_tavus_is_away_for_days(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    with pytest.raises(Killed):
        office.start({"begin_conversation": "killed after"})
    db.execute(
        "update private.conversation_calls set begun_at = now() - interval '2 days'"
        " where user_id = %s",
        [ada.id],
    )
    tavus.fail("GET", "/conversations", 500, times=9)

    with pytest.raises(ConvohooksError):
        office.sweep(times=1)

    assert [row["status"] for row in rows_of(db, ada)] == ["failed"]
    assert still_looked_for(db, ada) == 0


def test_worker_leaves_requests_at_work_alone(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    with pytest.raises(Killed):
        office.start({"place_conversation": "killed before"})

    office.orphans().work()

    assert [row["status"] for row in rows_of(db, ada)] == ["starting"]
    assert len(tavus.running()) == 1


def test_several_workers_end_an_orphan_once(office: Office, tavus: FakeTavus) -> None:
    with pytest.raises(Killed):
        office.start({"place_conversation": "killed before"})
    office.db.execute(
        "update private.conversation_calls set next_look_at = now() where user_id = %s",
        [office.person.id],
    )
    workers = [office.orphans() for _ in range(4)]

    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda worker: worker.work(), workers))

    assert tavus.running() == []
    assert len(tavus.called("POST", ".*/end")) == 1


def test_request_that_the_worker_gave_up_is_not_answered(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    gate = Event()
    tavus.fail("POST", "/conversations", LATE, after=True, gate=gate)

    with ThreadPoolExecutor() as threads:
        slow = threads.submit(outcome, office.start)
        until(lambda: tavus.running())
        office.sweep(times=1)
        gate.set()

    assert slow.result() == "refused"
    assert [row["status"] for row in rows_of(db, ada)] == ["failed"]
    assert tavus.running() == []


# --- callbacks that are faster than we are ---------------------------------------------------


@pytest.mark.parametrize(
    ("event", "status"), [("system.replica_joined", "active"), ("system.shutdown", "completed")]
)
def test_callback_before_our_update_binds_the_row(
    caller: Caller,
    tavus: FakeTavus,
    db: psycopg.Connection,
    ada: Account,
    event: str,
    status: str,
) -> None:
    def call_back(tavus: FakeTavus) -> None:
        [made] = tavus.conversations.values()
        payload = joined(made["conversation_id"], event_type=event)
        query = conversation_query(rows_of(db, ada)[0]["id"])
        answers.append(caller.send(payload, query=query))

    answers: list[httpx.Response] = []
    tavus.fail("POST", "/conversations", LATE, after=True, also=call_back)

    told = start(caller, ada)

    assert [answer.status_code for answer in answers] == [200]
    assert told.status_code == 201
    [row] = rows_of(db, ada)
    assert (row["status"], row["conversation_id"]) == (status, told.json()["conversation_id"])
    assert row["conversation_url"] == told.json()["conversation_url"]


def test_row_that_a_callback_bound_is_failed_when_its_person_got_no_answer(
    office: Office, caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    with pytest.raises(Killed):
        office.start({"place_conversation": "killed before"})
    [made] = tavus.conversations.values()
    query = conversation_query(rows_of(db, ada)[0]["id"])
    assert caller.send(joined(made["conversation_id"]), query=query).status_code == 200
    bound = rows_of(db, ada)[0]["status"]
    office.sweep(times=1)
    late = {**joined(made["conversation_id"]), "event_type": "system.shutdown"}
    assert caller.send(late, query=query).status_code == 200

    [row] = rows_of(db, ada)
    assert (bound, row["status"]) == ("active", "failed")
    assert tavus.running() == []


def test_conversation_that_somebody_else_has_is_not_ended(
    office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    def answer_with_theirs(tavus: FakeTavus) -> None:
        fault.body = {"conversation_id": theirs, "conversation_url": "https://x.example.test/"}

    theirs = tavus.do(_creation(tavus, ""))[1]["conversation_id"]
    make_conversation(db, theirs)
    fault = tavus.fail("POST", "/conversations", 200, also=answer_with_theirs)

    assert outcome(office.start) == "refused"
    assert [row["status"] for row in rows_of(db, ada)] == ["failed"]
    assert len(tavus.running()) == 1


# --- at the same time ------------------------------------------------------------------------


def test_same_request_at_the_same_time_is_one_conversation(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: start(caller, ada, "same"), range(8)))

    told = {answer.status_code for answer in answers}
    assert 201 in told
    assert told <= {201, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 201}) == 1
    assert len(tavus.conversations) == len(rows_of(db, ada)) == 1


def test_worker_and_request_never_both_have_a_conversation(
    office: Office, tavus: FakeTavus, db: psycopg.Connection
) -> None:
    """One of them gets the row, whichever comes first; the other knows."""
    person = str(office.person.id)
    database, worker = office.orphans().database, office.orphans().database
    outcomes = []
    with ThreadPoolExecutor(2) as threads:
        for n in range(30):
            begun = database.begin_conversation({"user_id": person}, None, "", 0.0)
            name = f"race-{begun['id']}"
            race = [
                threads.submit(database.place_conversation, begun["id"], name, "https://x.test"),
                threads.submit(worker.claim_lost_conversations, 100, 60.0),
            ]
            placed, claimed = [future.result() for future in (race if n % 2 else race[::-1])][
                :: 1 if n % 2 else -1
            ]
            is_claimed = begun["id"] in [lost["ref"] for lost in claimed]
            outcomes.append((placed["outcome"], is_claimed))

    assert set(outcomes) <= {("placed", False), ("late", True)}


# --- for real --------------------------------------------------------------------------------


def test_service_killed_while_tavus_works_leaves_nothing(
    stack: LocalStack, office: Office, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    service = start_service(stack, **SETTINGS, **tavus.settings())
    gate = Event()
    tavus.fail("POST", "/conversations", LATE, after=True, gate=gate)
    try:
        with ThreadPoolExecutor() as threads:
            caller = threads.submit(
                httpx.post,
                service.url + URL,
                json={"persona_id": "p1"},
                headers=ada.headers,
                timeout=30,
            )
            until(lambda: tavus.running())
            for process in psutil.Process(service.pid).children():
                process.kill()
            assert isinstance(caller.exception(), httpx.TransportError)
            gate.set()
        status = rows_of(db, ada)[0]["status"]
        office.sweep()
    finally:
        service.kill()

    assert status == "starting"
    assert [row["status"] for row in rows_of(db, ada)] == ["failed"]
    assert tavus.running() == []


def test_service_whose_tavus_is_not_there_answers_503(
    stack: LocalStack, db: psycopg.Connection, ada: Account
) -> None:
    env = {**SETTINGS, "TAVUS_API_KEY": "x", "TAVUS_BASE_URL": "http://127.0.0.1:9/v2"}
    service = start_service(stack, **env)
    try:
        answer = httpx.post(
            service.url + URL, json={"persona_id": "p1"}, headers=ada.headers, timeout=30
        )
    finally:
        service.kill()

    assert answer.status_code == 503
    assert "Tavus cannot be reached" in answer.json()["detail"]
    assert [row["status"] for row in rows_of(db, ada)] == ["failed"]


def still_looked_for(db: psycopg.Connection, person: Account) -> int:
    """Count what a worker is still to look for."""
    found = rows(
        db,
        "select ref from private.conversation_calls"
        " where user_id = %s and next_look_at is not null",
        person.id,
    )
    return len(found)


def _creation(tavus: FakeTavus, callback_url: str) -> Any:
    body = {"persona_id": "p9", "callback_url": callback_url}
    return Call("POST", "/conversations", {}, body, tavus.key)
