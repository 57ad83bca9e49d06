"""database.py: what goes over the wire for each question to Supabase, and what its answer means."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from services.database import Conversation, Database, DatabaseRefused
from services.errors import TakesNothing, Unavailable
from services.provider import Phone, Scenario, Video
from services.settings import load_settings
from tests.unit.database_calls import CALLS

PERSON = UUID("11111111-1111-4111-8111-111111111111")


@dataclass(slots=True)
class Asked:
    """A request as Supabase saw it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Supabase:
    """Remembers what it was asked and answers what it is told to."""

    status: int = 200
    answer: Any = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@pytest.fixture(name="running", scope="module")
def _running() -> Iterator[Supabase]:
    supabase = Supabase()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = parse_qs(parts.query)
            supabase.asked.append(Asked(self.command, parts.path, query, headers, body))
            answer = json.dumps(supabase.answer).encode()
            self.send_response(supabase.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PATCH = do_POST

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        supabase.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield supabase
        server.shutdown()


def connect(supabase: Supabase, check: Callable[[], None] = lambda: None) -> Database:
    """Return a database at this address, with the keys of the service and of browsers."""
    settings = load_settings(
        {
            "SUPABASE_URL": supabase.url,
            "SUPABASE_SECRET_KEY": "sb_secret_test",
            "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_test",
        }
    )
    return Database(settings, check)


@pytest.fixture(name="database", scope="module")
def _database(running: Supabase) -> Iterator[Database]:
    database = connect(running)
    yield database
    database.close()


@pytest.fixture(name="supabase")
def _supabase(running: Supabase) -> Supabase:
    running.status, running.answer = 200, None
    running.asked.clear()
    return running


@pytest.mark.parametrize("method", CALLS)
def test_function_is_called_with_its_arguments_by_their_names(
    supabase: Supabase, database: Database, method: str
) -> None:
    call = CALLS[method]
    supabase.answer = call.answer

    answer = getattr(database, method)(*call.given)

    [asked] = supabase.asked
    assert (asked.method, asked.path) == ("POST", f"/rest/v1/rpc/{call.function or method}")
    assert asked.body == call.arguments
    assert asked.headers["apikey"] == "sb_secret_test"
    assert answer == supabase.answer


def test_a_conversation_is_what_its_row_says(supabase: Supabase, database: Database) -> None:
    supabase.answer = [{"demo_id": "d1", "scenario_id": "s1"}]

    found = database.conversation("c1")

    assert found == Conversation(demo_id="d1", scenario_id="s1")
    assert supabase.asked[0].path == "/rest/v1/conversations"
    assert supabase.asked[0].query == {
        "select": ["demo_id,scenario_id"],
        "conversation_id": ["eq.c1"],
    }


def test_a_scenario_is_what_its_row_says(supabase: Supabase, database: Database) -> None:
    supabase.answer = [{"id": "s1", "title": "Sales", "metrics": None}]

    found = database.scenario("s1")

    assert found == Scenario(id="s1", title="Sales", metrics=None)
    assert supabase.asked[0].path == "/rest/v1/scenarios"
    assert supabase.asked[0].query == {"select": ["id,title,metrics"], "id": ["eq.s1"]}


def test_a_phone_is_what_its_row_says(supabase: Supabase, database: Database) -> None:
    row = {name: None for name in Phone.__dataclass_fields__}
    supabase.answer = [{**row, "phone_number": "+15550100"}]

    found = database.phone("+15550100")

    assert found == Phone(**supabase.answer[0])
    assert supabase.asked[0].path == "/rest/v1/phone_numbers"
    assert supabase.asked[0].query == {
        "select": [",".join(Phone.__dataclass_fields__)],
        "phone_number": ["eq.+15550100"],
    }


@pytest.mark.parametrize("method", ["conversation", "scenario", "phone"])
def test_a_row_that_is_not_there_is_none(
    supabase: Supabase, database: Database, method: str
) -> None:
    supabase.answer = []

    assert getattr(database, method)("gone") is None


def test_videos_are_a_demos_own_and_everybodys_newest_first(
    supabase: Supabase, database: Database
) -> None:
    supabase.answer = [
        {"id": 7, "title": "Tour", "storage_url": "https://x.example.test", "duration_seconds": 9},
        {"id": "v2", "title": None, "storage_url": None, "duration_seconds": None},
    ]

    videos = database.videos('a"b\\c')

    assert videos == (
        Video(id="7", title="Tour", storage_url="https://x.example.test", duration_seconds=9),
        Video(id="v2", title="", storage_url="", duration_seconds=None),
    )
    [asked] = supabase.asked
    assert asked.path == "/rest/v1/demo_videos"
    assert asked.query == {
        "select": ["id,title,storage_url,duration_seconds"],
        "or": ['(demo_id.is.null,demo_id.eq."a\\"b\\\\c")'],
        "order": ["created_at.desc"],
        "limit": ["1000"],
    }


def test_videos_without_a_demo_are_everybodys(supabase: Supabase, database: Database) -> None:
    supabase.answer = []

    assert database.videos(None) == ()
    assert supabase.asked[0].query["or"] == ["(demo_id.is.null)"]


@pytest.mark.parametrize(("rows", "has"), [([{"id": "v1"}], True), ([], False)])
def test_a_demo_has_videos_or_has_none(
    supabase: Supabase, database: Database, rows: list[dict[str, str]], has: bool
) -> None:
    supabase.answer = rows

    assert database.has_demo("d1") is has
    assert supabase.asked[0].path == "/rest/v1/demo_videos"
    assert supabase.asked[0].query == {"select": ["id"], "demo_id": ["eq.d1"], "limit": ["1"]}


@pytest.mark.parametrize(
    ("rows", "is_admin"), [([{"role": "admin"}], True), ([{"role": "user"}], False), ([], False)]
)
def test_who_is_an_admin_is_asked_as_that_person(
    supabase: Supabase, database: Database, rows: list[dict[str, str]], is_admin: bool
) -> None:
    supabase.answer = rows

    assert database.is_admin("their-token", PERSON) is is_admin
    [asked] = supabase.asked
    assert asked.path == "/rest/v1/profiles"
    assert asked.query == {"select": ["role"], "id": [f"eq.{PERSON}"]}
    assert asked.headers["apikey"] == "sb_publishable_test"
    assert asked.headers["authorization"] == "Bearer their-token"


def test_a_booking_is_added_as_it_is(supabase: Supabase, database: Database) -> None:
    supabase.status, supabase.answer = 201, []

    database.add_booking({"booking_key": "k", "status": "asked"})

    [asked] = supabase.asked
    assert (asked.method, asked.path) == ("POST", "/rest/v1/bookings")
    assert asked.body == {"booking_key": "k", "status": "asked"}


def test_a_booking_is_changed_by_its_key(supabase: Supabase, database: Database) -> None:
    supabase.answer = [{"booking_key": "k", "status": "booked"}]

    assert database.change_booking("k", {"status": "booked"}) == supabase.answer[0]
    [asked] = supabase.asked
    assert (asked.method, asked.path) == ("PATCH", "/rest/v1/bookings")
    assert asked.query == {"booking_key": ["eq.k"]}
    assert asked.body == {"status": "booked"}


def test_a_booking_that_is_gone_is_said_to_be(supabase: Supabase, database: Database) -> None:
    supabase.answer = []

    with pytest.raises(DatabaseRefused, match=r"^The booking is gone\.$"):
        database.change_booking("k", {})


def test_an_account_is_asked_for_with_its_token(supabase: Supabase, database: Database) -> None:
    supabase.answer = {"id": "u1"}

    assert database.account("their-token") == {"id": "u1"}
    [asked] = supabase.asked
    assert (asked.method, asked.path) == ("GET", "/auth/v1/user")
    assert asked.headers["apikey"] == "sb_publishable_test"
    assert asked.headers["authorization"] == "Bearer their-token"


@pytest.mark.parametrize("status", [400, 401, 403, 499])
def test_a_token_that_auth_refuses_is_nobodys(
    supabase: Supabase, database: Database, status: int
) -> None:
    supabase.status, supabase.answer = status, {"msg": "invalid JWT"}

    assert database.account("old") is None


@pytest.mark.parametrize("status", [500, 501])
def test_an_auth_that_is_broken_means_later(
    supabase: Supabase, database: Database, status: int
) -> None:
    supabase.status, supabase.answer = status, {"msg": "broken"}

    with pytest.raises(Unavailable, match=r"^Supabase Auth cannot answer\.$"):
        database.account("any")


def test_a_supabase_that_is_not_there_means_later() -> None:
    database = connect(Supabase(url="http://127.0.0.1:1"))

    with pytest.raises(Unavailable, match=r"^Supabase Auth cannot be reached\.$"):
        database.account("any")
    with pytest.raises(Unavailable, match=r"^Supabase cannot be reached \(ConnectError\)\.$"):
        database.totals()
    with pytest.raises(Unavailable, match=r"^Supabase cannot be reached \(ConnectError\)\.$"):
        database.protocol()


def test_what_is_spoken_is_asked_of_auth(supabase: Supabase, database: Database) -> None:
    assert database.protocol() == "HTTP/1.1"
    assert (supabase.asked[0].method, supabase.asked[0].path) == ("GET", "/auth/v1/health")


@pytest.mark.parametrize(
    "ask",
    [
        lambda database: database.begin_conversation({}, None, "", 1.0),
        lambda database: database.conversation("c"),
        lambda database: database.is_admin("token", PERSON),
        lambda database: database.videos(None),
    ],
)
def test_where_a_look_up_is_not_worth_the_wait_nothing_is_asked(
    supabase: Supabase, ask: Callable[[Database], object]
) -> None:
    def refuse() -> None:
        raise Unavailable("not now")

    with pytest.raises(Unavailable, match="not now"):
        ask(connect(supabase, refuse))
    assert supabase.asked == []


@pytest.mark.parametrize(
    "code",
    ["PGRST000", "PGRST003", "08006", "53300", "57014", "58000", "40P01", "40001", "503", "520"],
)
def test_what_may_work_later_is_unavailable(
    supabase: Supabase, database: Database, code: str
) -> None:
    supabase.status, supabase.answer = 500, {"code": code, "message": "no"}

    with pytest.raises(Unavailable, match=rf"^Supabase cannot commit now \({code}\)\.$"):
        database.totals()


@pytest.mark.parametrize("code", ["53100", "58030", "25006"])
def test_a_database_that_only_answers_takes_nothing(
    supabase: Supabase, database: Database, code: str
) -> None:
    supabase.status, supabase.answer = 500, {"code": code, "message": "no"}

    with pytest.raises(TakesNothing, match=rf"^Supabase cannot commit now \({code}\)\.$"):
        database.receive_events([])


@pytest.mark.parametrize("code", ["23505", "42501", "22P02", "PGRST202", "40002", "0A000", "25001"])
def test_what_will_never_work_is_refused_with_its_code(
    supabase: Supabase, database: Database, code: str
) -> None:
    supabase.status, supabase.answer = 400, {"code": code, "message": "no way"}

    with pytest.raises(DatabaseRefused, match=rf"^Supabase refused: {code} no way$") as refused:
        database.totals()
    assert refused.value.code == code


def test_a_refusal_without_a_code_is_one_all_the_same(
    supabase: Supabase, database: Database
) -> None:
    supabase.status, supabase.answer = 400, {"code": "", "message": "no way"}

    with pytest.raises(DatabaseRefused) as refused:
        database.totals()
    assert refused.value.code == ""
    assert DatabaseRefused("gone").code == ""


def test_an_error_of_postgrest_behind_a_gateways_status_keeps_its_code(
    supabase: Supabase, database: Database
) -> None:
    supabase.status, supabase.answer = 503, {"code": "23505", "message": "no way"}

    with pytest.raises(DatabaseRefused):
        database.totals()


@pytest.mark.parametrize("status", [502, 503, 504, 520, 530])
def test_a_gateway_in_place_of_supabase_means_later(
    supabase: Supabase, database: Database, status: int
) -> None:
    supabase.status, supabase.answer = status, {"message": "no upstream"}

    with pytest.raises(Unavailable, match=rf"^Supabase cannot be reached \({status}\)\.$"):
        database.totals()


@pytest.mark.parametrize(
    "ask",
    [lambda database: database.is_admin("token", PERSON), lambda database: database.scenario("s")],
    ids=["a person's read", "the service's read"],
)
def test_a_read_is_tried_once_and_knows_a_gateway(
    supabase: Supabase, database: Database, ask: Callable[[Database], object]
) -> None:
    supabase.status, supabase.answer = 503, {"code": "PGRST002", "message": "no schema yet"}
    with pytest.raises(Unavailable, match="PGRST002"):
        ask(database)
    assert len(supabase.asked) == 1

    supabase.answer = {"message": "no upstream"}
    with pytest.raises(Unavailable, match=r"^Supabase cannot be reached \(503\)\.$"):
        ask(database)
