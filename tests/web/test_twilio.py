"""Twilio against the real service and database: rows in any order, and a caller who never waits."""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import HMAC_SHA256, RequestValidator
from werkzeug.datastructures import MultiDict

from services.local.stack import LocalStack
from services.providers.twilio.twiml import NOTHING_TO_DO, STANDARD
from tests.database.events import rows
from tests.forwarder import Forwarder, Mode
from tests.providers.twilio_calls import CALLS, MESSAGES, RECORDINGS, TRANSCRIPTIONS
from tests.stack import start_service
from tests.web.caller import SETTINGS, Caller

BASE = SETTINGS["PUBLIC_BASE_URL"]
TOKEN, OLD_TOKEN = SETTINGS["TWILIO_AUTH_TOKEN"].split(",")
INCOMING = json.loads(Path("services/samples/twilio/call.incoming.json").read_text())
Form = dict[str, str] | list[tuple[str, str]]


def post(
    caller: Caller, form: Form, target: str = CALLS, *, token: str = TOKEN, **headers: str
) -> httpx.Response:
    """Call as Twilio does: signed by its own library, for the address it knows."""
    signature = RequestValidator(token).compute_signature(f"{BASE}{target}", MultiDict(form))
    return caller.http.post(
        target,
        content=urlencode(form),
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature,
            **headers,
        },
    )


def accepted(answer: httpx.Response) -> ElementTree.Element:
    """Return the TwiML that a request was answered with."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    return ElementTree.fromstring(answer.content)


def sid(kind: str) -> str:
    return kind + uuid.uuid4().hex


def number() -> str:
    return f"+1555{random.randrange(10**10):010}"


def add_phone(db: psycopg.Connection, phone_number: str, **columns: Any) -> str:
    names = ", ".join(["phone_number", *columns])
    marks = ", ".join(["%s"] * (len(columns) + 1))
    [row] = rows(
        db,
        f"insert into public.phone_numbers ({names}) values ({marks}) returning id::text",
        phone_number,
        *columns.values(),
    )
    return str(row["id"])


def call(db: psycopg.Connection, call_sid: str) -> dict[str, Any]:
    [found] = rows(
        db,
        "select status, direction, from_number, to_number, started_at, answered_at, ended_at,"
        " duration_seconds, answered_by, parent_call_sid, phone_id::text, error_code"
        " from public.calls where call_sid = %s",
        call_sid,
    )
    return found


def one(db: psycopg.Connection, table: str, key: str, value: str) -> dict[str, Any]:
    [found] = rows(db, f"select * from public.{table} where {key} = %s", value)
    return found


def inbox(db: psycopg.Connection, fact: str) -> list[dict[str, Any]]:
    return rows(
        db,
        "select event_type, state from private.webhook_inbox"
        " where source = 'twilio' and event_key like %s order by seq",
        f"%{fact}%",
    )


def status(
    call_sid: str, name: str, sequence: int | None, minute: int = 0, **more: str
) -> dict[str, str]:
    """Return a callback of a call that goes out; without a number, what a verb's end tells."""
    form = {"CallSid": call_sid, "CallStatus": name, "Direction": "outbound-api", **more}
    if sequence is None:
        return form
    told = {
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(sequence),
        "Timestamp": f"Sun, 25 Mar 2018 09:{minute:02}:00 +0000",
    }
    return {**form, **told}


def test_seed_story_a_call_with_its_recording_and_transcription(
    caller: Caller, db: psycopg.Connection
) -> None:
    ours, call_sid, recording, transcription = number(), sid("CA"), sid("RE"), sid("TR")
    phone = add_phone(db, ours, greeting="Hello & welcome", record_calls=True)

    say, record = accepted(post(caller, {**INCOMING, "CallSid": call_sid, "To": ours}))
    done = {"CallSid": call_sid, "CallStatus": "completed", "CallDuration": "49", "Duration": "1"}
    accepted(post(caller, {**done, "SequenceNumber": "1", "CallbackSource": "x", "To": ours}))
    url = f"https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/{recording}"
    told = {"CallSid": call_sid, "RecordingSid": recording, "RecordingUrl": url}
    accepted(
        post(
            caller,
            {**told, "RecordingStatus": "completed", "RecordingDuration": "45"},
            RECORDINGS,
        )
    )
    text = {"TranscriptionSid": transcription, "TranscriptionText": "Hi, it's Zoë ☎"}
    accepted(post(caller, {**told, **text, "TranscriptionStatus": "completed"}, TRANSCRIPTIONS))

    assert (say.text, record.tag) == ("Hello & welcome", "Record")
    found = call(db, call_sid)
    assert (found["status"], found["duration_seconds"], found["phone_id"]) == (
        "completed",
        49,
        phone,
    )
    kept = one(db, "call_recordings", "recording_sid", recording)
    assert (kept["recording_url"], kept["duration_seconds"], str(kept["phone_id"])) == (
        url,
        45,
        phone,
    )
    words = one(db, "call_transcriptions", "transcription_key", transcription)
    assert (words["text"], words["recording_sid"], str(words["phone_id"])) == (
        "Hi, it's Zoë ☎",
        recording,
        phone,
    )


def test_messages_in_and_out(caller: Caller, db: psycopg.Connection) -> None:
    ours, theirs, came, went = number(), number(), sid("SM"), sid("SM")
    phone = add_phone(db, ours)
    incoming = {"MessageSid": came, "SmsStatus": "received", "From": theirs, "To": ours}

    accepted(post(caller, {**incoming, "Body": "naïve + ☎\n", "NumMedia": "2"}, MESSAGES))
    for state in ("delivered", "sent", "queued", "sent"):
        form = {"MessageSid": went, "MessageStatus": state, "From": ours, "To": theirs}
        assert post(caller, form, MESSAGES).text == NOTHING_TO_DO

    row = one(db, "sms_messages", "message_sid", came)
    assert (row["body"], row["media_count"], row["direction"]) == ("naïve + ☎\n", 2, "inbound")
    row = one(db, "sms_messages", "message_sid", went)
    assert (row["status"], row["direction"], str(row["phone_id"])) == (
        "delivered",
        "outbound",
        phone,
    )


def test_speech_in_real_time_is_a_row_for_each_piece(
    caller: Caller, db: psycopg.Connection
) -> None:
    live, call_sid = sid("GT"), sid("CA")
    common = {"TranscriptionSid": live, "CallSid": call_sid, "LanguageCode": "en-US"}
    pieces = [
        {
            "TranscriptionEvent": "transcription-content",
            "SequenceId": str(n),
            "TranscriptionData": json.dumps({"transcript": f"line {n}", "confidence": 0.5}),
            "Final": "true",
            "Track": "inbound_track",
        }
        for n in (2, 3)
    ]
    ends = [{"TranscriptionEvent": f"transcription-{name}"} for name in ("stopped", "started")]

    for form in [*ends, *reversed(pieces), *pieces]:
        accepted(post(caller, {**common, **form}, TRANSCRIPTIONS))

    found = rows(
        db,
        "select sequence, text, status from public.call_transcriptions"
        " where transcription_sid = %s order by sequence nulls first",
        live,
    )
    assert [tuple(row.values()) for row in found] == [
        (None, None, "completed"),
        (2, "line 2", "completed"),
        (3, "line 3", "completed"),
    ]


def life(call_sid: str) -> list[dict[str, str]]:
    """Return all that Twilio tells of one call, also by ways that have no number."""
    numbers = {"From": "+15550000002", "To": "+15550000001"}
    return [
        status(call_sid, "initiated", 0, 1, **numbers),
        status(call_sid, "ringing", 1, 2, **numbers),
        status(call_sid, "ringing", None),
        status(call_sid, "in-progress", 2, 3, AnsweredBy="human", **numbers),
        status(call_sid, "in-progress", None, DialCallStatus="completed"),
        status(call_sid, "completed", 3, 9, CallDuration="360", Duration="6", **numbers),
    ]


def test_completed_that_overtakes_ringing_stays(caller: Caller, db: psycopg.Connection) -> None:
    call_sid = sid("CA")
    for form in reversed(life(call_sid)):
        accepted(post(caller, form))

    found = call(db, call_sid)
    assert found["status"] == "completed"
    assert found["duration_seconds"] == 360
    assert found["answered_by"] == "human"
    times = [found[name].strftime("%H:%M") for name in ("started_at", "answered_at", "ended_at")]
    assert times == ["09:01", "09:03", "09:09"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.randoms(use_true_random=False), st.sets(st.integers(0, 5), min_size=1))
def test_any_order_and_any_repetition_gives_the_same_call(
    caller: Caller, db: psycopg.Connection, chance: random.Random, told: set[int]
) -> None:
    ends = []
    for _ in range(2):
        call_sid = sid("CA")
        forms = [life(call_sid)[n] for n in told]
        order = forms + chance.sample(forms, chance.randint(0, len(forms)))
        chance.shuffle(order)
        for form in order:
            accepted(post(caller, form))
        assert len(inbox(db, call_sid)) == len(forms)
        ends.append(call(db, call_sid))

    assert ends[0] == ends[1]
    assert ends[0]["status"] == life("CA")[max(told)]["CallStatus"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_second_leg_and_recording_belong_to_the_phone_of_the_first(
    caller: Caller, db: psycopg.Connection, order: tuple[int, ...]
) -> None:
    ours, first, second, recording = number(), sid("CA"), sid("CA"), sid("RE")
    steps = [
        ({**INCOMING, "CallSid": first, "To": ours}, CALLS),
        (status(second, "completed", 3, ParentCallSid=first, To="+15550000009"), CALLS),
        ({"RecordingSid": recording, "RecordingStatus": "completed", "CallSid": first}, RECORDINGS),
    ]
    phone = add_phone(db, ours)
    for step in order:
        accepted(post(caller, *steps[step]))

    assert call(db, second)["phone_id"] == phone
    assert call(db, second)["parent_call_sid"] == first
    assert str(one(db, "call_recordings", "recording_sid", recording)["phone_id"]) == phone


def test_number_that_is_registered_later_adopts_both_legs(
    caller: Caller, db: psycopg.Connection
) -> None:
    ours, first, second = number(), sid("CA"), sid("CA")
    accepted(post(caller, status(second, "ringing", 1, ParentCallSid=first, To="+15550000009")))
    accepted(post(caller, {**INCOMING, "CallSid": first, "To": ours}))
    assert call(db, second)["phone_id"] is None

    phone = add_phone(db, ours)

    assert (call(db, first)["phone_id"], call(db, second)["phone_id"]) == (phone, phone)


def test_incoming_call_asked_again_is_one_event_with_the_same_answer(
    caller: Caller, db: psycopg.Connection
) -> None:
    ours, call_sid = number(), sid("CA")
    add_phone(db, ours, forward_to="+15550000009")
    form = {**INCOMING, "CallSid": call_sid, "To": ours}

    first = post(caller, form, **{"I-Twilio-Idempotency-Token": "x"})
    again = post(caller, {**form, "ErrorCode": "11200"}, f"{CALLS}?fallback=1")

    assert accepted(first)[0].tag == "Dial"
    assert first.content == again.content
    assert inbox(db, call_sid) == [{"event_type": "call.incoming", "state": "processed"}]
    assert call(db, call_sid)["error_code"] is None


def test_many_callbacks_at_once_lose_none(caller: Caller, db: psycopg.Connection) -> None:
    ours = number()
    add_phone(db, ours)
    sids = [sid("CA") for _ in range(12)]
    forms: list[tuple[dict[str, str], str]] = [
        ({**form, "To": ours}, CALLS) for call_sid in sids for form in life(call_sid)
    ]
    forms += [
        ({"RecordingSid": f"RE{one[2:]}", "CallSid": one, "RecordingStatus": state}, RECORDINGS)
        for one in sids
        for state in ("in-progress", "completed")
    ]
    random.Random(7).shuffle(forms)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda told: post(caller, *told), forms * 2))

    assert {answer.status_code for answer in answers} == {200}
    for call_sid in sids:
        assert call(db, call_sid)["status"] == "completed"
        kept = one(db, "call_recordings", "recording_sid", f"RE{call_sid[2:]}")
        assert (kept["status"], kept["phone_id"] is None) == ("completed", False)


@pytest.mark.parametrize("query", ["", "?a=%20b+c&b=&a=2", "?x=%C3%A4%2F", "?q=a/b;c=~d"])
def test_query_counts_as_it_was_sent(caller: Caller, query: str) -> None:
    form = [("CallSid", sid("CA")), ("Empty", ""), ("R", "2"), ("R", "1"), ("R", "1"), ("é", " ☎ ")]
    target = f"{CALLS}{query}"

    accepted(post(caller, form, target))
    accepted(post(caller, form, target, token=OLD_TOKEN))
    assert post(caller, form, target, token="another").status_code == 401


def test_proxy_may_call_us_what_it_likes(caller: Caller) -> None:
    form = {"CallSid": sid("CA")}
    seen = {"Host": "10.0.0.7:8123", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.test"}

    accepted(post(caller, form, **seen))
    local = str(caller.http.base_url).rstrip("/")
    signature = RequestValidator(TOKEN).compute_signature(f"{local}{CALLS}", form)
    assert post(caller, form, **{"X-Twilio-Signature": signature}).status_code == 401


def test_nothing_of_a_refused_call_is_kept(caller: Caller, db: psycopg.Connection) -> None:
    call_sid = sid("CA")
    form = status(call_sid, "completed", 3)

    for header in (b"", b"x", b"\xff", "é".encode(), b"A" * 28):
        answer = caller.http.post(
            CALLS, content=urlencode(form), headers={b"X-Twilio-Signature": header}
        )
        assert answer.status_code == 401
    unsigned = caller.http.post(CALLS, data=form)

    assert unsigned.status_code == 401
    assert inbox(db, call_sid) == []
    assert rows(db, "select 1 from public.calls where call_sid = %s", call_sid) == []


def test_json_is_proved_by_the_hash_in_its_address(caller: Caller, db: psycopg.Connection) -> None:
    body = json.dumps({"event_type": "voice_intelligence", "id": sid("GT")}).encode()
    target = f"{CALLS}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = RequestValidator(TOKEN).compute_signature(f"{BASE}{target}", {})
    headers = {"Content-Type": "application/json", "X-Twilio-Signature": signature}

    assert caller.http.post(target, content=body + b" ", headers=headers).status_code == 401
    assert caller.http.post(target, content=b"", headers=headers).status_code == 401
    assert caller.http.post(target, content=body, headers=headers).text == NOTHING_TO_DO

    digest = hashlib.sha256(body).hexdigest()
    assert [row["state"] for row in inbox(db, digest)] == ["ignored"]


def test_authentic_but_unreadable_call_is_400_and_kept(
    caller: Caller, db: psycopg.Connection
) -> None:
    form = {"CallSid": "CA" + uuid.uuid4().hex * 5}

    assert post(caller, form).status_code == 400
    kept = rows(
        db,
        "select source from private.rejected_events where body = %s",
        urlencode(form).encode(),
    )
    assert kept == [{"source": "twilio"}]


@contextmanager
def service(stack: LocalStack, **env: str) -> Iterator[Caller]:
    running = start_service(stack, **{**SETTINGS, **env})
    try:
        with httpx.Client(base_url=running.url, timeout=30) as http:
            yield Caller(http)
    finally:
        running.kill()


def test_shared_key_signs_by_sha256_and_no_token_is_needed(
    stack: LocalStack, db: psycopg.Connection
) -> None:
    form = {"CallSid": sid("CA"), "CallStatus": "ringing"}
    signature = RequestValidator("a=b").compute_signature(f"{BASE}{CALLS}", form, HMAC_SHA256)
    wrong = ("B" if signature.startswith("A") else "A") + signature[1:]
    scheme = {"X-Twilio-Webhooks-Signature-Settings": "key=key_1,algorithm=HMAC_SHA256"}
    with service(stack, TWILIO_AUTH_TOKEN="", TWILIO_SHARED_KEYS="key_2=x, key_1=a=b") as caller:
        accepted(post(caller, form, **{**scheme, "X-Twilio-Signature": signature}))
        for refused in (
            {"X-Twilio-Signature": signature},
            {**scheme, "X-Twilio-Signature": wrong},
            {},
        ):
            assert post(caller, form, token="a=b", **refused).status_code == 401

    assert call(db, form["CallSid"])["status"] == "ringing"


@pytest.mark.parametrize("outage", ["reset", "hang"])
def test_who_calls_while_supabase_is_away_hears_something_and_is_kept(
    stack: LocalStack, db: psycopg.Connection, outage: Mode
) -> None:
    ours, call_sid = number(), sid("CA")
    add_phone(db, ours, greeting="Hello")
    spool = stack.state.folder / f"spool-{uuid.uuid4().hex[:8]}.db"
    form = {**INCOMING, "CallSid": call_sid, "To": ours}
    with Forwarder(stack.backend.gateway_port) as supabase:
        env = {"SUPABASE_URL": supabase.url, "SPOOL_PATH": str(spool), "BREAKER_SECONDS": "1"}
        with service(stack, **env) as caller:
            supabase.mode = outage
            answer = post(caller, form)
            supabase.mode = "pass"
            waited = answer.elapsed.total_seconds()
            deadline = time.monotonic() + 30
            while caller.http.get("/ready").json()["spooled"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    assert accepted(answer)[0].text == STANDARD
    assert waited < 12  # Twilio waits for 15 seconds
    assert call(db, call_sid)["status"] == "ringing"
