"""The local Realtime speaks the hosted protocol and shows each person only what they may read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.local.stack import LocalStack
from tests.local.conftest import Table, Visitor
from tests.local.phoenix import Client, realtime

TOPIC = "realtime:room"
LARGE = {"text": "x" * 1_200_000}


@pytest.fixture(name="client")
def _client(stack: LocalStack) -> Iterator[Client]:
    with realtime(stack.url, stack.publishable_key) as client:
        yield client


@pytest.fixture(name="service")
def _service(stack: LocalStack) -> Iterator[Client]:
    with realtime(stack.url, stack.secret_key) as client:
        yield client


@pytest.fixture(name="turn")
def _turn(stack: LocalStack) -> Iterator[Callable[..., None]]:
    """Turn Realtime's knobs; they are turned back after the test."""

    def turn(**knobs: object) -> None:
        headers = {"apikey": stack.secret_key}
        httpx.post(f"{stack.url}/local/realtime", json=knobs, headers=headers).raise_for_status()

    yield turn
    turn(system_delay_ms=0)


def binding(table: Table, event: str = "*", **more: str) -> dict[str, str]:
    return {"event": event, "schema": "public", "table": table.name, **more}


def test_an_unknown_key_cannot_connect(stack: LocalStack) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        realtime(stack.url, "sb_publishable_guess"),
    ):
        pass

    assert refused.value.response.status_code == 401


def test_a_heartbeat_is_answered(client: Client) -> None:
    ref = client.send("phoenix", "heartbeat", {})

    assert client.wait("phx_reply").ref == ref


def test_a_malformed_frame_is_dropped_and_the_connection_kept(client: Client) -> None:
    for text in ("{", "[]", "null", '{"topic": 1}', '["1", "1", "phoenix"]'):
        client.socket.send(text)
    ref = client.send("phoenix", "heartbeat", {})

    assert client.wait("phx_reply").ref == ref


def test_a_join_is_answered_with_its_bindings(service: Client, table: Table) -> None:
    asked = [binding(table, "INSERT", filter="room=eq.a"), binding(table, "UPDATE")]
    ref = service.join(TOPIC, *asked)
    reply = service.wait("phx_reply", lambda frame: frame.ref == ref)
    given = reply.payload["response"]["postgres_changes"]

    assert [{k: v for k, v in one.items() if k != "id"} for one in given] == asked
    assert all(one["id"] for one in given)
    assert service.wait("system").payload == {
        "channel": "room",
        "extension": "postgres_changes",
        "message": "Subscribed to PostgreSQL",
        "status": "ok",
    }


def test_a_topic_without_a_name_is_refused(client: Client) -> None:
    client.join("realtime:")
    payload = client.wait("phx_reply").payload

    assert payload["status"] == "error"
    assert payload["response"]["reason"].startswith("TopicNameRequired")


def test_a_table_outside_the_publication_is_an_error_of_the_system(client: Client) -> None:
    client.join(TOPIC, {"event": "*", "schema": "public", "table": "no_such_table"})
    payload = client.wait("system").payload

    assert payload["status"] == "error"
    assert payload["message"].startswith("Unable to subscribe to changes")


@pytest.mark.parametrize("wrong", ["hidden=eq.x", "nothing=eq.x", "size=eq.abc", "size~5"])
def test_a_wrong_filter_is_an_error_of_the_system(
    client: Client, table: Table, visit: Callable[[], Visitor], wrong: str
) -> None:
    client.join(TOPIC, binding(table, filter=wrong), token=visit().token)

    assert client.wait("system").payload["status"] == "error"


def test_the_service_sees_every_change_in_full(service: Client, table: Table) -> None:
    service.subscribe(TOPIC, binding(table))
    row_id = table.insert(room="a", size=3, hidden="h", body={"n": [1, None]})
    table.db.execute(f"update public.{table.name} set size = 4")
    table.db.execute(f"delete from public.{table.name}")
    inserted, updated, deleted = service.change(), service.change(), service.change()

    assert (inserted["schema"], inserted["table"]) == ("public", table.name)
    assert (inserted["type"], inserted["errors"]) == ("INSERT", None)
    assert inserted["columns"][:2] == [
        {"name": "id", "type": "int8"},
        {"name": "owner", "type": "uuid"},
    ]
    assert inserted["record"] == {
        **{"id": row_id, "owner": None, "room": "a", "size": 3, "hidden": "h"},
        "body": {"n": [1, None]},
    }
    assert (updated["record"]["size"], updated["old_record"]) == (4, {"id": row_id})
    assert (deleted["type"], deleted["old_record"]) == ("DELETE", {"id": row_id})
    assert "record" not in deleted


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [
        ("size=eq.2", [2]),
        ("size=neq.2", [1, 3]),
        ("size=lt.2", [1]),
        ("size=lte.2", [1, 2]),
        ("size=gt.2", [3]),
        ("size=gte.2", [2, 3]),
        ("size=in.(1,3)", [1, 3]),
    ],
)
def test_a_filter_lets_through_what_it_names(
    service: Client, table: Table, wanted: str, sizes: list[int]
) -> None:
    service.subscribe(TOPIC, binding(table, filter=wanted))
    service.subscribe("realtime:end", binding(table, filter="room=eq.end"))
    for size in (1, 2, 3):
        table.insert(room="a", size=size)
    table.insert(room="end")
    service.wait("postgres_changes", lambda frame: frame.topic == "realtime:end")
    seen = [frame for frame in service.unread if frame.event == "postgres_changes"]

    assert [frame.payload["data"]["record"]["size"] for frame in seen] == sizes


def test_a_person_sees_their_own_rows_and_readable_columns(
    client: Client, table: Table, visit: Callable[[], Visitor]
) -> None:
    anna, ben = visit(), visit()
    client.subscribe(TOPIC, binding(table), token=anna.token)
    table.insert(owner=ben.id, hidden="h")
    own = table.insert(owner=anna.id, hidden="h")
    change = client.change()

    assert change["record"]["id"] == own
    assert "hidden" not in change["record"]
    assert "hidden" not in [column["name"] for column in change["columns"]]


def test_a_new_token_changes_what_is_seen(
    client: Client, table: Table, visit: Callable[[], Visitor]
) -> None:
    anna, ben = visit(), visit()
    ref = client.subscribe(TOPIC, binding(table), token=anna.token)
    client.send(TOPIC, "access_token", {"access_token": ben.token}, ref)
    heartbeat = client.send("phoenix", "heartbeat", {})
    client.wait("phx_reply", lambda frame: frame.ref == heartbeat)
    table.insert(owner=anna.id)
    bens = table.insert(owner=ben.id)

    assert client.change()["record"]["id"] == bens


def test_without_the_right_to_the_key_a_change_has_no_data(client: Client, table: Table) -> None:
    client.subscribe(TOPIC, binding(table))
    table.insert(room="a")
    change = client.change()

    assert change["errors"] == ["Error 401: Unauthorized"]
    assert change["record"] == {}


def test_a_large_record_keeps_its_short_fields(service: Client, table: Table) -> None:
    service.subscribe(TOPIC, binding(table))
    row_id = table.insert(room="a", body=LARGE)
    change = service.change()

    assert change["errors"] == ["Error 413: Payload Too Large"]
    assert change["record"]["id"] == row_id
    assert "body" not in change["record"]


def test_an_expired_token_ends_the_channel(
    client: Client, table: Table, visit: Callable[[], Visitor], forge: Callable[..., str]
) -> None:
    claims = {"sub": visit().id, "role": "authenticated", "exp": int(time.time()) + 2}
    client.subscribe(TOPIC, binding(table), token=forge(**claims))
    told = client.wait("system", lambda frame: frame.payload["status"] == "error").payload

    assert told["extension"] == "system"
    assert told["message"].startswith("Token has expired")
    assert client.wait("phx_close").topic == TOPIC


def test_a_join_with_a_bad_token_is_refused(client: Client, table: Table) -> None:
    client.join(TOPIC, binding(table), token="a.b.c")

    assert client.wait("phx_reply").payload["status"] == "error"


def test_leaving_ends_the_channel(service: Client, table: Table) -> None:
    ref = service.subscribe(TOPIC, binding(table))
    service.subscribe("realtime:other", binding(table))
    left = service.send(TOPIC, "phx_leave", {}, ref)
    service.wait("phx_reply", lambda frame: frame.ref == left)
    service.wait("phx_close")
    table.insert(room="a")

    assert service.wait("postgres_changes").topic == "realtime:other"
    assert [frame for frame in service.unread if frame.event == "postgres_changes"] == []


def test_a_second_join_replaces_the_first(service: Client, table: Table) -> None:
    service.subscribe(TOPIC, binding(table, filter="room=eq.a"))
    service.subscribe(TOPIC, binding(table, filter="room=eq.b"))
    table.insert(room="a")
    table.insert(room="b")

    assert service.change()["record"]["room"] == "b"


def test_rows_before_the_subscription_exists_are_missed(
    service: Client, table: Table, turn: Callable[..., None]
) -> None:
    turn(system_delay_ms=500)
    service.join(TOPIC, binding(table))
    service.wait("phx_reply")
    table.insert(room="early")
    service.wait("system")
    table.insert(room="late")

    assert service.change()["record"]["room"] == "late"


def test_dropping_ends_every_connection(client: Client, turn: Callable[..., None]) -> None:
    turn(drop=True)

    with pytest.raises(ConnectionClosed):
        client.wait("system")


def test_a_broadcast_reaches_the_other_members(client: Client, service: Client) -> None:
    for member in (client, service):
        member.join(TOPIC)
        member.wait("phx_reply")
    client.send(TOPIC, "broadcast", {"type": "broadcast", "event": "wave", "payload": {"n": 1}})

    assert service.wait("broadcast").payload["payload"] == {"n": 1}
