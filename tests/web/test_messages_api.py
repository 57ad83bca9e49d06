"""/api/conversations/<id>/messages and …/webhook: messages that people add, and who hears them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from services.egress import Egress
from services.errors import NotFound
from services.local.stack import LocalStack
from services.outgoing.conversation_webhooks import ConversationWebhooks
from services.outgoing.endpoint_request import ConversationWebhook
from services.outgoing.message_request import NewMessage
from services.outgoing.messages import Messages
from services.outgoing.store import OutgoingStore
from services.people import Person
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.web.caller import Caller
from tests.web.endpoints import HOOK, deliveries_of, endpoints_of, made, secrets_of
from tests.web.meanwhile import Meanwhile, meanwhile
from tests.web.people import Account, make_admin, sign_up

GUIDE = {
    "channel": "API",
    "usecase": "WORKFLOW_EXECUTION",
    "config": {"workflow_id": "123", "callback_url": HOOK},
}
ODD_IDS = ["no-such", str(UUID(int=1)), "%00", "x" * 300, "*", "a,b", "a/b", "%2e%2e"]


@pytest.fixture(name="grace", scope="module")
def _grace(stack: LocalStack) -> Account:
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


@pytest.fixture(name="vanishing")
def _vanishing(stack: LocalStack, db: psycopg.Connection, talk: str) -> Iterator[Meanwhile]:
    """A database in which Grace's conversation goes just when something is done with it."""

    def vanish() -> None:
        db.execute("delete from public.conversations where id = %s", [talk])

    with meanwhile(stack, vanish) as database:
        yield database


@pytest.fixture(name="name")
def _name() -> str:
    """What its sender calls the conversation."""
    return new_conversation_id()


@pytest.fixture(name="talk")
def _talk(db: psycopg.Connection, grace: Account, name: str) -> str:
    """The row of a conversation of Grace's."""
    return make_conversation(db, name, user_id=grace.id, replica_id="r1")


def call(
    caller: Caller,
    method: str,
    person: Account | None,
    path: str,
    body: Any = None,
    **headers: bytes,
) -> httpx.Response:
    sent = {**(person.headers if person else {}), **headers}
    content = None if body is None else json.dumps(body)
    return caller.http.request(method, f"/api/conversations/{path}", content=content, headers=sent)


def add(
    caller: Caller, person: Account, talk: str, key: str | None = None, **message: Any
) -> httpx.Response:
    headers = {"Idempotency-Key": key.encode()} if key is not None else {}
    body = {"content": "Hello.", **message}
    return call(caller, "POST", person, f"{talk}/messages", body, **headers)


def change(caller: Caller, person: Account, talk: str, message: str, **told: Any) -> httpx.Response:
    return call(caller, "PATCH", person, f"{talk}/messages/{message}", told)


def messages_of(db: psycopg.Connection, name: str) -> list[dict[str, Any]]:
    return rows(
        db,
        "select * from public.conversation_messages where conversation_id = %s"
        " order by created_at, id",
        name,
    )


def configure(caller: Caller, person: Account, talk: str, **told: Any) -> httpx.Response:
    return call(caller, "PUT", person, f"{talk}/webhook", {**GUIDE, **told})


# --- adding ----------------------------------------------------------------------------------


def test_a_message_is_told_as_endpoints_hear_it(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    endpoint = made(caller, grace)["id"]

    answer = add(caller, grace, talk)

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert {key: told[key] for key in told.keys() - {"id", "created_at", "updated_at"}} == {
        "content": "Hello.",
        "content_type": "TEXT",
        "type": "USER_INPUT",
        "channel": "API",
        "status": "RECEIVED",
        "metadata": {},
        "created_by": grace.id,
        "updated_by": grace.id,
    }
    assert told["created_at"] == told["updated_at"]
    [delivery] = deliveries_of(db, endpoint)
    assert delivery["event_type"] == "message.created"
    assert delivery["payload"].keys() == {"conversation_id", "data", "timestamp"}
    assert delivery["payload"]["conversation_id"] == str(delivery["conversation_id"]) == talk
    assert delivery["payload"]["data"] == told
    [row] = messages_of(db, name)
    assert (str(row["id"]), row["origin"], row["role"]) == (told["id"], "api", "user")


def test_everything_that_is_said_of_a_message_is_kept(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    wanted = {
        "content": "Grüße, 語.",
        "content_type": "DOCUMENT",
        "type": "BOT",
        "channel": "WHATSAPP",
        "status": "PROCESSED",
        "filename": "document.pdf",
        "metadata": {"a": [1, 2.5, None, {"b": "é"}], "big": 1e23, "n": 2**60},
        "created_by": "user123",
    }

    answer = add(caller, grace, name, **wanted)

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert {key: told[key] for key in wanted} == {**wanted, "metadata": told["metadata"]}
    assert told["metadata"]["a"] == wanted["metadata"]["a"]  # type: ignore[index]
    assert float(told["metadata"]["big"]) == 1e23
    assert told["metadata"]["n"] == 2**60
    assert told["updated_by"] == "user123"
    assert [row["role"] for row in messages_of(db, name)] == ["assistant"]


@pytest.mark.parametrize(
    ("status", "event_type"),
    [
        ("RECEIVED", "message.created"),
        ("PROCESSED", "message.processed"),
        ("FAILED", "message.processed"),
    ],
)
def test_the_status_decides_what_is_told(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str, status: str, event_type: str
) -> None:
    endpoint = configure(caller, grace, talk).json()["endpoint_id"]

    add(caller, grace, talk, status=status)

    assert [row["event_type"] for row in deliveries_of(db, endpoint)] == [event_type]


def test_a_text_that_postgres_cannot_store_is_changed(
    caller: Caller, grace: Account, talk: str
) -> None:
    answer = add(
        caller,
        grace,
        talk,
        content="a\0b\ud800",
        metadata={"k\0": "\0", "deep": ["\udfff"]},
        created_by="\0",
        content_type="IMAGE",
        filename="\0.png",
    )

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["content"] == "a\ufffdb\ufffd"
    assert told["metadata"] == {"k\ufffd": "\ufffd", "deep": ["\ufffd"]}
    assert (told["created_by"], told["filename"]) == ("\ufffd", "\ufffd.png")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", None),
        ("content", ""),
        ("content", "x" * 100_001),
        ("content_type", "STICKER"),
        ("type", "USER"),
        ("channel", "EMAIL"),
        ("status", "SENT"),
        ("filename", "document.pdf"),
        ("metadata", [1]),
        ("metadata", {"k": "v" * 16_384}),
        ("created_by", "x" * 256),
        ("id", str(UUID(int=1))),
        ("origin", "live"),
        ("message_id", "x"),
        ("conversation_id", "x"),
        ("timestamp", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_wrong_field_is_422_and_named_and_nothing_is_added(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    name: str,
    talk: str,
    field: str,
    value: Any,
) -> None:
    answer = add(caller, grace, talk, **{field: value})

    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert messages_of(db, name) == []


def test_metadata_is_no_way_around_the_depth_of_json(
    caller: Caller, grace: Account, talk: str
) -> None:
    deep: Any = {}
    for _ in range(100):
        deep = {"k": deep}

    assert add(caller, grace, talk, metadata=deep).status_code == 400


def test_a_conversation_that_its_sender_has_not_named_takes_none(
    caller: Caller, db: psycopg.Connection, grace: Account
) -> None:
    row_id = make_conversation(db, None, user_id=grace.id, status="starting")

    assert add(caller, grace, row_id).status_code == 409


# --- once --------------------------------------------------------------------------------------


def test_the_same_key_answers_the_same_message(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    endpoint = configure(caller, grace, talk).json()["endpoint_id"]
    message = {"metadata": {"n": 1e23, "f": 1.0, "s": "é"}, "content_type": "AUDIO"}

    first = add(caller, grace, talk, "order-1", **message)
    again = add(caller, grace, name, "order-1", **message)
    change(caller, grace, talk, first.json()["id"], status="PROCESSED")
    later = add(caller, grace, talk, "order-1", **message)

    assert [answer.status_code for answer in (first, again, later)] == [201, 200, 200]
    assert first.json() == again.json()
    assert (later.json()["id"], later.json()["status"]) == (first.json()["id"], "PROCESSED")
    assert len(messages_of(db, name)) == 1
    assert [row["event_type"] for row in deliveries_of(db, endpoint)] == [
        "message.created",
        "message.processed",
    ]


def test_of_many_at_once_with_one_key_one_is_added(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: add(caller, grace, talk, "k"), range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(messages_of(db, name)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"content": "Bye."},
        {"type": "BOT"},
        {"channel": "SMS"},
        {"metadata": {"n": 1}},
        {"content_type": "IMAGE"},
        {"content_type": "IMAGE", "filename": "a.png"},
    ],
)
def test_a_key_of_another_message_is_422_so_that_none_is_lost_silently(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    name: str,
    talk: str,
    changed: dict[str, Any],
) -> None:
    add(caller, grace, talk, "k")

    answer = add(caller, grace, talk, "k", **changed)

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]
    assert [row["content"] for row in messages_of(db, name)] == ["Hello."]


def test_without_a_key_each_is_a_message(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    answers = [add(caller, grace, talk) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(messages_of(db, name)) == 2


def test_a_key_counts_in_its_conversation_only(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str
) -> None:
    other = make_conversation(db, new_conversation_id(), user_id=grace.id)

    answers = [add(caller, grace, row_id, "k") for row_id in (talk, other)]

    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.parametrize("key", ["", "é", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_422(caller: Caller, grace: Account, talk: str, key: str) -> None:
    answer = add(caller, grace, talk, key)

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


# --- what became of it -------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["PROCESSED", "FAILED"])
def test_a_message_that_was_handled_is_told_of_once_more(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str, status: str
) -> None:
    endpoint = configure(caller, grace, talk).json()["endpoint_id"]
    added = add(caller, grace, talk, created_by="user123").json()

    answers = [change(caller, grace, talk, added["id"], status=status) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    told = answers[0].json()
    assert {key for key in told if told[key] != added[key]} <= {
        "status",
        "updated_by",
        "updated_at",
    }
    assert (told["status"], told["created_by"], told["updated_by"]) == (
        status,
        "user123",
        grace.id,
    )
    created, processed = deliveries_of(db, endpoint)
    assert (created["event_type"], processed["event_type"]) == (
        "message.created",
        "message.processed",
    )
    assert processed["payload"]["data"] == told


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("status", {}),
        ("status", {"status": "RECEIVED"}),
        ("status", {"status": None}),
        ("content", {"status": "FAILED", "content": "x"}),
        ("updated_by", {"status": "FAILED", "updated_by": "x"}),
    ],
)
def test_another_change_is_422_and_named(
    caller: Caller, grace: Account, talk: str, field: str, wrong: dict[str, Any]
) -> None:
    added = add(caller, grace, talk).json()

    answer = change(caller, grace, talk, added["id"], **wrong)

    assert answer.status_code == 422
    assert f"{field}: " in answer.json()["detail"]


def test_only_a_message_that_was_added_here_changes(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    [live] = rows(
        db,
        "insert into public.conversation_messages (conversation_id, message_id, role, content,"
        " origin) values (%s, 'm1', 'user', 'x', 'live') returning id::text",
        name,
    )
    elsewhere = make_conversation(db, new_conversation_id(), user_id=grace.id)
    added = add(caller, grace, elsewhere).json()

    for message in (live["id"], added["id"], str(uuid4()), "x", "%00"):
        assert change(caller, grace, talk, message, status="FAILED").status_code == 404
    assert [row["status"] for row in messages_of(db, name)] == [None]


# --- the webhook of a conversation -------------------------------------------------------------


def test_the_guides_example_configures_a_webhook(
    caller: Caller, db: psycopg.Connection, grace: Account, name: str, talk: str
) -> None:
    answer = configure(caller, grace, talk)

    assert answer.status_code == 201, answer.text
    told = answer.json()
    named = {"endpoint_id": told["endpoint_id"], "disabled": False, "disabled_reason": None}
    assert told == {**GUIDE, **named, "secret": told["secret"]}
    assert secrets_of(db, told["endpoint_id"]) == [told["secret"]]
    shown = [call(caller, "GET", grace, f"{path}/webhook") for path in (talk, talk.upper(), name)]
    assert [answer.json() for answer in shown] == [{**GUIDE, **named}] * 3
    [row] = [row for row in endpoints_of(db, grace) if str(row["id"]) == told["endpoint_id"]]
    assert (row["url"], str(row["conversation_id"])) == (HOOK, talk)


def test_a_webhook_that_is_there_is_changed_and_enabled_and_its_secret_not_shown(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str
) -> None:
    first = configure(caller, grace, talk).json()
    db.execute("select private.disable_endpoint(%s, 'gone')", [first["endpoint_id"]])
    disabled = call(caller, "GET", grace, f"{talk}/webhook").json()

    answer = configure(caller, grace, talk, channel="SMS", config={"callback_url": f"{HOOK}/2"})

    assert (disabled["disabled"], disabled["disabled_reason"]) == (True, "gone")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "channel": "SMS",
        "usecase": "WORKFLOW_EXECUTION",
        "config": {"workflow_id": None, "callback_url": f"{HOOK}/2"},
        "endpoint_id": first["endpoint_id"],
        "disabled": False,
        "disabled_reason": None,
    }
    assert secrets_of(db, first["endpoint_id"]) == [first["secret"]]


def test_of_many_at_once_one_makes_the_webhook(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str
) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: configure(caller, grace, talk), range(6)))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["endpoint_id"] for answer in answers}) == 1


def test_it_hears_its_own_conversation_only(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str
) -> None:
    endpoint = configure(caller, grace, talk).json()["endpoint_id"]
    elsewhere = make_conversation(db, new_conversation_id(), user_id=grace.id)

    add(caller, grace, elsewhere)
    mine = add(caller, grace, talk).json()

    assert [row["payload"]["data"]["id"] for row in deliveries_of(db, endpoint)] == [mine["id"]]


def test_a_removed_webhook_is_gone(
    caller: Caller, db: psycopg.Connection, grace: Account, talk: str
) -> None:
    endpoint = configure(caller, grace, talk).json()["endpoint_id"]

    answers = [call(caller, "DELETE", grace, f"{talk}/webhook") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert call(caller, "GET", grace, f"{talk}/webhook").status_code == 404
    assert secrets_of(db, endpoint) == []


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("config", {"config": None}),
        ("config.callback_url", {"config": {"workflow_id": "1"}}),
        ("config.callback_url", {"config": {"callback_url": "http://hooks.example.test/"}}),
        ("config.callback_url", {"config": {"callback_url": "https://169.254.169.254/"}}),
        ("config.callback_url", {"config": {"callback_url": "https://u:hush@x.example.test/"}}),
        ("config.workflow_id", {"config": {"callback_url": HOOK, "workflow_id": 123}}),
        ("config.headers", {"config": {"callback_url": HOOK, "headers": {}}}),
        ("channel", {"channel": "EMAIL"}),
        ("usecase", {"usecase": "OTHER"}),
        ("secret", {"secret": "whsec_AAAA"}),
        ("user_id", {"user_id": str(UUID(int=1))}),
    ],
)
def test_a_wrong_webhook_is_422_and_named_and_changes_nothing(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    talk: str,
    field: str,
    wrong: dict[str, Any],
) -> None:
    before = configure(caller, grace, talk).json()

    answer = configure(caller, grace, talk, **wrong)

    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert "hush" not in answer.text
    shown = call(caller, "GET", grace, f"{talk}/webhook").json()
    assert shown == {key: value for key, value in before.items() if key != "secret"}


# --- who may -----------------------------------------------------------------------------------

ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "messages", {"content": "x"}),
    ("PATCH", "messages/{message}", {"status": "FAILED"}),
    ("PUT", "webhook", GUIDE),
    ("GET", "webhook", None),
    ("DELETE", "webhook", None),
]


def everything(db: psycopg.Connection, person: Account, name: str) -> list[Any]:
    return [endpoints_of(db, person), messages_of(db, name)]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_others_conversations_do_not_exist(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    other: Account,
    name: str,
    talk: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    configure(caller, grace, talk)
    message = add(caller, grace, talk).json()["id"]
    before = everything(db, grace, name)

    for odd in (talk, name, *ODD_IDS):
        address = f"{odd}/{path}".format(message=message)
        answer = call(caller, method, other, address, body)
        assert answer.status_code == 404, odd
    assert everything(db, grace, name) == before
    assert endpoints_of(db, other) == []


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_without_a_person_it_is_401(
    caller: Caller, talk: str, method: str, path: str, body: Any
) -> None:
    address = f"{talk}/{path}".format(message=uuid4())

    assert call(caller, method, None, address, body).status_code == 401


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_an_admin_reads_the_webhook_and_does_nothing_for_others(
    caller: Caller,
    db: psycopg.Connection,
    grace: Account,
    admin: Account,
    name: str,
    talk: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    told = configure(caller, grace, talk).json()
    message = add(caller, grace, talk).json()["id"]
    before = everything(db, grace, name)

    answer = call(caller, method, admin, f"{talk}/{path}".format(message=message), body)

    assert answer.status_code == (200 if method == "GET" else 404), answer.text
    assert everything(db, grace, name) == before
    assert told["secret"] not in answer.text
    assert endpoints_of(db, admin) == []


def test_a_conversation_that_goes_meanwhile_takes_no_message_and_no_webhook(
    db: psycopg.Connection, vanishing: Meanwhile, grace: Account, talk: str, name: str
) -> None:
    person, store = Person(id=UUID(grace.id), token=grace.token), OutgoingStore(database=vanishing)
    messages = Messages(database=vanishing, store=store)
    webhooks = ConversationWebhooks(database=vanishing, store=store, egress=Egress())
    before = endpoints_of(db, grace)

    with pytest.raises(NotFound, match="no such conversation"):
        messages.add(person, talk, NewMessage(content="Hello."), None)
    make_conversation(db, name, id=talk, user_id=grace.id)
    with pytest.raises(NotFound, match="no such conversation"):
        webhooks.set(person, talk, ConversationWebhook.model_validate(GUIDE))

    assert messages_of(db, name) == []
    assert endpoints_of(db, grace) == before
