"""What customers are told: written with the row it tells of, once, for whoever wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.database.endpoints import SECRET, call, deliveries, make_endpoint, new_owner
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows

Told = Callable[[], list[tuple[str, Any]]]


@pytest.fixture(name="owner")
def _owner(db: psycopg.Connection) -> str:
    return new_owner(db)


@pytest.fixture(name="name")
def _name() -> str:
    return new_conversation_id()


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection, owner: str, name: str) -> str:
    return make_conversation(db, name, user_id=owner, status="active", replica_id="r1")


@pytest.fixture(name="endpoint")
def _endpoint(db: psycopg.Connection, owner: str) -> str:
    return make_endpoint(db, owner)


def said(name: str, text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    """Return an event by which something was said."""
    message = {"message_id": f"{name}:{text}", "role": role, "content": text, **more}
    relayed = {"source": "tavus-relay"} if more.get("relayed") else {}
    return event(name, f"utterance:{text}", effects={"messages": [message]}, **relayed)


def transcript(name: str, *lines: str) -> dict[str, Any]:
    listed = [{"role": "user", "content": line, "timestamp": None} for line in lines]
    return event(name, f"transcript:{len(lines)}", effects={"transcript": listed})


def contents(db: psycopg.Connection, endpoint: str) -> list[str]:
    return [each["payload"]["data"]["content"] for each in deliveries(db, endpoint)]


def facts(db: psycopg.Connection, endpoint: str, event_type: str) -> list[dict[str, Any]]:
    return [
        each["payload"] for each in deliveries(db, endpoint) if each["event_type"] == event_type
    ]


def test_a_message_is_told_as_its_receivers_were_promised(
    db: psycopg.Connection, owner: str, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "Hello", timestamp="2026-03-01T06:45:47.472+00:00"))

    [told] = deliveries(db, endpoint)
    [message] = rows(
        db, "select * from public.conversation_messages where conversation_id = %s", name
    )
    assert told["event_type"] == "message.created"
    assert str(told["conversation_id"]) == conversation
    assert told["payload"].pop("timestamp").endswith("Z")
    assert told["payload"] == {
        "conversation_id": conversation,
        "data": {
            "id": str(message["id"]),
            "content": "Hello",
            "content_type": "TEXT",
            "type": "USER_INPUT",
            "channel": "API",
            "status": "RECEIVED",
            "metadata": {},
            "created_by": owner,
            "updated_by": owner,
            "created_at": "2026-03-01T06:45:47.472Z",
            "updated_at": "2026-03-01T06:45:47.472Z",
        },
    }


def test_what_the_ai_says_is_its_replicas(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "Hi", role="assistant"))

    [told] = deliveries(db, endpoint)
    data = told["payload"]["data"]
    assert (data["type"], data["created_by"]) == ("BOT", "r1")


def test_a_repeat_tells_nobody_twice(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "Hello"))
    receive(db, said(name, "Hello"))

    assert contents(db, endpoint) == ["Hello"]


def test_what_is_rolled_back_is_told_to_nobody(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    poisoned = said(name, "Hello")
    poisoned["effects"]["completion"] = {"objective_name": None}

    [result] = receive(db, poisoned)

    assert result["outcome"] == "failed"
    assert deliveries(db, endpoint) == []


def test_everybody_who_listens_is_told_under_one_id(
    db: psycopg.Connection, owner: str, name: str, conversation: str, endpoint: str
) -> None:
    also = make_endpoint(db, owner, event_types=["message.created", "call.completed"])
    other = make_endpoint(db, owner, event_types=["call.completed"])
    silent = make_endpoint(db, owner, disabled=True)
    strangers = make_endpoint(db, new_owner(db))

    receive(db, said(name, "Hello"))

    [first], [second] = deliveries(db, endpoint), deliveries(db, also)
    assert first["webhook_id"] == second["webhook_id"]
    assert [deliveries(db, each) for each in (other, silent, strangers)] == [[], [], []]


def test_a_conversations_webhook_hears_its_messages_and_nothing_else(
    db: psycopg.Connection, owner: str, name: str, conversation: str
) -> None:
    webhook = {"url": "https://example.test/hook", "workflow": {"workflow_id": "123"}}
    made = call(db, "configure_conversation_webhook", owner, conversation, webhook, SECRET)
    elsewhere = new_conversation_id()
    make_conversation(db, elsewhere, user_id=owner)

    ended = event(name, "end", effects={"conversation": {"end": {"status": "completed"}}})
    receive(db, said(name, "Hello"), said(elsewhere, "Other"), ended)

    assert contents(db, made["row"]["id"]) == ["Hello"]


def test_a_transcript_is_told_where_nothing_was_live(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, transcript(name, "One", "Two"))
    receive(db, transcript(name, "One", "Two", "Three"))

    assert contents(db, endpoint) == ["One", "Two", "Three"]


def test_what_was_told_live_is_not_told_from_the_transcript(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "One"))
    receive(db, transcript(name, "One", "Two"))
    receive(db, said(name, "Late"))

    assert contents(db, endpoint) == ["One"]


def test_the_senders_word_in_place_of_a_browsers_is_the_same_message(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "helo", inference_id="i1", relayed=True))
    receive(db, said(name, "Hello", inference_id="i1"))
    receive(db, said(name, "Answer", inference_id="i1", role="assistant"))

    assert contents(db, endpoint) == ["helo", "Answer"]


def test_two_messages_of_one_inference_are_two(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "first words", inference_id="i1"))
    receive(db, said(name, "second words", inference_id="i1"))
    receive(db, said(name, "second words", inference_id="i1"))

    assert contents(db, endpoint) == ["first words", "second words"]


def test_a_relayed_message_is_only_one_of_two(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    receive(db, said(name, "first", inference_id="i1", relayed=True))
    receive(db, said(name, "first words", inference_id="i1"))
    receive(db, said(name, "second words", inference_id="i1"))

    assert contents(db, endpoint) == ["first", "second words"]


def test_a_conversation_that_gets_its_owner_late_tells_of_its_last_day(
    db: psycopg.Connection, owner: str, name: str, endpoint: str
) -> None:
    row_id = make_conversation(db, name)
    receive(db, said(name, "Old"), said(name, "New"))
    db.execute(
        "update public.conversation_messages set created_at = now() - interval '2 days'"
        " where conversation_id = %s and content = 'Old'",
        [name],
    )

    db.execute("update public.conversations set user_id = %s where id = %s", [owner, row_id])

    assert contents(db, endpoint) == ["New"]


@pytest.mark.parametrize(
    ("days", "told"),
    [(0, ["conversation.completed", "feedback.created", "message.created"]), (2, [])],
)
def test_what_was_over_before_it_was_somebodys_is_told_of_the_last_day(
    db: psycopg.Connection, owner: str, name: str, endpoint: str, days: int, told: list[str]
) -> None:
    row_id = make_conversation(db, name, status="active")
    scored = transcript(name, "One")
    scored["effects"]["feedback"] = {"score": 7, "analysis": {"a": 1}, "analyzer": "rules"}
    receive(
        db, scored, event(name, "end", effects={"conversation": {"end": {"status": "completed"}}})
    )
    for table in ("conversations", "conversation_messages", "feedback_sessions"):
        key = {"feedback_sessions": row_id}.get(table, name)
        ago = "created_at = now() - make_interval(days => %s)"
        db.execute(f"update public.{table} set {ago} where conversation_id::text = %s", [days, key])

    for _ in range(2):
        set_owner = "update public.conversations set user_id = %s where id = %s"
        db.execute(set_owner, [owner, row_id])
        db.execute(set_owner, [None, row_id])

    assert sorted(each["event_type"] for each in deliveries(db, endpoint)) == told


def test_a_conversations_webhook_is_its_new_owners_when_it_changes_hands(
    db: psycopg.Connection, owner: str, name: str, conversation: str
) -> None:
    old, new = {"url": "https://example.test/old"}, {"url": "https://example.test/new"}
    call(db, "configure_conversation_webhook", owner, conversation, old, SECRET)
    heir = new_owner(db)
    db.execute("update public.conversations set user_id = %s where id = %s", [heir, conversation])

    made = call(db, "configure_conversation_webhook", heir, conversation, new, SECRET)

    receive(db, said(name, "Hello"))
    assert (made["created"], made["row"]["user_id"]) == (True, heir)
    assert contents(db, made["row"]["id"]) == ["Hello"]
    assert rows(db, "select from public.webhook_endpoints where user_id = %s", owner) == []


def test_a_conversations_webhook_listens_to_what_it_says(
    db: psycopg.Connection, owner: str, conversation: str
) -> None:
    webhook = {"url": "https://example.test/hook"}
    made = call(db, "configure_conversation_webhook", owner, conversation, webhook, SECRET)["row"]
    call(db, "change_endpoint", owner, made["id"], {"event_types": ["message.processed"]})

    message = call(db, "add_message", owner, conversation, ADDED)["row"]["id"]
    call(db, "change_message", owner, conversation, message, {"status": "FAILED"})

    assert [each["event_type"] for each in deliveries(db, made["id"])] == ["message.processed"]


@pytest.mark.parametrize("live", [True, False])
def test_what_came_before_its_conversation_was_known_is_told_once_it_is(
    db: psycopg.Connection, owner: str, name: str, endpoint: str, live: bool
) -> None:
    completion = {"objective_name": "greet", "variables": {"a": "b"}, "columns": {}}
    spoken = (
        [said(name, "One", seq=1), said(name, "Two", seq=2)]
        if live
        else [transcript(name, "One", "Two")]
    )
    receive(db, *spoken, event(name, "objective", effects={"completion": completion}))
    assert deliveries(db, endpoint) == []

    make_conversation(db, name, user_id=owner)

    messages = facts(db, endpoint, "message.created")
    assert [each["data"]["content"] for each in messages] == ["One", "Two"]
    assert len(facts(db, endpoint, "qualification.updated")) == 1


def test_live_and_transcript_before_it_was_known_are_heard_once(
    db: psycopg.Connection, owner: str, name: str, endpoint: str
) -> None:
    receive(db, said(name, "One"), transcript(name, "One", "Two"))

    make_conversation(db, name, user_id=owner)

    assert contents(db, endpoint) == ["One", "Two"]


def test_a_conversation_without_an_owner_tells_nobody(
    db: psycopg.Connection, name: str, endpoint: str
) -> None:
    make_conversation(db, name)

    receive(db, said(name, "Hello"))

    assert deliveries(db, endpoint) == []


def test_a_completed_conversation_is_told_once(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    end = {"status": "completed", "at": "2026-03-01T07:00:00Z", "reason": "left"}
    started = {"started_at": "2026-03-01T06:45:00Z", "end": end}
    receive(db, event(name, "end", effects={"conversation": started}))
    receive(db, event(name, "recording", effects={"conversation": {"recording_url": "s3://x"}}))

    [told] = facts(db, endpoint, "conversation.completed")
    assert (
        told["data"].items()
        >= {
            "conversation_id": conversation,
            "provider_conversation_id": name,
            "status": "completed",
            "end_reason": "left",
            "started_at": "2026-03-01T06:45:00.000Z",
            "ended_at": "2026-03-01T07:00:00.000Z",
            "duration_seconds": 900,
        }.items()
    )


def test_qualification_is_told_each_time_that_it_is_more(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    def completed(fact: str, **variables: str) -> dict[str, Any]:
        told = {"objective_name": "greet", "variables": variables, "columns": variables}
        return event(name, fact, effects={"completion": told})

    receive(db, completed("o:1", first_name="Ada"))
    receive(db, completed("o:2", first_name="Ada"))
    receive(db, completed("o:3", last_name="Byron"))

    told = facts(db, endpoint, "qualification.updated")
    assert [(each["data"]["first_name"], each["data"]["last_name"]) for each in told] == [
        ("Ada", None),
        ("Ada", "Byron"),
    ]
    assert told[0]["data"]["conversation_id"] == conversation


def test_feedback_is_told_when_it_is_made(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    scored = transcript(name, "One")
    scored["effects"]["feedback"] = {"score": 7, "analysis": {"a": 1}, "analyzer": "rules"}

    receive(db, scored)

    [told] = facts(db, endpoint, "feedback.created")
    assert (told["data"]["score"], told["data"]["conversation_id"]) == (7, conversation)


def test_a_call_is_told_when_it_completes_and_is_somebodys(
    db: psycopg.Connection, owner: str, name: str, endpoint: str
) -> None:
    [phone] = rows(db, "insert into public.phone_numbers (user_id) values (%s) returning id", owner)
    db.execute(
        "insert into public.calls (call_sid, phone_id, status) values (%s, %s, 'ringing')",
        [name, phone["id"]],
    )
    db.execute("update public.calls set status = 'completed' where call_sid = %s", [name])
    db.execute("update public.calls set duration_seconds = 9 where call_sid = %s", [name])

    [told] = facts(db, endpoint, "call.completed")
    assert (told["data"]["call_sid"], told["data"]["status"]) == (name, "completed")


def test_a_booking_is_told_when_it_is_made(
    db: psycopg.Connection, owner: str, name: str, endpoint: str
) -> None:
    [phone] = rows(db, "insert into public.phone_numbers (user_id) values (%s) returning id", owner)
    db.execute(
        "insert into public.bookings (booking_key, phone_id, status, invitee_name)"
        " values (%s, %s, 'active', 'Ada')",
        [name, phone["id"]],
    )
    db.execute("update public.bookings set status = 'canceled' where booking_key = %s", [name])

    [told] = facts(db, endpoint, "booking.created")
    assert told["data"]["invitee_name"] == "Ada"


ADDED = {
    "message_id": "api:1",
    "content": "Please see the plan.",
    "content_type": "DOCUMENT",
    "type": "BOT",
    "channel": "WHATSAPP",
    "status": "RECEIVED",
    "filename": "plan.pdf",
    "metadata": {"page": 2},
    "created_by": "Ada",
}


def test_an_added_message_is_told_as_it_was_given(
    db: psycopg.Connection, owner: str, conversation: str, endpoint: str
) -> None:
    added = call(db, "add_message", owner, conversation, ADDED)
    again = call(db, "add_message", owner, conversation, ADDED)

    assert (added["outcome"], again["outcome"]) == ("new", "duplicate")
    [told] = deliveries(db, endpoint)
    assert told["payload"]["data"] == added["row"] == again["row"]
    assert added["row"].items() >= {k: v for k, v in ADDED.items() if k != "message_id"}.items()


def test_each_status_of_a_message_is_told_once(
    db: psycopg.Connection, owner: str, conversation: str, endpoint: str
) -> None:
    message = call(db, "add_message", owner, conversation, ADDED)["row"]["id"]
    change = {"status": "PROCESSED", "updated_by": "Grace"}

    for _ in range(2):
        call(db, "change_message", owner, conversation, message, change)

    created, processed = deliveries(db, endpoint)
    assert (created["event_type"], processed["event_type"]) == (
        "message.created",
        "message.processed",
    )
    data = processed["payload"]["data"]
    assert (data["id"], data["status"], data["updated_by"]) == (message, "PROCESSED", "Grace")
    assert (data["created_by"], data["content"]) == ("Ada", ADDED["content"])


def test_an_added_message_outlives_the_transcript(
    db: psycopg.Connection, owner: str, name: str, conversation: str, endpoint: str
) -> None:
    call(db, "add_message", owner, conversation, ADDED)

    receive(db, transcript(name, "One"))

    kept = rows(
        db, "select content from public.conversation_messages where conversation_id = %s", name
    )
    assert {row["content"] for row in kept} == {ADDED["content"], "One"}
    assert contents(db, endpoint) == [ADDED["content"], "One"]


def test_only_its_owner_adds_to_a_conversation(
    db: psycopg.Connection, owner: str, conversation: str
) -> None:
    message = call(db, "add_message", owner, conversation, ADDED)["row"]["id"]
    stranger = new_owner(db)

    assert call(db, "add_message", stranger, conversation, ADDED) is None
    assert call(db, "change_message", stranger, conversation, message, {"status": "FAILED"}) is None
    webhook = {"url": "https://example.test"}
    made = call(db, "configure_conversation_webhook", stranger, conversation, webhook, SECRET)
    assert made is None


def test_what_was_said_in_a_call_is_nobodys_to_change(
    db: psycopg.Connection, owner: str, name: str, conversation: str
) -> None:
    receive(db, said(name, "Hello"))
    [message] = rows(
        db, "select id from public.conversation_messages where conversation_id = %s", name
    )

    change = {"status": "FAILED"}
    assert call(db, "change_message", owner, conversation, str(message["id"]), change) is None


def test_a_conversation_that_nobody_has_named_takes_no_message(
    db: psycopg.Connection, owner: str
) -> None:
    conversation = make_conversation(db, None, user_id=owner)

    assert call(db, "add_message", owner, conversation, ADDED) == {"outcome": "unplaced"}


def test_an_app_that_writes_its_own_rows_tells_of_them_too(
    db: psycopg.Connection, name: str, conversation: str, endpoint: str
) -> None:
    db.execute("create role app_writer")
    db.execute("grant usage on schema public to app_writer")
    db.execute("grant insert on public.qualification_data to app_writer")
    db.execute(
        "create policy app on public.qualification_data for insert to app_writer with check (true)"
    )
    try:
        with db.transaction():
            db.execute("set local role app_writer")
            db.execute(
                "insert into public.qualification_data (conversation_id, objective_name,"
                " output_variables, version) values (%s, 'greet', %s, 1)",
                [name, Jsonb({"a": "b"})],
            )
    finally:
        db.execute("drop policy app on public.qualification_data")
        db.execute("drop owned by app_writer")
        db.execute("drop role app_writer")

    assert len(facts(db, endpoint, "qualification.updated")) == 1
