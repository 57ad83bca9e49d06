"""POST /api/conversations/<id>/app-messages: what the owner's browser relays of a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.local.stack import LocalStack
from services.provider import Credential
from services.providers.tavus_relay import RELAY
from services.settings import load_settings
from services.wiring.worker import wire_worker
from tests.database.events import make_conversation, new_conversation_id, receive, rows
from tests.providers.tavus_samples import Rows
from tests.stack import start_service
from tests.web.caller import SETTINGS, Caller
from tests.web.people import Account, make_admin, sign_up

ORIGIN = "https://app.example.test"
FILM = "Product Demo Overview"


def heard(seq: int, speech: str = "Hello.", role: str = "user", **more: Any) -> dict[str, Any]:
    return {
        "message_type": "conversation",
        "event_type": "conversation.utterance",
        "seq": seq,
        "turn_idx": seq // 2,
        "inference_id": f"i{seq}",
        "properties": {"role": role, "speech": speech},
        **more,
    }


def called(call_id: str, name: str = "fetch_video", **arguments: str) -> dict[str, Any]:
    return {
        "event_type": "conversation.tool_call",
        "seq": 40,
        "properties": {
            "name": name,
            "arguments": json.dumps(arguments),
            "tool_call_id": call_id,
        },
    }


def reached(**variables: Any) -> dict[str, Any]:
    return {
        "event_type": "conversation.objective.completed",
        "properties": {"objective_name": "greeting", "output_variables": variables},
    }


def seen(analysis: str) -> dict[str, Any]:
    return {
        "event_type": "conversation.perception-analysis",
        "properties": {"analysis": analysis},
    }


def send(
    caller: Caller, person: Account | None, conversation: str, body: Any, **headers: str
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    own = person.headers if person else {}
    return caller.http.post(
        f"/api/conversations/{conversation}/app-messages",
        content=content,
        headers={"Content-Type": "application/json", **own, **headers},
    )


def relay(
    caller: Caller, person: Account, conversation: str, *messages: dict[str, Any]
) -> dict[str, Any]:
    answer = send(caller, person, conversation, {"messages": messages})
    assert answer.status_code == 200, answer.text
    counts: dict[str, Any] = answer.json()
    return counts


def said(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s"
        " order by position, seq, turn_idx, timestamp",
        conversation,
    )
    return [row["content"] for row in found]


def shown(db: psycopg.Connection, conversation: str) -> list[tuple[str, str]]:
    found = rows(
        db,
        "select source, event_type from public.processed_webhook_events"
        " where conversation_id = %s order by seq",
        conversation,
    )
    return [(row["source"], row["event_type"]) for row in found]


def inbox_count(db: psycopg.Connection, conversation: str) -> int:
    sql = "select count(*) from private.webhook_inbox where conversation_id = %s"
    [[number]] = db.execute(sql, [conversation]).fetchall()
    return int(number)


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="talk")
def _talk(db: psycopg.Connection, ada: Account) -> str:
    """A conversation of Ada's."""
    conversation = new_conversation_id()
    make_conversation(db, conversation, user_id=ada.id)
    return conversation


def test_a_batch_becomes_messages_in_the_order_of_the_talk(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    batch = [heard(n, f"Line {n}") for n in (12, 3, 11, 2)]

    assert relay(caller, ada, talk, *batch) == {"accepted": 4, "duplicates": 0}

    assert said(db, talk) == ["Line 2", "Line 3", "Line 11", "Line 12"]
    events = rows(
        db,
        "select event_data, source from public.processed_webhook_events"
        " where conversation_id = %s order by seq",
        talk,
    )
    assert [row["event_data"]["seq"] for row in events] == [2, 3, 11, 12]
    assert {row["source"] for row in events} == {"tavus-relay"}


def test_twins_and_repeats_are_one_message(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    pal, replica = heard(5, role="pal"), heard(6, role="replica", inference_id="i5")
    unnamed = [
        heard(n, "Bye.", role, inference_id=None, turn_idx=9)
        for n, role in ((20, "pal"), (21, "replica"))
    ]

    first = relay(caller, ada, talk, pal, replica, *unnamed)
    again = relay(caller, ada, talk, replica, *unnamed)

    assert first == {"accepted": 2, "duplicates": 2}
    assert again == {"accepted": 0, "duplicates": 3}
    assert said(db, talk) == ["Hello.", "Bye."]
    assert len(shown(db, talk)) == 2


def test_a_relayed_tool_call_is_run_and_shown(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    call = called("call_1", "display_cta", text="Try", url="https://a.example.test")

    relay(caller, ada, talk, call, call)

    [row] = rows(db, "select * from public.tool_calls where conversation_id = %s", talk)
    assert (row["name"], row["success"], row["relayed"]) == ("display_cta", True, True)
    assert [kind for _, kind in shown(db, talk)].count("tool_call_result") == 1


def test_what_was_found_out_and_seen_is_stored(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    relay(caller, ada, talk, reached(first_name="Ada"), seen("They smiled."))

    [found] = rows(
        db, "select first_name from public.qualification_data where conversation_id = %s", talk
    )
    [row] = rows(db, "select * from public.conversations where conversation_id = %s", talk)
    assert found["first_name"] == "Ada"
    assert row["perception_analysis"] == "They smiled."


def test_the_callback_outranks_the_relay_in_either_order(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    relayed = [
        heard(1, "I am Eve", timestamp="2020-01-01T00:00:00Z"),
        called("call_1", "display_cta", text="Eve", url="https://eve.example.test"),
        reached(first_name="Eve", budget="1"),
        seen("Eve's view") | {"timestamp": "2099-01-01T00:00:00Z"},
    ]
    told = [
        heard(1, "I am Ada", timestamp="2026-03-01T06:46:00Z"),
        called("call_1", "display_cta", text="Ada", url="https://ada.example.test"),
        reached(first_name="Ada", budget="2"),
        seen("Ada's view"),
    ]

    def play(*, relayed_first: bool) -> dict[str, Any]:
        conversation = new_conversation_id()
        make_conversation(db, conversation, user_id=ada.id)
        if relayed_first:
            relay(caller, ada, conversation, *relayed)
        for event in told:
            caller.send({**event, "conversation_id": conversation})
        if not relayed_first:
            relay(caller, ada, conversation, *relayed)
        return everything(db, conversation)

    found = [play(relayed_first=True), play(relayed_first=False)]

    assert found[0] == found[1]
    assert "Eve" not in json.dumps(found[0], default=str)
    assert [row["content"] for row in found[0]["conversation_messages"]] == ["I am Ada"]
    assert len(found[0]["tool_calls"]) == len(found[0]["qualification_data"]) == 1


def everything(db: psycopg.Connection, conversation: str) -> dict[str, Any]:
    """Return what browsers can read of a conversation, but for the stream, which tells all."""
    columns = {
        "conversation_messages": "role, content, timestamp, seq, relayed",
        "tool_calls": "name, arguments, result, success, relayed, called_at",
        "qualification_data": "first_name, output_variables, raw_payload->'properties' as raw",
        "conversations": "status, perception_analysis, tavus_metadata"
        "->'application.perception_analysis'->'properties' as seen",
    }
    return {
        table: rows(
            db, f"select {names} from public.{table} where conversation_id = %s", conversation
        )
        for table, names in columns.items()
    }


def test_one_fact_has_one_row_in_the_stream_with_the_senders_words(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    mine = heard(1, "Hello.", timestamp="2020-01-01T00:00:00Z")
    theirs = heard(1, "Hello.", timestamp="2026-03-01T06:46:00Z", conversation_id=talk)

    relay(caller, ada, talk, mine)
    before = shown(db, talk)
    caller.send(theirs)
    relay(caller, ada, talk, mine)

    assert before == [("tavus-relay", "conversation.utterance")]
    [row] = rows(
        db,
        "select source, event_data from public.processed_webhook_events where conversation_id = %s",
        talk,
    )
    assert (row["source"], row["event_data"]["timestamp"]) == ("tavus", "2026-03-01T06:46:00Z")


def test_the_transcript_is_the_list_before_and_after_the_relay(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    relay(caller, ada, talk, heard(1, "Helo."), heard(2, "Hi!", "replica"))
    caller.send(
        {
            "event_type": "application.transcription_ready",
            "conversation_id": talk,
            "properties": {
                "transcript": [
                    {"role": "user", "content": "Hello.", "inference_id": "i1"},
                    {"role": "assistant", "content": "Hi!", "inference_id": "i2"},
                ]
            },
        }
    )
    relay(caller, ada, talk, heard(1, "Helo."), heard(3, "Later."))

    assert said(db, talk) == ["Hello.", "Hi!"]


def test_the_conversation_read_by_its_owner_tells_them_in_order(
    caller: Caller, ada: Account, talk: str
) -> None:
    late = "2026-03-01T06:46:09Z"
    relay(caller, ada, talk, heard(3, "Third."), heard(1, "First.", timestamp=late))
    relay(caller, ada, talk, heard(2, "Second."))

    answer = caller.http.get(f"/api/conversations/{talk}", headers=ada.headers)

    told = [message["content"] for message in answer.json()["messages"]]
    assert told == ["First.", "Second.", "Third."]


def test_what_could_not_be_handled_at_once_is_handled_by_the_worker(
    stack: LocalStack, db: psycopg.Connection, talk: str
) -> None:
    call = called("call_1", "display_cta", text="Try", url="https://a.example.test")
    inbound = Inbound(
        method="POST",
        path=f"/api/conversations/{talk}/app-messages",
        query={},
        headers={},
        body=json.dumps({**call, "conversation_id": talk}).encode(),
        received_at=datetime.now(UTC),
    )
    service = WebhookEventProcessingService(lookups=Rows())
    event = service.process(inbound, RELAY, Credential(), deferred=True)
    assert receive(db, row_of(event, inbound))[0]["outcome"] == "deferred"

    worker = wire_worker(load_settings(stack.env()))
    try:
        while worker.work():
            pass
    finally:
        worker.database.close()

    [row] = rows(db, "select * from public.tool_calls where conversation_id = %s", talk)
    assert (row["success"], row["relayed"]) == (True, True)


@pytest.mark.parametrize("anonymous", [False, True])
def test_only_the_owner_may_relay(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, anonymous: bool
) -> None:
    owner, other = sign_up(stack, anonymous=anonymous), sign_up(stack, anonymous=anonymous)
    conversation = new_conversation_id()
    row_id = make_conversation(db, conversation, user_id=owner.id)
    batch = {"messages": [heard(1)]}

    assert send(caller, other, conversation, batch).status_code == 404
    assert send(caller, other, row_id, batch).status_code == 404
    assert send(caller, None, conversation, batch).status_code == 401
    assert inbox_count(db, conversation) == 0
    assert send(caller, owner, row_id, batch).json() == {"accepted": 1, "duplicates": 0}
    assert send(caller, owner, conversation, batch).json() == {"accepted": 0, "duplicates": 1}


def test_an_admin_does_not_speak_for_others(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, talk: str
) -> None:
    admin = sign_up(stack)
    make_admin(db, admin)

    assert send(caller, admin, talk, {"messages": [heard(1)]}).status_code == 404


def test_a_conversation_without_a_name_yet_is_409(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    row_id = make_conversation(db, None, user_id=ada.id)

    assert send(caller, ada, row_id, {"messages": [heard(1)]}).status_code == 409


@pytest.mark.parametrize(
    "odd", ["%00", "a%22b", "a,b", "%2e%2e", "x" * 300, "é", "a%2Fb", "%ED%A0%80", "id.gt.0"]
)
def test_an_odd_id_is_404(caller: Caller, ada: Account, odd: str) -> None:
    assert send(caller, ada, odd, {"messages": []}).status_code == 404


def test_a_message_is_of_the_conversation_it_was_sent_to(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    theirs = new_conversation_id()
    make_conversation(db, theirs, user_id=sign_up(stack).id)
    messages = [
        heard(1, conversation_id=theirs),
        reached(first_name="Eve") | {"data": {"conversation_id": theirs}},
    ]
    messages[1]["properties"]["conversation_id"] = theirs

    relay(caller, ada, talk, *messages)

    assert inbox_count(db, theirs) == 0
    assert said(db, talk) == ["Hello."]
    data = rows(
        db,
        "select event_data from public.processed_webhook_events where conversation_id = %s",
        talk,
    )
    assert theirs not in json.dumps(data)


REFUSED_TYPES = [
    "system.shutdown",
    "system.replica_joined",
    "conversation.ended",
    "conversation.updated",
    "conversation.message",
    "conversation.tool_result",
    "conversation.utterance.streaming",
    "conversation.guardrail.triggered",
    "application.transcription_ready",
    "application.recording_ready",
    "replica.ready",
    "tool_call_result",
    "anything",
    "Conversation.Ended ",
    "x" * 255,
]


@pytest.mark.parametrize("event_type", REFUSED_TYPES)
def test_what_may_not_be_relayed_is_422_and_nothing_is_stored(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str, event_type: str
) -> None:
    message = heard(2, status="ended", transcript=[]) | {"event_type": event_type}

    answer = send(caller, ada, talk, {"messages": [heard(1), message]})

    assert answer.status_code == 422
    assert "messages.1" in answer.json()["detail"]
    assert "event_type" in answer.json()["detail"]
    assert inbox_count(db, talk) == 0


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b'{"messages": NaN}', 400, "JSON"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "nested"),
        ({}, 422, "messages"),
        ({"messages": None}, 422, "messages"),
        ({"messages": {"0": heard(1)}}, 422, "messages"),
        ({"messages": [], "conversation_id": "c1"}, 422, "conversation_id"),
        ({"messages": [heard(1), "x"]}, 422, "messages.1"),
        ({"messages": [None]}, 422, "messages.0"),
        ({"messages": [{"role": "user", "speech": "x"}]}, 422, "messages.0.event_type"),
        ({"messages": [{"event_type": ""}]}, 422, "messages.0.event_type"),
        ({"messages": [{"event_type": 7}]}, 422, "messages.0.event_type"),
        ({"messages": [{"event_type": "e" * 256}]}, 422, "messages.0.event_type"),
        ({"messages": [heard(1)] * 101}, 422, "messages"),
        ({"messages": [heard(1), heard(2, role="")]}, 422, "messages.1"),
        ({"messages": [{"event_type": "conversation.utterance"}]}, 422, "role"),
        ({"messages": [reached() | {"properties": {}}]}, 422, "objective_name"),
        ({"messages": [{"event_type": "conversation.tool_call"}]}, 422, "name"),
        ({"messages": [heard(1, "x" * 300_000)]}, 413, ""),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(
    caller: Caller,
    db: psycopg.Connection,
    ada: Account,
    talk: str,
    body: Any,
    status: int,
    named: str,
) -> None:
    answer = send(caller, ada, talk, body)

    assert answer.status_code == status
    assert named in answer.json()["detail"]
    assert inbox_count(db, talk) == 0


def test_a_long_body_that_does_not_say_its_length_is_413(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    body = json.dumps({"messages": [heard(n, "x" * 4000) for n in range(80)]}).encode()

    answer = caller.http.post(
        f"/api/conversations/{talk}/app-messages",
        content=iter([body[:1000], body[1000:]]),
        headers=ada.headers,
    )

    assert answer.status_code == 413
    assert inbox_count(db, talk) == 0


def test_a_full_batch_is_stored_whole(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    batch = [heard(n, f"{n} " + "é" * 300) for n in range(1, 101)]

    assert relay(caller, ada, talk, *batch) == {"accepted": 100, "duplicates": 0}
    assert relay(caller, ada, talk, *batch[::-1]) == {"accepted": 0, "duplicates": 100}
    assert [line.split()[0] for line in said(db, talk)] == [str(n) for n in range(1, 101)]


def test_a_form_is_415(caller: Caller, ada: Account, talk: str) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}

    assert send(caller, ada, talk, b"--x--", **form).status_code == 415


HOSTILE = [
    heard(1, "<script>alert(1)</script>"),
    heard(2, "a\x00b\ud800"),
    heard(3) | {"seq": "9" * 400, "turn_idx": "-1"},
    heard(4) | {"seq": [1], "turn_idx": {"a": 1}, "inference_id": {"$ne": 1}},
    heard(5) | {"seq": 2**70, "turn_idx": 1e300},
    heard(6, inference_id="i" * 5000),
    heard(7, timestamp="0001-01-01T00:00:00Z"),
    heard(8, timestamp={"at": 1}),
    heard(9, source="tavus", relayed=None, state="processed", effects={"conversation": {}}),
    heard(10, properties=[1]),
    called("' or 1=1 --"),
    called("x" * 5000, "x" * 200),
    called("call_3", "display_cta", text="x", url="javascript:alert(1)"),
    reached(**{"__proto__": "x", "first_name": "\x00", "email": "x" * 10_000}),
    seen("x" * 50_000),
    {"event_type": "conversation.perception_analysis", "properties": {"analysis": {"a": [1]}}},
    {"event_type": "conversation.perception_tool_call", "name": "is_smiling", "arguments": 5},
    {"event_type": "conversation.objective.pending", "properties": "x"},
    {"event_type": " CONVERSATION.UTTERANCE ", "role": "user", "speech": "Hi", "status": "ended"},
]


@pytest.mark.parametrize("message", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_message_never_touches_the_conversation(
    caller: Caller, db: psycopg.Connection, ada: Account, talk: str, message: dict[str, Any]
) -> None:
    poison = {
        "status": "failed",
        "persona_id": "p-eve",
        "replica_id": "r-eve",
        "recording_url": "https://eve.example.test/1.mp4",
        "user_id": "00000000-0000-4000-8000-000000000000",
        "conversation_name": "Eve",
    }
    before = rows(db, "select * from public.conversations where conversation_id = %s", talk)

    answer = send(caller, ada, talk, {"messages": [{**poison, **message}]})

    assert answer.status_code in (200, 422), answer.text
    after = rows(db, "select * from public.conversations where conversation_id = %s", talk)
    for column in ("version", "updated_at", "tavus_metadata", "perception_analysis"):
        if "perception" in message["event_type"]:
            before[0].pop(column), after[0].pop(column)
    assert after == before
    states = rows(db, "select state from private.webhook_inbox where conversation_id = %s", talk)
    assert {row["state"] for row in states} <= {"processed", "ignored"}


def test_only_configured_origins_may_relay(caller: Caller, ada: Account, talk: str) -> None:
    def preflight(origin: str) -> httpx.Headers:
        return caller.http.options(
            f"/api/conversations/{talk}/app-messages",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, content-type",
            },
        ).headers

    allowed = preflight(ORIGIN)
    answer = send(caller, ada, talk, {"messages": [heard(1)]}, Origin=ORIGIN)

    assert allowed["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in allowed["Access-Control-Allow-Methods"]
    assert "authorization" in allowed["Access-Control-Allow-Headers"].lower()
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in preflight("https://evil.example.test")


@pytest.fixture(name="limited", scope="module")
def _limited(stack: LocalStack) -> Iterator[Caller]:
    service = start_service(stack, **SETTINGS, RELAYED_MESSAGES_PER_MINUTE="10")
    with httpx.Client(base_url=service.url, timeout=30) as http:
        yield Caller(http)
    service.kill()


def test_each_person_has_their_own_number_of_messages_a_minute(
    stack: LocalStack, limited: Caller, db: psycopg.Connection, ada: Account, talk: str
) -> None:
    ben = sign_up(stack, anonymous=True)
    his = new_conversation_id()
    make_conversation(db, his, user_id=ben.id)

    full = send(limited, ada, talk, {"messages": [heard(n) for n in range(1, 11)]})
    more = send(limited, ada, talk, {"messages": [heard(11)]})

    assert full.status_code == 200
    assert more.status_code == 429
    assert more.headers["RateLimit-Limit"] == "10"
    assert 1 <= int(more.headers["Retry-After"]) <= 60
    assert send(limited, ben, his, {"messages": [heard(1)]}).status_code == 200
    assert len(said(db, talk)) == 10
