"""A talk with everything in it, told by callbacks as a sender tells it."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.e2e.callbacks import objective, tool_call, transcript, utterance
from tests.e2e.rows import create_conversation, create_video
from tests.web.caller import Caller, joined

PROMPT = "Be brief."
"""What `transcript` has as its system prompt, which nobody may read."""
VIDEO = "Pricing overview"
SAID = (
    (
        "user",
        "Hello! I'm Ada, because we want to try your product at Example Ltd. What would it cost?",
    ),
    (
        "assistant",
        "Thank you, Ada. Let me show you our pricing, then we can look at what suits you.",
    ),
    (
        "user",
        "That makes sense, thank you. What if we started with five seats and added more by Friday?",
    ),
    ("assistant", "We could do that. I'll send you a link to start the trial."),
    (
        "user",
        "Great, that works for us. I'll set up a meeting with my team next week."
        " How are you doing it?",
    ),
)


def at(minute: int, second: int) -> str:
    """Return a time of the talk, as Tavus writes it."""
    return f"2026-03-01T06:{minute}:{second:02}.000000Z"


def told(callback: dict[str, Any], minute: int, second: int) -> dict[str, Any]:
    """Return a callback that says when it happened."""
    return {**callback, "timestamp": at(minute, second)}


def perception(conversation: str, analysis: str) -> dict[str, Any]:
    """Return what is sent when the call was looked at."""
    return {
        "event_type": "application.perception_analysis",
        "message_type": "application",
        "conversation_id": conversation,
        "timestamp": at(51, 37),
        "properties": {"analysis": analysis},
    }


def ended(conversation: str, seconds: int = 180) -> dict[str, Any]:
    """Return what is sent when the call is over."""
    return {
        "event_type": "conversation.ended",
        "conversation_id": conversation,
        "end_reason": "participant_left",
        "started_at": at(46, 0),
        "ended_at": at(49, 0),
        "duration_seconds": seconds,
        "recording_url": "https://recordings.example.test/1.mp4",
    }


def whole_talk(
    db: psycopg.Connection, caller: Caller, owner_id: str, name: str = "Product demo"
) -> str:
    """Tell of a whole talk of somebody's; return the sender's id of it."""
    conversation = create_conversation(db, owner_id, name)
    create_video(db, VIDEO, "https://videos.example.test/pricing.mp4")
    spoken = [
        told(utterance(conversation, content, role), 46, 10 + 20 * place)
        for place, (role, content) in enumerate(SAID[:2])
    ]
    cta = {"text": "Start a trial", "url": "https://example.test/trial"}
    found = {
        "first_name": "Ada",
        "last_name": "Example",
        "email": "ada@example.test",
        "company": "Example Ltd",
    }
    for callback in (
        joined(conversation, timestamp=at(46, 0)),
        *spoken,
        told(tool_call(conversation, "fetch_video", title=VIDEO), 46, 40),
        told(tool_call(conversation, "display_cta", **cta), 47, 30),
        told(tool_call(conversation, "book_table", guests="4"), 47, 50),
        told(objective(conversation, **found), 48, 0),
        ended(conversation),
        told(transcript(conversation, *SAID), 49, 10),
        perception(conversation, "Ada smiled often and looked at the screen."),
    ):
        assert caller.send(callback).status_code == 200
    return conversation


def long_call(db: psycopg.Connection, conversation: str, lines: int) -> None:
    """Put a long call into the tables, with a tool for every tenth line."""
    told = {"c": conversation, "n": lines}
    db.execute(
        "insert into public.conversation_messages"
        " (conversation_id, message_id, role, content, origin, seq, timestamp)"
        " select %(c)s, 'm' || n, case n %% 2 when 1 then 'user' else 'assistant' end,"
        " 'Line ' || n || ' of a long call, in which much is said at some length.', 'live', n,"
        " timestamptz '2026-03-01T06:00Z' + n * interval '2 s' from generate_series(1, %(n)s) n",
        told,
    )
    db.execute(
        "insert into public.processed_webhook_events"
        " (source, conversation_id, event_type, event_data)"
        " select 'tavus', %(c)s, 'conversation.utterance', jsonb_build_object('properties',"
        " jsonb_build_object('role', 'user', 'speech', n)) from generate_series(1, %(n)s) n",
        told,
    )
    db.execute(
        "insert into public.tool_calls"
        " (conversation_id, tool_call_id, name, arguments, success, called_at)"
        " select %(c)s, 't' || n, 'look_up', '{\"item\": 5}', true,"
        " timestamptz '2026-03-01T06:00Z' + n * interval '20 s'"
        " from generate_series(1, %(n)s / 10) n",
        told,
    )


def delivery(db: psycopg.Connection, conversation: str, owner_id: str) -> str:
    """Queue a delivery about somebody's conversation; return its id."""
    [made] = db.execute(
        "with endpoint as ("
        "  insert into public.webhook_endpoints (user_id, url)"
        "  values (%(owner)s, 'https://receiver.example.test') returning id"
        "), event as ("
        "  insert into private.outgoing_events (key, event_type, user_id, payload)"
        "  values (gen_random_uuid()::text, 'conversation.completed', %(owner)s, '{}') returning id"
        ") insert into public.webhook_deliveries"
        " (endpoint_id, user_id, event_id, webhook_id, event_type, conversation_id)"
        " select endpoint.id, %(owner)s, event.id, 'msg_1', 'conversation.completed', c.id"
        " from endpoint, event, public.conversations c where c.conversation_id = %(c)s"
        " returning id::text",
        {"owner": owner_id, "c": conversation},
    ).fetchall()
    return str(made[0])
