"""/api/conversations: people read their own conversations, and end them."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.events import make_conversation, new_conversation_id
from tests.tavus_fake import FakeTavus
from tests.web.caller import QUALIFICATION, Caller, conversation_query, joined
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
from tests.web.people import Account, make_admin, sign_up

__all__ = ["_ada", "_caller", "_service", "_shared_tavus", "_tavus"]


def test_conversation_comes_with_all_that_belongs_to_it(
    caller: Caller, tavus: FakeTavus, ada: Account
) -> None:
    told = start(caller, ada).json()
    name, query = told["conversation_id"], conversation_query(told["id"])
    shutdown = {
        "event_type": "system.shutdown",
        "conversation_id": name,
        "timestamp": "2026-03-01T06:48:37Z",
        "properties": {"shutdown_reason": "participant_left_timeout"},
    }
    transcript = {
        "event_type": "application.transcription_ready",
        "conversation_id": name,
        "timestamp": "2026-03-01T06:48:38Z",
        "properties": {
            "transcript": [
                {"role": "system", "content": "You are secret."},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": "Show me the demo."},
            ]
        },
    }
    call = {
        "event_type": "conversation.tool_call",
        "conversation_id": name,
        "properties": {
            "name": "fetch_video",
            "arguments": '{"video_title": "Intro"}',
            "tool_call_id": "call_1",
        },
    }
    objective = {
        "event_type": "conversation.objective.completed",
        "conversation_id": name,
        "properties": {"objective_name": "q", "output_variables": {"first_name": "Ada"}},
    }
    for payload in (joined(name), transcript, call, shutdown):
        assert caller.send(payload, query=query).status_code == 200
    assert caller.send(objective, path=QUALIFICATION).status_code == 200

    shown = caller.http.get(f"{URL}/{name}", headers=ada.headers).json()
    by_row_id = caller.http.get(f"{URL}/{told['id']}", headers=ada.headers).json()

    assert shown == by_row_id
    assert (shown["status"], shown["end_reason"]) == ("completed", "participant_left_timeout")
    assert shown["duration_seconds"] == 170
    said = [(message["role"], message["content"]) for message in shown["messages"]]
    assert said == [("assistant", "Hello!"), ("user", "Show me the demo.")]
    assert [(call["name"], call["tool_call_id"]) for call in shown["tool_calls"]] == [
        ("fetch_video", "call_1")
    ]
    assert [row["first_name"] for row in shown["qualification"]] == ["Ada"]
    assert isinstance(shown["feedback"]["analysis"], dict)
    assert "secret" not in json.dumps(shown)


def test_every_message_of_a_long_conversation_is_there_in_order(
    caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    name = new_conversation_id()
    make_conversation(db, name, user_id=ada.id)
    db.execute(
        "insert into public.conversation_messages"
        " (conversation_id, message_id, role, content, origin, position)"
        " select %s, n::text, 'user', n::text, 'transcript', 2099 - n"
        " from generate_series(0, 2099) n",
        [name],
    )

    shown = caller.http.get(f"{URL}/{name}", headers=ada.headers).json()

    assert [message["position"] for message in shown["messages"]] == list(range(2100))


def test_others_conversations_do_not_exist(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    name = new_conversation_id()
    row_id = make_conversation(db, name, user_id=ada.id)
    stranger = sign_up(stack)

    for path in (name, row_id, "no-such", str(uuid4()), "%00", "x" * 300, "*", "a,b"):
        answer = caller.http.get(f"{URL}/{path}", headers=stranger.headers)
        ended = caller.http.post(f"{URL}/{path}/end", headers=stranger.headers)

        assert (answer.status_code, ended.status_code) == (404, 404), path
    told = caller.http.get(f"{URL}/{name}", headers=stranger.headers).json()
    unknown = caller.http.get(f"{URL}/no-such", headers=stranger.headers).json()
    assert told | {"request_id": ""} == unknown | {"request_id": ""}


def test_list_is_ones_own_newest_first_page_by_page(
    stack: LocalStack, caller: Caller, db: psycopg.Connection, ada: Account
) -> None:
    names = [new_conversation_id() for _ in range(7)]
    for n, name in enumerate(names):
        # Two of one time, and two from before rows had one.
        at = [None, None, "2026-01-01", "2026-01-02", "2026-01-02", "2026-01-03", "2026-01-04"][n]
        make_conversation(db, name, user_id=ada.id, created_at=at)
    make_conversation(db, new_conversation_id(), user_id=sign_up(stack).id)

    seen, before = [], None
    while True:
        query = {"limit": 2, **({"before": before} if before else {})}
        page = caller.http.get(URL, params=query, headers=ada.headers).json()
        seen += [row["conversation_id"] for row in page["data"]]
        before = page["next"]
        if before is None:
            break

    assert sorted(seen) == sorted(names)
    assert seen[:2] == [names[6], names[5]]
    assert seen[4] == names[2]


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "x"}, {"before": "yesterday"}, {"before": ",x"}, {"offset": "1"}],
)
def test_bad_query_is_400(caller: Caller, ada: Account, query: dict[str, str]) -> None:
    answer = caller.http.get(URL, params=query, headers=ada.headers)

    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["detail"]


# --- ending ----------------------------------------------------------------------------------


def test_conversation_is_ended_at_tavus_and_here_and_twice_is_fine(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    told = start(caller, ada).json()

    first = caller.http.post(f"{URL}/{told['conversation_id']}/end", headers=ada.headers)
    second = caller.http.post(f"{URL}/{told['id']}/end", headers=ada.headers)

    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.json()["status"], first.json()["end_reason"]) == ("ended", "ended_by_user")
    assert first.json()["ended_at"] is not None
    assert tavus.running() == []
    assert tavus.conversations[told["conversation_id"]]["status"] == "ended"


@pytest.mark.parametrize("callback_first", [True, False])
def test_how_it_ended_is_for_tavus_to_say(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account, callback_first: bool
) -> None:
    told = start(caller, ada).json()
    shutdown = {
        "event_type": "system.shutdown",
        "conversation_id": told["conversation_id"],
        "timestamp": "2099-03-01T06:48:37Z",
        "properties": {"shutdown_reason": "end_conversation_endpoint_hit"},
    }
    steps = [
        lambda: caller.http.post(f"{URL}/{told['id']}/end", headers=ada.headers),
        lambda: caller.send(shutdown, query=conversation_query(told["id"])),
    ]

    answers = [step() for step in (steps[::-1] if callback_first else steps)]

    assert [answer.status_code for answer in answers] == [200, 200]
    [row] = rows_of(db, ada)
    assert (row["status"], row["end_reason"]) == ("completed", "end_conversation_endpoint_hit")
    assert row["ended_at"].isoformat() == "2099-03-01T06:48:37+00:00"


def test_conversation_that_is_gone_at_tavus_counts_as_ended(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    told = start(caller, ada).json()
    tavus.conversations.clear()

    assert caller.http.post(f"{URL}/{told['id']}/end", headers=ada.headers).status_code == 200
    assert [row["status"] for row in rows_of(db, ada)] == ["ended"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [({"status": None}, 503), ({"status": 500}, 502), ({"status": 400, "body": {}}, 502)],
)
def test_end_that_tavus_does_not_take_is_an_error_and_can_be_tried_again(
    caller: Caller,
    tavus: FakeTavus,
    db: psycopg.Connection,
    ada: Account,
    fault: dict[str, Any],
    expected: int,
) -> None:
    told = start(caller, ada).json()
    tavus.fail("POST", ".*/end", **fault)

    refused = caller.http.post(f"{URL}/{told['id']}/end", headers=ada.headers)
    status = rows_of(db, ada)[0]["status"]
    again = caller.http.post(f"{URL}/{told['id']}/end", headers=ada.headers)

    assert (refused.status_code, status, again.status_code) == (expected, "active", 200)


def test_admin_reads_others_conversations_but_ends_only_their_own(
    stack: LocalStack, caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    admin = sign_up(stack)
    make_admin(db, admin)
    told = start(caller, ada).json()

    assert caller.http.get(f"{URL}/{told['id']}", headers=admin.headers).status_code == 200
    assert caller.http.post(f"{URL}/{told['id']}/end", headers=admin.headers).status_code == 404
    assert len(tavus.running()) == 1


def test_conversation_that_is_still_being_started_cannot_be_ended(
    caller: Caller, tavus: FakeTavus, db: psycopg.Connection, ada: Account
) -> None:
    row_id = make_conversation(db, None, user_id=ada.id, status="starting")

    answer = caller.http.post(f"{URL}/{row_id}/end", headers=ada.headers)

    assert answer.status_code == 409
    assert tavus.calls == []
