"""/api/webhook-endpoints: people make endpoints, change them, and try them out."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb
from standardwebhooks import Webhook

from services.database import Database, DatabaseRefused
from services.egress import Egress
from services.errors import Conflict
from services.local.stack import LocalStack
from services.outgoing.endpoint_request import EVENT_TYPES, NewEndpoint
from services.outgoing.endpoints import Endpoints
from services.outgoing.samples import sample
from services.outgoing.store import OutgoingStore
from services.people import Person
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.stack import start_service
from tests.web.caller import SETTINGS, Caller
from tests.web.endpoints import (
    ENDPOINTS,
    HOOK,
    create,
    deliveries_of,
    endpoints_of,
    finish,
    made,
    secrets_of,
)
from tests.web.meanwhile import meanwhile
from tests.web.people import Account, make_admin, sign_up

DEFAULTS = {
    "url": HOOK,
    "description": None,
    "event_types": None,
    "disabled": False,
    "disabled_reason": None,
    "disabled_at": None,
    "headers": {},
    "rate_per_minute": None,
    "concurrency": None,
    "ordered": False,
    "retry_schedule": None,
    "conversation_id": None,
    "version": 1,
}


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="grace", scope="module")
def _grace(stack: LocalStack) -> Account:
    """Somebody with endpoints of other tests too."""
    return sign_up(stack)


@pytest.fixture(name="other", scope="module")
def _other(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="admin", scope="module")
def _admin(stack: LocalStack) -> Account:
    account = sign_up(stack)
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        make_admin(db, account)
    return account


def person_of(account: Account) -> Person:
    return Person(id=UUID(account.id), token=account.token)


def endpoints_in(database: Database) -> Endpoints:
    return Endpoints(database=database, store=OutgoingStore(database=database), egress=Egress())


def get(caller: Caller, person: Account, path: str = "", **query: Any) -> httpx.Response:
    return caller.http.get(f"{ENDPOINTS}{path}", params=query, headers=person.headers)


def post(caller: Caller, person: Account, path: str, body: Any = None) -> httpx.Response:
    return caller.http.post(f"{ENDPOINTS}{path}", json=body, headers=person.headers)


def patch(caller: Caller, person: Account, endpoint_id: str, body: Any) -> httpx.Response:
    address = f"{ENDPOINTS}/{endpoint_id}"
    return caller.http.patch(address, content=json.dumps(body), headers=person.headers)


# --- making ----------------------------------------------------------------------------------


def test_a_new_endpoint_is_told_with_its_secret(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    answer = create(caller, ada)

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert answer.headers["Location"] == f"{ENDPOINTS}/{told['id']}"
    named = {"id", "secret", "created_at", "updated_at"}
    assert {name: told[name] for name in told.keys() - named} == DEFAULTS
    secret = told["secret"]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 24
    assert Webhook(secret).sign("msg_1", datetime.now(UTC), "{}").startswith("v1,")
    [row] = endpoints_of(db, ada)
    assert (str(row["id"]), row["url"]) == (told["id"], HOOK)
    assert secrets_of(db, told["id"]) == [secret]


def test_everything_that_was_asked_for_is_kept(caller: Caller, grace: Account) -> None:
    wanted = {
        "event_types": ["message.created", "call.completed"],
        "description": "Grüße, 語 & co.",
        "disabled": True,
        "headers": {"Authorization": "Bearer x", "X-Key": "a b\tc"},
        "rate_per_minute": 5,
        "concurrency": 2,
        "ordered": True,
        "retry_schedule": [1, 604_800],
    }

    told = made(caller, grace, **wanted)

    shown_headers = {"Authorization": None, "X-Key": None}
    assert {name: told[name] for name in wanted} == {**wanted, "headers": shown_headers}
    assert told["disabled_reason"] == "owner"
    assert told["disabled_at"] is not None
    shown = get(caller, grace, f"/{told['id']}").json()
    assert shown == {name: value for name, value in told.items() if name != "secret"}


def test_nobody_is_shown_a_secret_again(caller: Caller, ada: Account, admin: Account) -> None:
    told = made(caller, ada)

    answers = [
        get(caller, ada),
        get(caller, ada, f"/{told['id']}"),
        get(caller, admin, f"/{told['id']}"),
        patch(caller, ada, told["id"], {"description": "x"}),
        post(caller, ada, f"/{told['id']}/test"),
        get(caller, ada, f"/{told['id']}/deliveries"),
    ]

    assert all(answer.is_success for answer in answers)
    for answer in answers:
        assert "whsec_" not in answer.text
        assert "secret" not in answer.text


def test_no_browser_reads_a_secret(stack: LocalStack, caller: Caller, ada: Account) -> None:
    told = made(caller, ada)
    key = {"apikey": stack.publishable_key, **ada.headers}

    row = httpx.get(f"{stack.url}/rest/v1/webhook_endpoints?select=*", headers=key)
    secrets = httpx.get(f"{stack.url}/rest/v1/endpoint_secrets?select=*", headers=key)

    assert [endpoint["id"] for endpoint in row.json()] == [told["id"]]
    assert "whsec_" not in row.text
    assert secrets.status_code == 404


CREDENTIAL = "a-credential-of-the-receiver"


def headers_of(db: psycopg.Connection, endpoint: str) -> dict[str, str]:
    found = db.execute(
        "select name, value from private.endpoint_headers where endpoint_id = %s", [endpoint]
    )
    return dict(found.fetchall())


def test_nobody_is_shown_again_what_a_header_says(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, ada: Account, admin: Account
) -> None:
    told = made(caller, ada, headers={"Authorization": CREDENTIAL})
    address = f"/{told['id']}"
    rest = f"{stack.url}/rest/v1"
    post(caller, ada, f"{address}/test")

    answers = [get(caller, ada), get(caller, ada, f"{address}/deliveries")]
    answers += [patch(caller, ada, told["id"], {"headers": {"Authorization": CREDENTIAL}})]
    for person in (ada, admin):
        key = {"apikey": stack.publishable_key, **person.headers}
        answers += [
            get(caller, person, address),
            httpx.get(f"{rest}/webhook_endpoints?select=*&id=eq.{told['id']}", headers=key),
        ]

    assert told["headers"] == {"Authorization": None}
    assert headers_of(db, told["id"]) == {"Authorization": CREDENTIAL}
    for answer in answers:
        assert answer.is_success
        assert CREDENTIAL not in answer.text
        assert told["id"] in answer.text
    for table in ("endpoint_headers", "private.endpoint_headers"):
        assert httpx.get(f"{rest}/{table}?select=*", headers=key).status_code == 404


def test_what_was_shown_of_headers_can_be_sent_back(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    told = made(caller, ada, headers={"X-A": "1", "X-B": "2", "X-C": "3"})

    answer = patch(caller, ada, told["id"], {"headers": {"X-A": None, "X-B": "4", "X-D": ""}})

    assert answer.json()["headers"] == dict.fromkeys(("X-A", "X-B", "X-D"))
    assert headers_of(db, told["id"]) == {"X-A": "1", "X-B": "4", "X-D": ""}


def test_header_of_which_nothing_is_kept_cannot_stay(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    told = made(caller, ada, headers={"X-A": "1"})

    changed = patch(caller, ada, told["id"], {"headers": {"X-B": None}})
    new = post(caller, ada, "", {"url": HOOK, "headers": {"X-A": None}})

    for answer in (changed, new):
        assert answer.status_code == 422
        assert "headers" in answer.json()["detail"]
    assert headers_of(db, told["id"]) == {"X-A": "1"}


# Each kind of wrong once; all of them are in tests/unit/test_endpoint_request.py.
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("url", {"url": "http://hooks.example.test/"}),
    ("url", {"url": "http://127.0.0.1:8000/"}),
    ("url", {"url": "https://127.0.0.1/"}),
    ("url", {"url": "https://[::ffff:a9fe:a9fe]/"}),
    ("url", {"url": "https://0x7f.1/"}),
    ("url", {"url": "https://user:hush@hooks.example.test/"}),
    ("url", {"url": "https://hooks.example.test/\r\nHost: internal"}),
    ("url", {"url": "https://hooks.example.test/\u0000"}),
    ("url", {"url": "https://\ud800.example.test/"}),
    ("url", {"url": None}),
    ("url", {"url": ["https://hooks.example.test/"]}),
    ("event_types", {"event_types": []}),
    ("event_types", {"event_types": ["message.deleted"]}),
    ("event_types", {"event_types": ["message.created"] * 2}),
    ("headers", {"headers": {"Host": "internal"}}),
    ("headers", {"headers": {"Webhook-Id": "msg_1"}}),
    ("headers", {"headers": {"X-A": "1\r\nX-B: 2"}}),
    ("headers", {"headers": {"X-A\r\nX-B": "2"}}),
    ("headers", {"headers": {"X-A": "\u0000"}}),
    ("headers", {"headers": {"X-\ud800": "x"}}),
    ("headers", {"headers": "X-A: 1"}),
    ("rate_per_minute", {"rate_per_minute": 10_001}),
    ("concurrency", {"concurrency": 0}),
    ("retry_schedule", {"retry_schedule": [0]}),
    ("description", {"description": "x" * 1001}),
    ("disabled", {"disabled": "no"}),
    ("ordered", {"ordered": 1}),
    ("user_id", {"user_id": str(UUID(int=1))}),
    ("secret", {"secret": "whsec_AAAA"}),
    ("conversation_id", {"conversation_id": str(UUID(int=1))}),
]


@pytest.mark.parametrize(("field", "wrong"), WRONG)
def test_what_is_wrong_is_422_and_named_and_nothing_is_made_or_changed(
    caller: Caller, db: psycopg.Connection, grace: Account, field: str, wrong: dict[str, Any]
) -> None:
    told = made(caller, grace)
    before = endpoints_of(db, grace)

    answers = [create(caller, grace, **wrong), patch(caller, grace, told["id"], wrong)]

    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"].startswith(field)
        assert "hush" not in answer.text
    assert endpoints_of(db, grace) == before


def test_http_is_refused_with_the_setting_that_allows_it(caller: Caller, grace: Account) -> None:
    answer = create(caller, grace, url="http://127.0.0.1:8000/in")

    assert "WEBHOOK_ALLOW_LOCAL=1" in answer.json()["detail"]


@pytest.fixture(name="local", scope="module")
def _local(stack: LocalStack) -> Iterator[Caller]:
    """A service that may call this machine."""
    service = start_service(stack, **{**SETTINGS, "WEBHOOK_ALLOW_LOCAL": "1"})
    with httpx.Client(base_url=service.url, timeout=30) as http:
        yield Caller(http)
    service.stop()


def test_with_the_setting_only_this_machine_is_taken_more(local: Caller, grace: Account) -> None:
    wanted = {
        "http://127.0.0.1:8000/in": 201,
        "http://[::1]:8000/in": 201,
        "https://127.0.0.1/in": 201,
        "http://10.0.0.1/in": 422,
        "https://10.0.0.1/in": 422,
        "http://9.9.9.9/in": 422,
        "http://0.0.0.0/in": 422,
    }

    assert {url: create(local, grace, url=url).status_code for url in wanted} == wanted


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), (b'"x"', 400), (b"\xff", 400), (b"{}", 422)],
)
def test_a_body_that_is_no_endpoint_is_refused(
    caller: Caller, grace: Account, body: bytes, status: int
) -> None:
    assert caller.http.post(ENDPOINTS, content=body, headers=grace.headers).status_code == status


def test_a_person_has_200_endpoints_at_most(
    caller: Caller, db: psycopg.Connection, ada: Account, other: Account
) -> None:
    db.execute(
        "insert into public.webhook_endpoints (user_id, url)"
        " select %s, %s from generate_series(1, 197)",
        [ada.id, HOOK],
    )

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: create(caller, ada).status_code, range(6)))

    assert sorted(answers) == [201] * 3 + [409] * 3
    assert len(endpoints_of(db, ada)) == 200
    assert create(caller, other).status_code == 201


def test_an_account_that_is_gone_makes_none(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    db.execute("delete from public.profiles where id = %s", [ada.id])

    assert create(caller, ada).status_code == 422


def test_a_refusal_that_says_nothing_of_the_account_is_not_taken_for_one(
    stack: LocalStack, ada: Account
) -> None:
    def refuse() -> None:
        raise DatabaseRefused("no function", "PGRST202")

    with (
        meanwhile(stack, refuse) as database,
        pytest.raises(DatabaseRefused) as refused,
    ):
        endpoints_in(database).create(person_of(ada), NewEndpoint(url=HOOK))

    assert refused.value.code == "PGRST202"


# --- reading ---------------------------------------------------------------------------------


def test_list_is_ones_own_newest_first_page_by_page(
    caller: Caller, db: psycopg.Connection, ada: Account, other: Account
) -> None:
    names = [made(caller, ada, description=str(n))["id"] for n in range(7)]
    made(caller, other)
    for n, name in enumerate(names):
        # Three of one time, which no page may cut through.
        at = f"2026-01-0{[1, 2, 2, 2, 3, 4, 5][n]}T00:00:00.123456Z"
        db.execute("update public.webhook_endpoints set created_at = %s where id = %s", [at, name])

    seen: list[str] = []
    sizes: list[int] = []
    query: dict[str, Any] = {"limit": 2}
    while query:
        page = get(caller, ada, **query).json()
        seen += [row["id"] for row in page["data"]]
        sizes.append(len(page["data"]))
        query = {"limit": 2, "before": page["next"]} if page["next"] else {}

    assert sizes == [2, 2, 2, 1]
    assert seen == [*names[6:3:-1], *sorted(names[1:4], reverse=True), names[0]]


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "201"}, {"before": "x"}, {"before": "2026-01-01,x"}, {"url": "x"}],
)
def test_bad_query_is_400(caller: Caller, grace: Account, query: dict[str, str]) -> None:
    answer = get(caller, grace, **query)

    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["detail"]


def test_the_webhook_of_a_conversation_is_in_the_list(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    row_id = make_conversation(db, new_conversation_id(), user_id=ada.id)
    webhook = {"config": {"callback_url": HOOK}}
    caller.http.put(f"/api/conversations/{row_id}/webhook", json=webhook, headers=ada.headers)

    [listed] = get(caller, ada).json()["data"]

    assert listed["conversation_id"] == row_id
    assert get(caller, ada, f"/{listed['id']}").json() == listed


# --- changing --------------------------------------------------------------------------------


def test_only_the_fields_that_were_sent_change(caller: Caller, grace: Account) -> None:
    wanted = {"description": "one", "rate_per_minute": 5, "headers": {"X-A": "1"}}
    told = made(caller, grace, event_types=["call.completed"], **wanted)

    answer = patch(caller, grace, told["id"], {"description": "two", "url": f"{HOOK}/2"})

    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert changed == get(caller, grace, f"/{told['id']}").json()
    differ = {name for name, value in changed.items() if told[name] != value}
    assert differ - {"updated_at"} == {"description", "url", "version"}
    assert changed["version"] == 2


def test_null_puts_back_the_default(caller: Caller, grace: Account) -> None:
    told = made(
        caller,
        grace,
        event_types=["call.completed"],
        description="x",
        rate_per_minute=5,
        concurrency=5,
        retry_schedule=[],
        headers={"X-A": "1"},
    )
    assert told["retry_schedule"] == []
    nothing = dict.fromkeys(
        ("event_types", "description", "rate_per_minute", "concurrency", "retry_schedule")
    )

    changed = patch(caller, grace, told["id"], {**nothing, "headers": {}}).json()

    assert {name: changed[name] for name in DEFAULTS if name != "version"} == {
        name: value for name, value in DEFAULTS.items() if name != "version"
    }


def test_a_change_of_nothing_changes_nothing(caller: Caller, grace: Account) -> None:
    told = made(caller, grace)

    answer = patch(caller, grace, told["id"], {})

    assert answer.status_code == 200
    assert answer.json()["version"] == 1


def test_an_endpoint_is_disabled_and_enabled(caller: Caller, grace: Account) -> None:
    told = made(caller, grace)

    disabled = patch(caller, grace, told["id"], {"disabled": True}).json()
    enabled = patch(caller, grace, told["id"], {"disabled": False}).json()

    assert (disabled["disabled"], disabled["disabled_reason"]) == (True, "owner")
    assert disabled["disabled_at"] is not None
    assert [enabled[name] for name in ("disabled", "disabled_reason", "disabled_at")] == [
        False,
        None,
        None,
    ]


def test_a_deleted_endpoint_is_gone_with_all_that_was_its(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    told = made(caller, ada)
    post(caller, ada, f"/{told['id']}/test")

    answers = [
        caller.http.delete(f"{ENDPOINTS}/{told['id']}", headers=ada.headers) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert answers[0].content == b""
    assert endpoints_of(db, ada) == []
    assert secrets_of(db, told["id"]) == []
    assert deliveries_of(db, told["id"]) == []


# --- secrets ---------------------------------------------------------------------------------


def test_a_rotated_secret_signs_beside_the_old_one_for_a_while(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    told = made(caller, grace)

    answer = post(caller, grace, f"/{told['id']}/rotate-secret")

    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"secret", "previous_expires_at"}
    assert secrets_of(db, told["id"]) == [answer.json()["secret"], told["secret"]]
    expires = datetime.fromisoformat(answer.json()["previous_expires_at"])
    assert abs(expires - datetime.now(UTC) - timedelta(days=1)) < timedelta(minutes=1)
    [stored] = rows(
        db,
        "select expires_at from private.endpoint_secrets where endpoint_id = %s"
        " and expires_at is not null",
        told["id"],
    )
    assert abs(stored["expires_at"] - expires) < timedelta(seconds=10)


def test_without_an_overlap_the_old_secret_ends_at_once(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    told = made(caller, grace)

    answer = post(caller, grace, f"/{told['id']}/rotate-secret", {"overlap_seconds": 0})

    assert secrets_of(db, told["id"]) == [answer.json()["secret"]]


@pytest.mark.parametrize(
    "wrong", [{"overlap_seconds": -1}, {"overlap_seconds": 604_801}, {"secret": "whsec_AAAA"}]
)
def test_a_wrong_overlap_is_422_and_rotates_nothing(
    caller: Caller, db: psycopg.Connection, grace: Account, wrong: dict[str, Any]
) -> None:
    told = made(caller, grace)

    answer = post(caller, grace, f"/{told['id']}/rotate-secret", wrong)

    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["detail"]
    assert secrets_of(db, told["id"]) == [told["secret"]]


# --- test events -----------------------------------------------------------------------------


def test_a_test_event_is_a_message_unless_told(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    told = made(caller, grace)

    answer = post(caller, grace, f"/{told['id']}/test")

    assert answer.status_code == 202, answer.text
    [delivery] = deliveries_of(db, told["id"])
    shown = answer.json()
    assert (shown["id"], shown["webhook_id"]) == (str(delivery["id"]), delivery["webhook_id"])
    assert (shown["state"], shown["attempts"], shown["event_type"]) == (
        "waiting",
        0,
        "message.created",
    )
    assert delivery["payload"].keys() == {"conversation_id", "data", "timestamp"}
    assert delivery["payload"]["data"]["content"] == "Message content"


def test_a_test_of_an_endpoint_that_is_disabled_meanwhile_is_refused(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    endpoint = made(caller, grace)["id"]

    def disable() -> None:
        db.execute("update public.webhook_endpoints set disabled = true where id = %s", [endpoint])

    with meanwhile(stack, disable) as database, pytest.raises(Conflict, match="is disabled"):
        endpoints_in(database).test(person_of(grace), endpoint, None)

    assert deliveries_of(db, endpoint) == []


def test_a_test_event_is_of_the_first_type_that_the_endpoint_hears(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    told = made(caller, grace, event_types=["call.completed", "booking.created"])

    post(caller, grace, f"/{told['id']}/test")

    [delivery] = deliveries_of(db, told["id"])
    assert delivery["payload"]["type"] == delivery["event_type"] == "call.completed"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_test_event_may_be_of_any_type(
    caller: Caller, db: psycopg.Connection, grace: Account, event_type: str
) -> None:
    told = made(caller, grace, event_types=["message.processed"])

    for _ in range(2):
        answer = post(caller, grace, f"/{told['id']}/test", {"event_type": event_type})
        assert answer.status_code == 202, answer.text

    one, other = deliveries_of(db, told["id"])
    assert one["event_type"] == other["event_type"] == event_type
    assert one["webhook_id"] != other["webhook_id"]


def test_a_test_event_for_a_conversations_webhook_is_of_that_conversation(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    row_id = make_conversation(db, new_conversation_id(), user_id=grace.id)
    webhook = {"config": {"callback_url": HOOK}}
    told = caller.http.put(
        f"/api/conversations/{row_id}/webhook", json=webhook, headers=grace.headers
    ).json()

    post(caller, grace, f"/{told['endpoint_id']}/test")

    [delivery] = deliveries_of(db, told["endpoint_id"])
    assert delivery["payload"]["conversation_id"] == row_id


@pytest.mark.parametrize("wrong", [{"event_type": "x"}, {"event_type": 1}, {"payload": {}}])
def test_a_wrong_test_is_422(
    caller: Caller, db: psycopg.Connection, grace: Account, wrong: dict[str, Any]
) -> None:
    told = made(caller, grace)

    answer = post(caller, grace, f"/{told['id']}/test", wrong)

    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["detail"]
    assert deliveries_of(db, told["id"]) == []


# --- sending again ---------------------------------------------------------------------------


def test_what_failed_since_a_time_is_due_again(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    told = made(caller, grace)
    old, delivered, failed, other = (
        post(caller, grace, f"/{told['id']}/test").json()["id"] for _ in range(4)
    )
    for name in (old, failed, other):
        finish(db, name)
    finish(db, delivered, state="delivered")
    db.execute(
        "update public.webhook_deliveries set created_at = '2026-01-01T11:59:59Z' where id = %s",
        [old],
    )

    answer = post(
        caller, grace, f"/{told['id']}/resend-failed", {"since": "2026-01-01T13:00:00+01:00"}
    )

    assert (answer.status_code, answer.json()) == (202, {"resent": 2})
    states = {str(row["id"]): row["state"] for row in deliveries_of(db, told["id"])}
    assert states == {
        old: "failed",
        delivered: "delivered",
        failed: "waiting",
        other: "waiting",
    }


@pytest.mark.parametrize("wrong", [{}, {"since": None}, {"since": "yesterday"}, {"until": "x"}])
def test_since_is_wanted(caller: Caller, grace: Account, wrong: dict[str, Any]) -> None:
    told = made(caller, grace)

    answer = post(caller, grace, f"/{told['id']}/resend-failed", wrong)

    assert answer.status_code == 422
    assert "since" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("action", "body"), [("test", None), ("resend-failed", {"since": "2026-01-01T00:00:00Z"})]
)
def test_a_disabled_endpoint_is_sent_nothing(
    caller: Caller, db: psycopg.Connection, grace: Account, action: str, body: Any
) -> None:
    told = made(caller, grace)
    failed = post(caller, grace, f"/{told['id']}/test").json()["id"]
    finish(db, failed)
    patch(caller, grace, told["id"], {"disabled": True})

    answer = post(caller, grace, f"/{told['id']}/{action}", body)

    assert answer.status_code == 409
    assert [row["state"] for row in deliveries_of(db, told["id"])] == ["failed"]


# --- who may ---------------------------------------------------------------------------------

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("PATCH", "", {"description": "mine"}),
    ("PATCH", "", {}),
    ("DELETE", "", None),
    ("POST", "/rotate-secret", {"overlap_seconds": 0}),
    ("POST", "/test", {}),
    ("POST", "/resend-failed", {"since": "2026-01-01T00:00:00Z"}),
    ("GET", "/deliveries", None),
    ("GET", "/deliveries/{delivery}", None),
    ("POST", "/deliveries/{delivery}/resend", None),
]


def everything(db: psycopg.Connection, person: Account, endpoint_id: str) -> list[Any]:
    return [endpoints_of(db, person), deliveries_of(db, endpoint_id), secrets_of(db, endpoint_id)]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_others_endpoints_do_not_exist(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    other: Account,
    method: str,
    path: str,
    body: Any,
) -> None:
    told = made(caller, grace)
    delivery = post(caller, grace, f"/{told['id']}/test").json()["id"]
    finish(db, delivery)
    before = everything(db, grace, told["id"])
    mine = made(caller, other)["id"]

    def ask(endpoint_id: str, delivery_id: str) -> httpx.Response:
        address = f"{ENDPOINTS}/{endpoint_id}{path}".format(delivery=delivery_id)
        return caller.http.request(method, address, json=body, headers=other.headers)

    stranger, unknown = ask(told["id"], delivery), ask(str(uuid4()), str(uuid4()))
    odd = [ask(name, name).status_code for name in ("x", "*", "%00", "..%2f", "1" * 300)]

    assert stranger.status_code == 404
    assert stranger.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    # Another's delivery is not found at an endpoint of one's own either.
    assert "{" not in path or ask(mine, delivery).status_code == 404
    assert set(odd) == {404}
    assert everything(db, grace, told["id"]) == before


@pytest.mark.parametrize(("method", "path", "body"), [*ROUTES, ("LIST", "", None)])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
def test_without_a_person_it_is_401(
    caller: Caller, headers: dict[str, str], method: str, path: str, body: Any
) -> None:
    address = ENDPOINTS if method == "LIST" else f"{ENDPOINTS}/{uuid4()}{path}"
    verb = "GET" if method == "LIST" else method

    answer = caller.http.request(verb, address.format(delivery=uuid4()), json=body, headers=headers)

    assert answer.status_code == 401
    assert "RateLimit-Limit" not in answer.headers


def test_nobody_makes_one_without_a_token(caller: Caller, stack: LocalStack) -> None:
    assert caller.http.post(ENDPOINTS, json={"url": HOOK}).status_code == 401
    key = {"Authorization": f"Bearer {stack.publishable_key}"}
    assert caller.http.post(ENDPOINTS, json={"url": HOOK}, headers=key).status_code == 401


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_an_admin_reads_everything_but_changes_only_their_own(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    admin: Account,
    method: str,
    path: str,
    body: Any,
) -> None:
    told = made(caller, grace)
    delivery = post(caller, grace, f"/{told['id']}/test").json()["id"]
    finish(db, delivery)
    before = everything(db, grace, told["id"])

    answer = caller.http.request(
        method,
        f"{ENDPOINTS}/{told['id']}{path}".format(delivery=delivery),
        json=body,
        headers=admin.headers,
    )

    assert answer.status_code == (200 if method == "GET" else 404), answer.text
    assert everything(db, grace, told["id"]) == before


def test_an_anonymous_person_has_endpoints_too(caller: Caller, stack: LocalStack) -> None:
    visitor = sign_up(stack, anonymous=True)

    told = made(caller, visitor)

    assert [row["id"] for row in get(caller, visitor).json()["data"]] == [told["id"]]


# --- samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_sample_has_the_fields_of_what_is_really_sent(
    caller: Caller, db: psycopg.Connection, grace: Account, event_type: Any
) -> None:
    told = made(caller, grace)
    HAPPENINGS[event_type](db, grace)

    [real] = [row for row in deliveries_of(db, told["id"]) if row["event_type"] == event_type]

    made_up = sample(event_type)
    assert made_up.keys() == real["payload"].keys()
    assert made_up["data"].keys() == real["payload"]["data"].keys()
    assert len(made_up["timestamp"]) == len(real["payload"]["timestamp"])


def talk(db: psycopg.Connection, person: Account, **columns: Any) -> tuple[str, str]:
    name = new_conversation_id()
    return name, make_conversation(db, name, user_id=person.id, **columns)


def say(db: psycopg.Connection, person: Account, status: str) -> None:
    _, row_id = talk(db, person)
    message = {"message_id": "api:1", "content": "x", "type": "BOT", "status": status}
    db.execute("select public.add_message(%s, %s, %s)", [person.id, row_id, Jsonb(message)])


def find_out(db: psycopg.Connection, person: Account) -> None:
    name, _ = talk(db, person)
    db.execute(
        "insert into public.qualification_data (conversation_id, objective_name, version,"
        " event_type, received_at) values (%s, 'q', 1, 'x', now())",
        [name],
    )


def give_feedback(db: psycopg.Connection, person: Account) -> None:
    _, row_id = talk(db, person)
    db.execute(
        "insert into public.feedback_sessions (user_id, conversation_id, version)"
        " values (%s, %s, 1)",
        [person.id, row_id],
    )


def phone_of(db: psycopg.Connection, person: Account) -> str:
    [phone] = rows(
        db,
        "insert into public.phone_numbers (phone_number, user_id) values (%s, %s) returning id",
        f"+1555{uuid4().int % 10**7:07}",
        person.id,
    )
    return str(phone["id"])


def call(db: psycopg.Connection, person: Account) -> None:
    db.execute(
        "insert into public.calls (call_sid, phone_id, status) values (%s, %s, 'completed')",
        [f"CA{uuid4().hex}", phone_of(db, person)],
    )


def book(db: psycopg.Connection, person: Account) -> None:
    db.execute(
        "insert into public.bookings (booking_key, phone_id, status) values (%s, %s, 'active')",
        [str(uuid4()), phone_of(db, person)],
    )


def disable(db: psycopg.Connection, person: Account) -> None:
    [row] = rows(
        db,
        "insert into public.webhook_endpoints (user_id, url) values (%s, %s) returning id",
        person.id,
        HOOK,
    )
    db.execute("select private.disable_endpoint(%s, 'gone')", [row["id"]])


HAPPENINGS: dict[str, Any] = {
    "message.created": lambda db, person: say(db, person, "RECEIVED"),
    "message.processed": lambda db, person: say(db, person, "PROCESSED"),
    "conversation.completed": lambda db, person: talk(db, person, status="completed"),
    "qualification.updated": find_out,
    "feedback.created": give_feedback,
    "call.completed": call,
    "booking.created": book,
    "endpoint.disabled": disable,
}
