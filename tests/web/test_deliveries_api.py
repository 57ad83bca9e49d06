"""/api/webhook-endpoints/<id>/deliveries: what was sent, what came of it, and sending it again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.web.caller import Caller
from tests.web.endpoints import ENDPOINTS, deliveries_of, finish, made
from tests.web.people import Account, sign_up

SHOWN = {
    "id",
    "endpoint_id",
    "webhook_id",
    "event_type",
    "conversation_id",
    "state",
    "attempts",
    "last_status",
    "last_error",
    "last_attempt_at",
    "next_attempt_at",
    "finished_at",
    "version",
    "created_at",
    "updated_at",
}


@pytest.fixture(name="grace", scope="module")
def _grace(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="endpoint")
def _endpoint(caller: Caller, grace: Account) -> str:
    """An endpoint of Grace's to which nothing was sent yet."""
    return str(made(caller, grace)["id"])


def get(caller: Caller, person: Account, endpoint: str, path: str = "", **query: Any) -> Any:
    address = f"{ENDPOINTS}/{endpoint}/deliveries{path}"
    return caller.http.get(address, params=query, headers=person.headers)


def queue(caller: Caller, person: Account, endpoint: str, **wanted: Any) -> str:
    """Queue a test event; return the delivery's id."""
    answer = caller.http.post(f"{ENDPOINTS}/{endpoint}/test", json=wanted, headers=person.headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def resend(caller: Caller, person: Account, endpoint: str, delivery: str) -> httpx.Response:
    return caller.http.post(
        f"{ENDPOINTS}/{endpoint}/deliveries/{delivery}/resend", headers=person.headers
    )


def attempt(db: psycopg.Connection, delivery: str, n: int, **columns: Any) -> None:
    """Write down an attempt as a worker does."""
    told = {"attempt": n, "duration_ms": 12.5, **columns}
    names = ", ".join(told)
    marks = ", ".join(["%s"] * len(told))
    db.execute(
        f"insert into public.delivery_attempts (delivery_id, endpoint_id, user_id, {names})"
        f" select d.id, d.endpoint_id, d.user_id, {marks}"
        " from public.webhook_deliveries d where d.id = %s",
        [*told.values(), delivery],
    )


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_a_delivery_is_shown_as_its_row_has_it(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    delivery = queue(caller, grace, endpoint)

    [shown] = get(caller, grace, endpoint).json()["data"]

    assert shown.keys() == SHOWN
    [row] = deliveries_of(db, endpoint)
    assert (shown["id"], shown["endpoint_id"]) == (delivery, endpoint)
    assert shown["webhook_id"] == row["webhook_id"]
    assert (shown["state"], shown["attempts"], shown["finished_at"]) == ("waiting", 0, None)
    assert shown["next_attempt_at"] is not None


def test_one_delivery_is_shown_with_its_attempts(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    delivery = queue(caller, grace, endpoint)
    attempt(db, delivery, 2, status=200, response="ok")
    attempt(db, delivery, 1, status=500, response="<script>", error="The answer was 500.")
    attempt(db, delivery, 3, error="Nobody answered in time.", duration_ms=30_000.0)
    other = queue(caller, grace, endpoint)
    attempt(db, other, 1, status=204)

    shown = get(caller, grace, endpoint, f"/{delivery}").json()

    assert shown.keys() == SHOWN | {"attempt_log"}
    told = [{**entry, "attempted_at": "…"} for entry in shown["attempt_log"]]
    assert told == [
        {
            "attempt": 1,
            "status": 500,
            "error": "The answer was 500.",
            "response": "<script>",
            "duration_ms": 12.5,
            "attempted_at": "…",
        },
        {
            "attempt": 2,
            "status": 200,
            "error": None,
            "response": "ok",
            "duration_ms": 12.5,
            "attempted_at": "…",
        },
        {
            "attempt": 3,
            "status": None,
            "error": "Nobody answered in time.",
            "response": None,
            "duration_ms": 30_000.0,
            "attempted_at": "…",
        },
    ]


def test_of_very_many_attempts_the_newest_are_shown(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    delivery = queue(caller, grace, endpoint)
    db.execute(
        "insert into public.delivery_attempts (delivery_id, endpoint_id, user_id, attempt)"
        " select d.id, d.endpoint_id, d.user_id, n from public.webhook_deliveries d,"
        " generate_series(1, 1003) n where d.id = %s",
        [delivery],
    )

    shown = get(caller, grace, endpoint, f"/{delivery}").json()

    assert [entry["attempt"] for entry in shown["attempt_log"]] == list(range(4, 1004))


def test_pages_follow_each_other_over_equal_times(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    names = [queue(caller, grace, endpoint) for _ in range(7)]
    for n, name in enumerate(names):
        at = f"2026-01-0{[1, 2, 2, 2, 2, 2, 3][n]}T00:00:00.000001Z"
        db.execute("update public.webhook_deliveries set created_at = %s where id = %s", [at, name])

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while query:
        answer = get(caller, grace, endpoint, **query)
        seen += ids(answer)
        following = answer.json()["next"]
        query = {"limit": 2, "before": following} if following else {}

    assert seen == [names[6], *sorted(names[1:6], reverse=True), names[0]]


def test_deliveries_are_found_by_every_part_of_the_filter(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    early, late, call = (
        queue(caller, grace, endpoint),
        queue(caller, grace, endpoint),
        queue(caller, grace, endpoint, event_type="call.completed"),
    )
    conversation = make_conversation(db, new_conversation_id(), user_id=grace.id)
    finish(db, early, created_at="2026-01-01T00:00:00Z", conversation_id=conversation)
    finish(db, late, created_at="2026-01-02T00:00:00Z", state="delivered")
    webhook_id = deliveries_of(db, endpoint)[1]["webhook_id"]

    def found(**query: str) -> list[str]:
        return ids(get(caller, grace, endpoint, **query))

    assert found() == [call, late, early]
    assert found(state="failed") == [early]
    assert found(state="delivered") == [late]
    assert found(state="waiting") == [call]
    assert found(event_type="call.completed") == [call]
    assert found(event_type="message.created") == [late, early]
    assert found(conversation_id=conversation) == [early]
    assert found(conversation_id=str(uuid4())) == []
    assert found(webhook_id=webhook_id) == [late]
    assert found(webhook_id="msg_none,state.eq.failed") == []
    assert found(since="2026-01-02T00:00:00Z") == [call, late]
    assert found(until="2026-01-02T00:00:00Z") == [early]
    assert found(since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00.000001Z") == [late, early]
    assert found(since="2026-01-02T02:00:00+02:00") == [call, late]
    assert found(since="2026-01-02") == [call, late]
    assert found(state="failed", event_type="call.completed") == []


def test_pages_are_of_what_was_asked_for(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    names = [queue(caller, grace, endpoint) for _ in range(4)]
    for name in (names[0], names[2]):
        finish(db, name)

    first = get(caller, grace, endpoint, state="failed", limit=1)
    second = get(caller, grace, endpoint, state="failed", limit=1, before=first.json()["next"])

    assert (ids(first), ids(second), second.json()["next"]) == ([names[2]], [names[0]], None)


@pytest.mark.parametrize(
    "query",
    [
        {"state": "dead"},
        {"event_type": "message.deleted"},
        {"conversation_id": "c1"},
        {"webhook_id": ""},
        {"webhook_id": "\0"},
        {"webhook_id": "x" * 256},
        {"since": "yesterday"},
        {"until": "2026-13-01"},
        {"limit": "201"},
        {"before": "x"},
        {"before": "2026-01-01T00:00:00Z,x"},
        {"user_id": str(uuid4())},
        {"endpoint_id": str(uuid4())},
    ],
)
def test_a_wrong_filter_is_400_and_named(
    caller: Caller, grace: Account, endpoint: str, query: dict[str, str]
) -> None:
    answer = get(caller, grace, endpoint, **query)

    assert answer.status_code == 400, answer.text
    assert next(iter(query)) in answer.json()["detail"]


def test_an_endpoint_shows_only_its_own(caller: Caller, grace: Account, endpoint: str) -> None:
    other = str(made(caller, grace)["id"])
    delivery = queue(caller, grace, other)

    assert ids(get(caller, grace, endpoint)) == []
    assert get(caller, grace, endpoint, f"/{delivery}").status_code == 404
    assert resend(caller, grace, endpoint, delivery).status_code == 404
    assert get(caller, grace, other, f"/{delivery}").status_code == 200


@pytest.mark.parametrize("state", ["failed", "delivered"])
def test_a_delivery_is_sent_again_under_the_same_webhook_id(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str, state: str
) -> None:
    delivery = queue(caller, grace, endpoint)
    [before] = deliveries_of(db, endpoint)
    finish(db, delivery, state=state, attempts=4)

    answer = resend(caller, grace, endpoint, delivery)

    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["id"], told["webhook_id"]) == (delivery, before["webhook_id"])
    assert (told["state"], told["attempts"], told["finished_at"]) == ("waiting", 4, None)
    [after] = deliveries_of(db, endpoint)
    assert after["payload"] == before["payload"]
    queued = rows(db, "select 1 from private.delivery_queue where delivery_id = %s", delivery)
    assert len(queued) == 1


def test_a_delivery_that_waits_is_not_sent_twice(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    delivery = queue(caller, grace, endpoint)

    answers = [resend(caller, grace, endpoint, delivery).status_code for _ in range(3)]

    assert answers == [202] * 3
    queued = rows(db, "select 1 from private.delivery_queue where delivery_id = %s", delivery)
    assert len(queued) == 1


def test_a_disabled_endpoint_is_sent_nothing_again(
    caller: Caller, db: psycopg.Connection, grace: Account, endpoint: str
) -> None:
    delivery = queue(caller, grace, endpoint)
    finish(db, delivery)
    disabled = caller.http.patch(
        f"{ENDPOINTS}/{endpoint}", json={"disabled": True}, headers=grace.headers
    )

    answer = resend(caller, grace, endpoint, delivery)

    assert (disabled.status_code, answer.status_code) == (200, 409)
    assert [row["state"] for row in deliveries_of(db, endpoint)] == ["failed"]
    assert ids(get(caller, grace, endpoint)) == [delivery]


def test_a_delivery_that_is_not_there_is_404(caller: Caller, grace: Account, endpoint: str) -> None:
    for name in (str(uuid4()), "x", "%00", "*"):
        assert get(caller, grace, endpoint, f"/{name}").status_code == 404
        assert resend(caller, grace, endpoint, name).status_code == 404


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
@pytest.mark.parametrize("field", ["since", "until", "before"])
def test_a_time_that_no_calendar_has_is_refused(
    caller: Caller, grace: Account, endpoint: str, field: str, moment: str
) -> None:
    answer = get(caller, grace, endpoint, **{field: moment})

    assert answer.status_code == 400
    assert field in answer.json()["detail"]


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00+16:00", "2026-01-01T00:00:00-23:59"])
@pytest.mark.parametrize("field", ["since", "until", "before"])
def test_a_time_of_any_zone_is_understood(
    caller: Caller, grace: Account, endpoint: str, field: str, moment: str
) -> None:
    assert get(caller, grace, endpoint, **{field: moment}).status_code == 200


@pytest.mark.parametrize(
    ("moment", "status"),
    [("2026-01-01T00:00:00+16:00", 202), ("9999-12-31T23:59:59-23:59", 422)],
)
def test_resending_since_a_time_of_any_zone(
    caller: Caller, grace: Account, endpoint: str, moment: str, status: int
) -> None:
    answer = caller.http.post(
        f"{ENDPOINTS}/{endpoint}/resend-failed", json={"since": moment}, headers=grace.headers
    )

    assert answer.status_code == status


@pytest.mark.parametrize(
    "path", ["/api/webhook-endpoints", "/api/conversations", "/api/qualification-data"]
)
def test_lists_take_a_time_of_any_zone(caller: Caller, grace: Account, path: str) -> None:
    query = {"before": "2026-01-01T00:00:00+16:00"}

    assert caller.http.get(path, params=query, headers=grace.headers).status_code == 200
