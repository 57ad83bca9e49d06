"""Calls of tools over HTTP: what the agent is told, in time and once, and what is then shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.forwarder import Forwarder, Mode
from tests.stack import start_service
from tests.waiting import until
from tests.web.caller import OLD_SECRET, SECRET, SETTINGS, TOKEN, Caller, signature

PATH = "/api/tavus/tools"
WITHIN = 8.0
"""Seconds in which every call is answered."""
BOOK = {"text": "Book a call", "url": "https://example.test/book"}
HOSTILE = [
    "",
    " ",
    "sha256=",
    "0" * 64,
    "x" * 8000,
    "\xff\xfe",
    "\u00e9" * 64,
    "Bearer",
    "none",
    "a0bb,a0bb",
    "%00",
    "'; drop table private.tool_runs; --",
]


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection) -> str:
    """A conversation that is known."""
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    return conversation


def envelope(conversation: str | None, **more: Any) -> dict[str, Any]:
    """Return a call as Tavus sends it signed."""
    call = {
        "name": "display_cta",
        "arguments": json.dumps(BOOK),
        "tool_call_id": "call_1",
        "conversation_id": conversation,
        **more,
    }
    return {name: value for name, value in call.items() if value is not None}


def call(caller: Caller, payload: Any, secret: str = SECRET) -> httpx.Response:
    """Call a tool with a signed envelope; whatever comes of it comes in time."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    started = time.monotonic()
    answer = caller.send(body, path=PATH, query={}, headers=signature(body, secret))
    assert time.monotonic() - started < WITHIN
    return answer


def call_flat(
    caller: Caller,
    name: str,
    arguments: Any,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> httpx.Response:
    """Call a tool with its arguments alone."""
    proof = {"Authorization": f"Bearer {SECRET}"} if headers is None else headers
    return caller.send(arguments, path=f"{PATH}/{name}", query=query or {}, headers=proof)


def failure(answer: httpx.Response) -> str:
    """Return the sentence of an answer that says that it did not work."""
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["success"] is False
    assert told["message"].startswith("Sorry, that did not work. ")
    return str(told["error"])


def tool_calls(db: psycopg.Connection, conversation: str | None) -> list[dict[str, Any]]:
    return rows(
        db,
        "select tool_call_id, name, arguments, success, result from public.tool_calls"
        " where conversation_id = %s order by tool_call_id",
        conversation,
    )


def shown(db: psycopg.Connection, conversation: str | None) -> list[dict[str, Any]]:
    found = rows(
        db,
        "select event_data from public.processed_webhook_events"
        " where conversation_id = %s and event_type = 'tool_call_result' order by seq",
        conversation,
    )
    return [row["event_data"] for row in found]


def add_video(db: psycopg.Connection, title: str) -> None:
    db.execute(
        "insert into public.demo_videos (title, storage_url, duration_seconds) values (%s, %s, 90)",
        [title, "https://example.test/video.mp4"],
    )


def test_a_signed_call_is_answered_with_the_tools_result_and_shown(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    answer = call(caller, envelope(conversation))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "success": True,
        "message": "The button Book a call is on the screen now.",
        "result": BOOK,
    }
    assert tool_calls(db, conversation) == [
        {
            "tool_call_id": "call_1", "name": "display_cta", "arguments": BOOK,
            "success": True, "result": BOOK,
        }
    ]  # fmt: skip
    assert shown(db, conversation) == [
        {"tool_name": "display_cta", "tool_call_id": "call_1", "success": True, "result": BOOK}
    ]


def test_a_video_is_fetched(caller: Caller, db: psycopg.Connection, conversation: str) -> None:
    title = f"Quokka {uuid4().hex[:8]}"
    add_video(db, title)

    asked = {"name": "fetch_video", "arguments": {"video_title": title.lower()}}
    told = call(caller, envelope(conversation, **asked)).json()

    assert told["message"] == f"The video {title} is on the screen now."
    assert told["result"]["video_url"] == "https://example.test/video.mp4"
    assert told["result"]["duration"] == 90
    assert shown(db, conversation)[0]["result"] == told["result"]


def test_an_older_secret_is_valid_while_it_is_rotated(caller: Caller, conversation: str) -> None:
    assert call(caller, envelope(conversation), OLD_SECRET).json()["success"] is True


def test_the_vector_of_the_signature_is_known() -> None:
    body = (
        b'{"name":"fetch_video","arguments":"{\\"video_title\\":\\"Intro\\"}",'
        b'"tool_call_id":"call_1","conversation_id":"c123456"}'
    )

    assert signature(body, "tavus_tool_secret") == {
        "X-Tavus-Signature": "a0bbe1285829f0166c4023ec699bc6cb02e3ab4a8b40116236e9a7cc2a72e72f"
    }


def test_the_same_call_again_is_run_once_and_answered_the_same(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    title = f"Numbat {uuid4().hex[:8]}"
    asked = envelope(conversation, name="fetch_video", arguments={"video_title": title})

    before = call(caller, asked)
    add_video(db, title)
    after = call(caller, asked)

    assert failure(before).startswith("No video found")
    assert after.content == before.content
    assert len(shown(db, conversation)) == len(tool_calls(db, conversation)) == 1


def test_the_same_call_forty_times_at_once_is_run_once_and_answered_the_same(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: call(caller, envelope(conversation)), range(40)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(shown(db, conversation)) == len(tool_calls(db, conversation)) == 1


def test_the_same_id_in_another_conversation_is_another_call(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    other = new_conversation_id()
    make_conversation(db, other)
    call(caller, envelope(conversation))

    answer = call(caller, envelope(other, arguments={**BOOK, "text": "Other"}))

    assert answer.json()["result"]["text"] == "Other"
    assert len(shown(db, other)) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_call_that_is_also_called_back_is_there_once_in_either_order(
    caller: Caller, db: psycopg.Connection, conversation: str, order: tuple[int, ...]
) -> None:
    callback = {
        "event_type": "conversation.tool_call",
        "conversation_id": conversation,
        "seq": 7,
        "properties": {
            "name": "display_cta", "arguments": json.dumps(BOOK), "tool_call_id": "call_1"
        },
    }  # fmt: skip
    ways = [
        lambda: call(caller, envelope(conversation)),
        lambda: call(caller, envelope(conversation)),
        lambda: caller.send(callback),
    ]

    answers = [ways[way]() for way in order]

    assert {answer.status_code for answer in answers} == {200}
    own = {answers[order.index(way)].content for way in (0, 1)}
    assert len(own) == 1
    assert json.loads(own.pop())["result"] == BOOK
    assert [row["result"] for row in tool_calls(db, conversation)] == [BOOK]
    assert [row["result"] for row in shown(db, conversation)] == [BOOK]


def test_an_outcome_that_a_callback_had_is_what_the_call_is_answered(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    title = f"Bilby {uuid4().hex[:8]}"
    asked = envelope(conversation, name="fetch_video", arguments={"video_title": title})
    caller.send(asked, query={"t": TOKEN})
    add_video(db, title)

    assert failure(call(caller, asked)).startswith("No video found")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "make_coffee"}, "Unknown tool: make_coffee"),
        ({"name": "x" * 5000}, f"Unknown tool: {'x' * 200}"),
        ({"name": None}, "Unknown tool: (no name)"),
        ({"name": {"a": 1}}, "Unknown tool: (no name)"),
        ({"arguments": "{broken"}, "Arguments of display_cta are not a JSON object"),
        ({"arguments": [1]}, "Arguments of display_cta are not a JSON object"),
        ({"arguments": None}, "display_cta needs a text"),
        (
            {"arguments": {"text": "Go", "url": "javascript:alert(1)"}},
            "display_cta needs a url that starts with http:// or https://",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    caller: Caller,
    db: psycopg.Connection,
    conversation: str,
    change: dict[str, Any],
    error: str,
) -> None:
    answer = call(caller, envelope(conversation) | change)

    assert failure(answer) == error
    assert [row["error"] for row in shown(db, conversation)] == [error]


def test_a_conversation_that_nobody_knows_gets_a_sentence_and_no_run(
    caller: Caller, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()

    assert failure(call(caller, envelope(conversation))) == "This conversation is not known here"
    assert [row["success"] for row in tool_calls(db, conversation)] == [False]


@pytest.mark.parametrize("told", ["", "x" * 300, "\x00", 10**300])
def test_hostile_ids_of_a_conversation_are_no_defect(caller: Caller, told: Any) -> None:
    assert call(caller, envelope(told)).status_code in (200, 400)


@pytest.mark.parametrize("told", ["x" * 5000, "\x00\x01", "\ud800", {"a": 1}, 7, "'; --"])
def test_hostile_ids_of_a_call_are_no_defect(
    caller: Caller, db: psycopg.Connection, conversation: str, told: Any
) -> None:
    answers = {call(caller, envelope(conversation, tool_call_id=told)).text for _ in range(2)}

    assert [json.loads(answer)["success"] for answer in answers] == [True]
    assert len(tool_calls(db, conversation)) == (2 if isinstance(told, dict) else 1)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff", b"null", b"{" * 5000])
def test_a_signed_body_that_is_no_object_is_400(caller: Caller, body: bytes) -> None:
    assert call(caller, body).status_code == 400


def test_a_call_without_a_signature_is_401_and_changes_nothing(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    body = json.dumps(envelope(conversation)).encode()
    wrong = [
        {},
        signature(body, "another"),
        signature(body + b" "),
        {"Tavus-Signature": "0"},
        {**signature(body), "Tavus-Signature": "0"},
    ]
    also = {"Authorization": f"Bearer {SECRET}", "X-Tavus-Tool-Key": SECRET}

    answers = [
        caller.send(body, path=PATH, query=query, headers={**headers, **more})
        for headers in wrong
        for more in ({}, also)
        for query in ({}, {"t": TOKEN})
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert tool_calls(db, conversation) == shown(db, conversation) == []


@pytest.mark.parametrize("header", ["X-Tavus-Signature", "Authorization", "X-Tavus-Tool-Key"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_header_is_401(caller: Caller, header: str, hostile: str) -> None:
    for path in (PATH, f"{PATH}/display_cta"):
        request = caller.http.build_request("POST", path, json=BOOK)
        request.headers.raw.append((header.encode(), hostile.strip().encode("latin-1", "replace")))

        assert caller.http.send(request).status_code == 401


def test_calls_that_are_not_authentic_are_limited(stack: LocalStack) -> None:
    service = start_service(stack, **{**SETTINGS, "AUTH_FAILURES_PER_MINUTE": "3"})
    try:
        answers = [httpx.post(f"{service.url}{PATH}", json=BOOK) for _ in range(4)]
    finally:
        service.kill()

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[3].headers["Retry-After"]) > 0


def test_the_tools_secret_replaces_that_of_the_webhook(
    stack: LocalStack, conversation: str
) -> None:
    own = {"TAVUS_TOOL_SECRET": "tool-secret,older-tool-secret"}
    service = start_service(stack, **{**SETTINGS, **own})
    try:
        with httpx.Client(base_url=service.url, timeout=30) as http:
            caller = Caller(http)
            statuses = {
                secret: call(caller, envelope(conversation), secret).status_code
                for secret in ("tool-secret", "older-tool-secret", SECRET)
            }
    finally:
        service.kill()

    assert statuses == {"tool-secret": 200, "older-tool-secret": 200, SECRET: 401}


def test_without_a_secret_the_door_is_closed(stack: LocalStack) -> None:
    closed = {"TAVUS_TOOL_SECRET": "", "TAVUS_WEBHOOK_SECRET": ""}
    service = start_service(stack, **{**SETTINGS, **closed})
    body = json.dumps(BOOK).encode()
    try:
        answers = [
            httpx.post(f"{service.url}{path}", content=body, headers=headers)
            for path in (PATH, f"{PATH}/display_cta")
            for headers in (
                signature(body, ""),
                {"X-Tavus-Tool-Key": ""},
                {"Authorization": "Bearer x"},
            )
        ]
    finally:
        service.kill()

    assert {answer.status_code for answer in answers} == {401}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer  {SECRET}"},
        {"X-Tavus-Tool-Key": OLD_SECRET},
        signature(json.dumps(BOOK).encode()),
    ],
)
def test_flat_arguments_are_a_call_of_the_tool_in_the_path(
    caller: Caller, headers: dict[str, str]
) -> None:
    answer = call_flat(caller, "display_cta", json.dumps(BOOK).encode(), headers)

    assert answer.status_code == 200
    assert answer.json()["result"] == BOOK


def test_a_wrong_signature_refuses_a_flat_call_whatever_else_it_carries(caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {SECRET}", "X-Tavus-Signature": "0" * 64}

    assert call_flat(caller, "display_cta", BOOK, headers).status_code == 401


@pytest.mark.parametrize("place", ["body", "query"])
def test_a_flat_call_may_say_which_one_it_is(
    caller: Caller, db: psycopg.Connection, conversation: str, place: str
) -> None:
    which = {"conversation_id": conversation, "tool_call_id": "call_9"}
    arguments, query = ({**BOOK, **which}, {}) if place == "body" else (BOOK, which)

    answers = {call_flat(caller, "display_cta", arguments, query=query).text for _ in range(3)}

    assert [json.loads(answer)["result"] for answer in answers] == [BOOK]
    [row] = tool_calls(db, conversation)
    assert (row["tool_call_id"], row["arguments"]) == ("call_9", BOOK)
    assert len(shown(db, conversation)) == 1


def test_a_flat_call_without_an_id_is_recorded_under_one_of_ours(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    for _ in range(2):
        call_flat(caller, "display_cta", {**BOOK, "conversation_id": conversation})

    ids = {row["tool_call_id"] for row in tool_calls(db, conversation)}
    assert len(ids) == len(shown(db, conversation)) == 2
    assert all(name.startswith("http:") for name in ids)


def test_an_envelope_may_come_to_a_tools_own_address(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    body = json.dumps(envelope(conversation)).encode()

    answer = call_flat(caller, "display_cta", body, signature(body))

    assert answer.json()["result"] == BOOK
    assert [row["tool_call_id"] for row in shown(db, conversation)] == ["call_1"]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff\x00", b"7", b"{" * 5000])
@pytest.mark.parametrize("name", ["display_cta", "make_coffee", "%00", "..", "a%2Fb", "x" * 3000])
def test_flat_nonsense_gets_a_sentence(caller: Caller, name: str, body: bytes) -> None:
    answer = call_flat(caller, name, body)

    if answer.status_code != 404:  # no path of ours
        assert failure(answer)
    else:
        assert name in ("..", "a%2Fb")


def test_secrets_are_stored_nowhere(
    caller: Caller, db: psycopg.Connection, conversation: str
) -> None:
    arguments = {**BOOK, "text": f"Say {SECRET}", "conversation_id": conversation}

    call_flat(caller, "display_cta", arguments, query={"tool_call_id": "call_s"})

    stored = rows(
        db,
        "select i.body::text, i.headers::text, i.effects::text from private.webhook_inbox i"
        " where i.conversation_id = %s",
        conversation,
    )
    assert stored
    found = json.dumps([stored, tool_calls(db, conversation), shown(db, conversation)])
    assert SECRET not in found
    assert SECRET.encode().hex() not in found


@pytest.fixture(name="supabase")
def _supabase(stack: LocalStack) -> Iterator[Forwarder]:
    """The way to Supabase, which a test can cut."""
    with Forwarder(stack.backend.gateway_port) as forwarder:
        yield forwarder


@pytest.fixture(name="away")
def _away(stack: LocalStack, supabase: Forwarder) -> Iterator[Caller]:
    """Calls a service with a spool, whose way to Supabase a test can cut."""
    path: Path = stack.state.folder / f"spool-{uuid4().hex[:8]}.db"
    own = {
        "SUPABASE_URL": supabase.url,
        "SPOOL_PATH": str(path),
        "BREAKER_FAILURES": "5",
        "BREAKER_SECONDS": "1",
    }
    service = start_service(stack, **{**SETTINGS, **own})
    with httpx.Client(base_url=service.url, timeout=30) as http:
        yield Caller(http)
    service.kill()


@pytest.mark.parametrize("mode", ["hang", "reset", "refuse"])
def test_while_supabase_is_away_the_agent_says_so_and_the_call_is_kept(
    away: Caller, supabase: Forwarder, db: psycopg.Connection, conversation: str, mode: Mode
) -> None:
    supabase.mode = mode
    answers = [call(away, envelope(conversation, tool_call_id=f"call_{n}")) for n in range(3)]
    assert {failure(answer) for answer in answers} == {
        "It cannot be done at the moment; nothing was changed"
    }
    assert tool_calls(db, conversation) == []

    supabase.mode = "pass"

    until(lambda: len(shown(db, conversation)) == 3)
    again = call(away, envelope(conversation, tool_call_id="call_0"))
    assert again.json() == answers[0].json()
    assert [row["success"] for row in tool_calls(db, conversation)] == [False] * 3


def test_a_call_whose_answers_are_lost_on_the_way_is_there_once(
    away: Caller, supabase: Forwarder, db: psycopg.Connection, conversation: str
) -> None:
    supabase.mode = "drop answers"
    call(away, envelope(conversation))
    supabase.mode = "pass"

    until(lambda: len(shown(db, conversation)) == 1)
    until(lambda: call(away, envelope(conversation)).status_code == 200)
    assert len(tool_calls(db, conversation)) == len(shown(db, conversation)) == 1


def test_without_a_spool_the_agent_is_still_answered(
    stack: LocalStack, supabase: Forwarder, conversation: str
) -> None:
    service = start_service(stack, **{**SETTINGS, "SUPABASE_URL": supabase.url})
    try:
        supabase.mode = "hang"
        with httpx.Client(base_url=service.url, timeout=30) as http:
            answers = [call(Caller(http), envelope(conversation)) for _ in range(2)]
    finally:
        supabase.mode = "pass"
        service.kill()

    assert {failure(answer) for answer in answers} == {
        "It cannot be done at the moment; nothing was changed"
    }
