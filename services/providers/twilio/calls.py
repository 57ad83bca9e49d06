"""Calls: https://www.twilio.com/docs/voice/twiml#request-parameters and #statuscallback"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from services.effects import Effects, Record, record
from services.provider import Lookups
from services.providers.twilio.fields import Moment, Payload, Sid, Text, Whole, Word

BEGINNING = {"queued": 0, "initiated": 1, "ringing": 2}
IN_PROGRESS = 3
FINAL = 4
ENDS = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
SEQUENCES = 1_000_000


class Call(Payload):
    """Anything that Twilio tells of a call."""

    sid: Sid = Field(alias="CallSid")
    parent_sid: Text = Field(None, alias="ParentCallSid")
    status: Word = Field(None, alias="CallStatus")
    sequence: Whole = Field(None, alias="SequenceNumber")
    at: Moment = Field(None, alias="Timestamp")
    received_at: Moment = Field(None, alias="ReceivedAt")
    duration: Whole = Field(None, alias="CallDuration")
    direction: Word = Field(None, alias="Direction")
    from_number: Text = Field(None, alias="From")
    to_number: Text = Field(None, alias="To")
    caller_name: Text = Field(None, alias="CallerName")
    answered_by: Word = Field(None, alias="AnsweredBy")
    error_code: Text = Field(None, alias="ErrorCode")


def begin_call(call: Call, lookups: Lookups) -> Effects:
    """Write the row of a call that is coming in."""
    # An error code is here that of the address which could not be reached before this one.
    return Effects(records=(_told(call, error_code=None), *_beginning(call)))


def update_call(call: Call, lookups: Lookups) -> Effects:
    """Write what is told of a call; its status never moves backwards."""
    return Effects(records=(_told(call, call.error_code), *_beginning(call), *_answer(call)))


def incoming_key(call: Call, body_sha256: str) -> str:
    """Return the key of an incoming call, which a second request (a retry, a fallback) shares."""
    return f"{call.sid}:incoming"


def status_key(call: Call, body_sha256: str) -> str:
    """Return the key of a status: by its number, else (the ends of verbs have none) by its body."""
    place = f"body:{body_sha256}" if call.sequence is None else call.sequence
    return f"{call.sid}:{call.status or 'no status'}:{place}"


def rank(call: Call) -> float:
    """Return how late in a call's life this was told, first by its status, then by its number.

    Callbacks overtake each other, and some requests of a call have no number.
    """
    if call.status is None:
        return -1
    stage = FINAL if call.status in ENDS else BEGINNING.get(call.status, IN_PROGRESS)
    place = 0 if call.sequence is None else 1 + min(call.sequence, SEQUENCES - 2)
    return stage * SEQUENCES + place


def _told(call: Call, error_code: str | None) -> Record:
    has_ended = call.status in ENDS
    return record(
        "calls",
        rank(call),
        key={"call_sid": call.sid},
        status=call.status,
        parent_call_sid=call.parent_sid,
        direction=call.direction,
        from_number=call.from_number,
        to_number=call.to_number,
        caller_name=call.caller_name,
        answered_by=call.answered_by,
        error_code=error_code,
        ended_at=call.at if has_ended else None,
        duration_seconds=call.duration if has_ended else None,
    )


def _beginning(call: Call) -> tuple[Record, ...]:
    """Tell when the call began: at the earliest time told."""
    at = call.at or call.received_at
    if call.status not in BEGINNING or at is None:
        return ()
    return (record("calls", -at.timestamp(), key={"call_sid": call.sid}, started_at=at),)


def _answer(call: Call) -> tuple[Record, ...]:
    """Tell when the call was answered; the end and the duration tell it too, to the second."""
    if call.at is None:
        return ()
    if call.status == "in-progress" and call.sequence is not None:
        return (record("calls", 1, key={"call_sid": call.sid}, answered_at=call.at),)
    if call.status == "completed" and call.duration:
        at = call.at - timedelta(seconds=call.duration)
        return (record("calls", 0, key={"call_sid": call.sid}, answered_at=at),)
    return ()
