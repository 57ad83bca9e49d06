"""What senders are answered, and that what was acknowledged is there."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.database.events import make_conversation, new_conversation_id, rows
from tests.web.caller import FUNCTION, QUALIFICATION, TOKEN, Caller, joined, utterance


def inbox(db: psycopg.Connection, conversation_id: str) -> list[dict]:
    return rows(
        db,
        "select * from private.webhook_inbox where conversation_id = %s order by seq",
        conversation_id,
    )


def test_same_body_200_times_at_once_is_one_event(service_url: str, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    body = {
        "event_type": "conversation.tool_called",
        "conversation_id": conversation,
        "tool_call": {
            "id": "call_1",
            "function": {
                "name": "display_cta",
                "arguments": json.dumps({"text": "Book", "url": "https://example.test/book"}),
            },
        },
    }

    with (
        httpx.Client(
            base_url=service_url, timeout=30, limits=httpx.Limits(max_connections=200)
        ) as http,
        ThreadPoolExecutor(200) as pool,
    ):
        answers = list(pool.map(lambda _: Caller(http).send(body), range(200)))

    assert {answer.status_code for answer in answers} == {200}
    outcomes = sorted(answer.json()["outcome"] for answer in answers)
    assert outcomes == ["duplicate"] * 199 + ["new"]
    assert len(inbox(db, conversation)) == 1
    projected = rows(
        db,
        "select event_type from public.processed_webhook_events"
        " where conversation_id = %s order by seq",
        conversation,
    )
    assert [row["event_type"] for row in projected] == [
        "conversation.tool_called",
        "tool_call_result",
    ]
    calls = rows(
        db, "select success from public.tool_calls where conversation_id = %s", conversation
    )
    assert calls == [{"success": True}]


def test_unknown_type_is_kept_and_ignored(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()

    answer = caller.send({"event_type": "application.new_thing", "conversation_id": conversation})

    assert answer.status_code == 200
    assert [row["state"] for row in inbox(db, conversation)] == ["ignored"]


def test_stored_body_is_the_body_as_sent(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    body = b'{ "event_type":"x.y",\r\n "conversation_id" : "%s", "u":"\\u0041\xc3\xa9" }' % (
        conversation.encode()
    )

    caller.send(body)

    assert [bytes(row["body"]) for row in inbox(db, conversation)] == [body]


HOSTILE = {
    "nothing": b"",
    "not JSON": b"event_type=x",
    "not UTF-8": b'{"a": "\xff"}',
    "no escape": b'{"a": "\\q"}',
    "cut off": b'{"a": "' + b'\\"' * 50_000,
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "deep": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": b'{"a":' * 200 + b"1" + b"}" * 200,
    "NaN": b'{"a": NaN}',
    "endless number": b'{"a": ' + b"9" * 100_000 + b"}",
    "numeric type": b'{"event_type": 5, "conversation_id": "c1"}',
    "long conversation id": b'{"event_type": "x", "conversation_id": "' + b"c" * 5000 + b'"}',
    "long type": b'{"event_type": "' + b"x" * 5000 + b'", "conversation_id": "c1"}',
    "list of properties": b'{"event_type": "system.shutdown", "conversation_id": "c1",'
    b' "properties": []}',
    "no conversation": b'{"event_type": "system.shutdown"}',
    "object as conversation": b'{"event_type": "system.shutdown", "conversation_id": {"a": 1}}',
    "messages without words": b'{"event_type": "conversation.message", "conversation_id": "c1",'
    b' "message": 4}',
    "transcript of numbers": b'{"event_type": "application.transcription_ready",'
    b' "conversation_id": "c1", "properties":'
    b' {"transcript": [1, null, {"role": 4}, [], {"content": {"a": 1}}]}}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("path", ["/api/tavus/webhook", QUALIFICATION, FUNCTION])
def test_hostile_body_is_4xx_or_stored_and_kept_either_way(
    caller: Caller, db: psycopg.Connection, body: bytes, path: str
) -> None:
    answer = caller.send(body, path=path)

    assert answer.status_code in (200, 400, 404)
    kept = rows(
        db,
        "select 1 from private.webhook_inbox where body = %s"
        " union all select 1 from private.rejected_events where body = %s",
        body,
        body,
    )
    assert kept
    if answer.status_code == 400:
        assert answer.json()["detail"]


def test_nul_and_lone_surrogates_are_stored_beside_their_neighbours(
    service_url: str, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    bodies = [json.dumps(utterance(conversation, n, f"line {n}")).encode() for n in range(40)]
    poison = (
        b'{"event_type": "conversation.utterance", "conversation_id": "%s", "seq": 99,'
        b' "properties": {"role": "user", "speech": "a\\u0000b\\ud800c"}}' % conversation.encode()
    )

    with (
        httpx.Client(base_url=service_url, timeout=30) as http,
        ThreadPoolExecutor(41) as pool,
    ):
        answers = list(pool.map(Caller(http).send, [*bodies, poison]))

    assert {answer.status_code for answer in answers} == {200}
    said = rows(
        db,
        "select content from public.conversation_messages where conversation_id = %s",
        conversation,
    )
    assert len(said) == 41
    assert {"content": "a\ufffdb\ufffdc"} in said


def test_nine_megabyte_transcript_is_stored_whole(caller: Caller, db: psycopg.Connection) -> None:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    line = "word " * 1999 + "word."
    transcript = [
        {"role": "user" if n % 2 else "assistant", "content": f"{n} {line}"} for n in range(900)
    ]
    body = json.dumps(
        {
            "event_type": "application.transcription_ready",
            "conversation_id": conversation,
            "properties": {"transcript": [{"role": "system", "content": "hush"}, *transcript]},
        }
    ).encode()
    assert 9_000_000 < len(body) < 10_000_000

    answer = caller.send(body)

    assert answer.status_code == 200
    assert answer.json()["outcome"] == "new"
    said = rows(
        db,
        "select count(*) as n, min(content_length) as shortest from public.conversation_messages"
        " where conversation_id = %s",
        conversation,
    )
    assert said == [{"n": 900, "shortest": len(f"0 {line}")}]


def test_body_over_the_limit_is_413(caller: Caller) -> None:
    answer = caller.send(b'{"a": "' + b"x" * (10 * 1024 * 1024) + b'"}')

    assert answer.status_code == 413


def test_other_methods_are_405(caller: Caller) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = caller.http.request(method, "/api/tavus/webhook", params={"t": TOKEN})

        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]


def test_unknown_conversation_on_the_functions_address_is_404_and_kept(
    caller: Caller, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    ended = {"conversation_id": conversation, "status": "ended", "duration": 300, "transcript": []}

    first = caller.send(ended, path=FUNCTION)
    make_conversation(db, conversation)
    again = caller.send(ended, path=FUNCTION)

    assert (first.status_code, again.status_code) == (404, 200)
    assert [row["state"] for row in inbox(db, conversation)] == ["processed"]
    [row] = rows(
        db,
        "select status, duration_seconds from public.conversations where conversation_id = %s",
        conversation,
    )
    assert row == {"status": "completed", "duration_seconds": 300}


@pytest.mark.parametrize("missing", ["conversation_id", "status"])
def test_missing_field_on_the_functions_address_is_400_and_named(
    caller: Caller, missing: str
) -> None:
    whole = {"conversation_id": new_conversation_id(), "status": "ended", "duration": 1}
    partial = {name: value for name, value in whole.items() if name != missing}

    answer = caller.send(partial, path=FUNCTION)

    assert answer.status_code == 400
    assert missing in answer.json()["detail"]


def test_unknown_conversation_elsewhere_is_200_and_waits(
    caller: Caller, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()

    answer = caller.send(joined(conversation))

    assert answer.status_code == 200
    assert [row["state"] for row in inbox(db, conversation)] == ["unmatched"]
