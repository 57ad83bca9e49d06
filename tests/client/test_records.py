"""What belongs to a conversation comes with its watch, and again when it has changed."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.client.conftest import Watch
from tests.client.rows import say
from tests.client.watcher import Watcher
from tests.database.endpoints import call
from tests.e2e.accounts import Account

QUIET = {"live": 60_000, "poll": 60_000, "sweep": 60_000}


@pytest.fixture(name="live")
def _live(watcher: Watch, owner: Account, conversation: str) -> Watcher:
    """The owner, who watches their conversation; nothing is read but what has to be."""
    live = watcher(owner)
    live.watch("watchConversation", conversation, timing=QUIET)
    return live.wait_live()


def test_at_first_each_is_told_once(live: Watcher, conversation: str) -> None:
    told = {name: live.calls(name) for name in ("onMessages", "onToolCalls", "onQualification")}

    assert told == {"onMessages": [[[]]], "onToolCalls": [[[]]], "onQualification": [[[]]]}
    assert live.calls("onFeedback") == [[None]]
    assert [row["conversation_id"] for (row,) in live.calls("onConversation")] == [conversation]


def test_the_row_is_told_whenever_it_changes(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    db.execute(
        "update public.conversations set status = 'completed', tavus_metadata ="
        " jsonb_build_object('long', %s::text) where conversation_id = %s",
        ["".join(map(str, range(30_000))), conversation],
    )
    db.execute(
        "update public.conversations set end_reason = 'done' where conversation_id = %s",
        [conversation],
    )

    live.wait_until(lambda: live.last("onConversation")["end_reason"] == "done")
    assert len(live.last("onConversation")["tavus_metadata"]["long"]) > 100_000
    versions = [row["version"] for (row,) in live.calls("onConversation")]
    assert versions == sorted(versions)


@pytest.mark.parametrize(
    ("handler", "event_type", "statement", "column"),
    [
        (
            "onMessages",
            "conversation.utterance",
            "insert into public.conversation_messages (conversation_id, message_id, role, content)"
            " values (%s, 'm1', 'user', 'found')",
            "content",
        ),
        (
            "onToolCalls",
            "tool_call_result",
            "insert into public.tool_calls (conversation_id, tool_call_id, name)"
            " values (%s, 't1', 'found')",
            "name",
        ),
        (
            "onQualification",
            "conversation.objective.completed",
            "insert into public.qualification_data (conversation_id, objective_name)"
            " values (%s, 'found')",
            "objective_name",
        ),
    ],
)
def test_an_event_says_what_is_to_be_read_again(
    live: Watcher,
    conversation: str,
    db: psycopg.Connection,
    handler: str,
    event_type: str,
    statement: str,
    column: str,
) -> None:
    before = len(live.do("requests"))

    with db.transaction():
        db.execute(statement, [conversation])
        say(db, conversation, "a sign", event_type=event_type)

    live.wait_until(lambda: [row[column] for row in live.last(handler)] == ["found"])
    assert len(live.do("requests")) == before + 1


def test_a_message_that_is_added_is_shown_at_once(
    live: Watcher, conversation: str, owner: Account, db: psycopg.Connection
) -> None:
    [row_id] = db.execute(
        "select id from public.conversations where conversation_id = %s", [conversation]
    ).fetchone() or [None]
    message = {"message_id": "api:m1", "content": "found", "content_type": "TEXT", "type": "BOT"}

    added = call(db, "add_message", owner.id, row_id, {**message, "status": "RECEIVED"})

    live.wait_until(lambda: [row["content"] for row in live.last("onMessages")] == ["found"])
    status = {"status": "PROCESSED", "updated_by": owner.id}
    call(db, "change_message", owner.id, row_id, added["row"]["id"], status)
    live.wait_until(lambda: [row["status"] for row in live.last("onMessages")] == ["PROCESSED"])


def test_feedback_comes_with_its_event(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    with db.transaction():
        db.execute(
            "insert into public.feedback_sessions (conversation_id, score, analysis)"
            " select id, 71, %s from public.conversations where conversation_id = %s",
            [json.dumps({"strengths": ["clear"]}), conversation],
        )
        say(db, conversation, "a sign", event_type="feedback.updated")

    live.wait_until(lambda: (live.last("onFeedback") or {}).get("score") == 71)
    assert live.last("onFeedback")["analysis"] == {"strengths": ["clear"]}


def test_what_nobody_listens_to_is_not_read(
    watcher: Watch, owner: Account, conversation: str
) -> None:
    live = watcher(owner)
    live.watch("watchEvents", conversationId=conversation)
    live.wait_live()

    tables = {url.partition("/rest/v1/")[2].partition("?")[0] for url in live.do("requests")}

    assert tables - {""} == {"processed_webhook_events"}


def test_a_conversation_that_is_gone_and_made_again_is_told(
    live: Watcher, conversation: str, owner: Account, db: psycopg.Connection
) -> None:
    db.execute("update public.conversations set status = 'active'")
    live.wait_until(lambda: live.last("onConversation")["status"] == "active")
    db.execute("delete from public.conversations where conversation_id = %s", [conversation])
    live.do("refresh", 1)
    assert live.last("onConversation") is None

    db.execute(
        "insert into public.conversations (conversation_id, user_id, conversation_name)"
        " values (%s, %s, 'Again')",
        [conversation, owner.id],
    )

    live.wait_until(lambda: (live.last("onConversation") or {}).get("conversation_name") == "Again")


def test_a_conversation_that_is_made_again_at_once_is_told(
    live: Watcher, conversation: str, owner: Account, db: psycopg.Connection
) -> None:
    db.execute("update public.conversations set status = 'active'")
    live.wait_until(lambda: live.last("onConversation")["status"] == "active")

    with db.transaction():
        db.execute("delete from public.conversations where conversation_id = %s", [conversation])
        db.execute(
            "insert into public.conversations (conversation_id, user_id, conversation_name)"
            " values (%s, %s, 'Again')",
            [conversation, owner.id],
        )

    live.wait_until(lambda: live.last("onConversation")["conversation_name"] == "Again")


def test_a_conversation_that_is_no_longer_the_persons_is_gone(
    live: Watcher, conversation: str, db: psycopg.Connection
) -> None:
    live.wait_until(lambda: live.last("onConversation") is not None)

    db.execute(
        "update public.conversations set user_id = null where conversation_id = %s", [conversation]
    )
    live.do("refresh", 1)

    assert live.calls("onConversation")[-1] == [None]
