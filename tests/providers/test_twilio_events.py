"""What each request of Twilio is understood as, and what it does to the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.effects import to_json
from services.errors import Malformed
from services.providers.twilio import TWILIO
from services.providers.twilio.calls import SEQUENCES, Call, rank
from services.providers.twilio.fields import moment, whole
from services.providers.twilio.form import MAX_FIELDS, fields_of, parse
from tests.providers.twilio_calls import (
    CALLS,
    MESSAGES,
    RECORDINGS,
    TRANSCRIPTIONS,
    event,
    inbound,
    told,
)

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted(Path("services/samples/twilio").glob("*.json"))
}
LIFE = ["queued", "initiated", "ringing", "in-progress", "completed"]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("path", TWILIO.paths)
def test_sample_is_what_its_name_says_wherever_it_is_sent(name: str, path: str) -> None:
    understood = event(SAMPLES[name], path)

    assert understood.event_type == name.partition("-")[0]
    assert understood.state == "processed"
    assert understood.conversation_id is None


@pytest.mark.parametrize("name", SAMPLES)
def test_event_key_begins_with_the_id_of_its_row(name: str) -> None:
    understood = event(SAMPLES[name])

    for record in understood.effects.records:
        assert understood.event_key.startswith(f"-:{next(iter(record.key.values()))}")


@pytest.mark.parametrize("name", SAMPLES)
def test_projection_holds_no_number_no_words_and_no_address(name: str) -> None:
    shown = json.dumps([p.event_data for p in event(SAMPLES[name]).projections])

    for hidden in ("+1555", "http", "kitchen", "table", "five", "CallToken", "NEW YORK"):
        assert hidden not in shown


def test_completed_call_takes_its_seconds_not_its_minutes() -> None:
    effects = event(SAMPLES["call.status"]).effects

    assert told(effects) == {
        "status": "completed",
        "direction": "inbound",
        "from_number": "+15550000002",
        "to_number": "+15550000001",
        "ended_at": "2018-03-25T09:53:19+00:00",
        "answered_at": "2018-03-25T09:52:30+00:00",
        "duration_seconds": 49,
    }
    minutes_only = {"CallSid": "CA1", "CallStatus": "completed", "Duration": "2"}
    assert "duration_seconds" not in told(event(minutes_only).effects)


def test_incoming_call_begins_when_it_came_and_is_one_event_with_its_fallback() -> None:
    first = event(SAMPLES["call.incoming"])
    fallback = {"ErrorCode": "11200", "ErrorUrl": f"https://hooks.example.test{CALLS}"}
    again = event({**SAMPLES["call.incoming"], **fallback})

    assert first.event_key == again.event_key == f"-:{SAMPLES['call.incoming']['CallSid']}:incoming"
    assert told(first.effects)["started_at"] == "2026-03-01T06:45:47+00:00"
    assert told(again.effects) == told(first.effects)


@pytest.mark.parametrize(
    ("more", "event_type"),
    [
        ({}, "call.incoming"),
        ({"CallbackSource": "call-progress-events"}, "call.status"),
        ({"StatusCallbackEvent": "ringing"}, "call.status"),
        ({"Direction": "outbound-api"}, "call.status"),
        ({"CallStatus": "in-progress"}, "call.status"),
        ({"CallStatus": "completed"}, "call.status"),
        ({"DialCallStatus": "completed", "CallStatus": "in-progress"}, "call.status"),
        ({"RecordingSid": "RE1", "CallStatus": "in-progress"}, "call.status"),
    ],
)
def test_only_who_rings_is_incoming(more: dict[str, str], event_type: str) -> None:
    assert event({**SAMPLES["call.incoming"], **more}).event_type == event_type


def test_rank_follows_the_life_of_a_call_then_the_number() -> None:
    def of(status: str | None, sequence: int | None) -> float:
        fields = {"CallSid": "CA1", "CallStatus": status}
        number = {} if sequence is None else {"SequenceNumber": str(sequence)}
        return rank(Call.model_validate({**fields, **number}))

    numbered = [of(status, n) for n, status in enumerate(LIFE)]
    assert numbered == sorted(set(numbered))
    for n, status in enumerate(LIFE):
        assert of(status, None) < numbered[n]  # the same, told without a number
        assert all(of(status, None) > earlier for earlier in numbered[:n])
    assert of("ringing", 10**9) < of("in-progress", None)
    assert of("ringing", SEQUENCES) < of("in-progress", 0)
    assert of("in-progress", 2) < of("on-hold", 3) < of("busy", 4)
    assert of(None, 5) < of("queued", None)


def test_recording_in_progress_never_outranks_one_that_is_done() -> None:
    done = event(SAMPLES["recording.status"], RECORDINGS).effects.records[0]
    begun = event({**SAMPLES["recording.status"], "RecordingStatus": "in-progress"}, RECORDINGS)
    action = {"CallSid": "CA1", "RecordingSid": "RE1", "RecordingUrl": "https://a.example.test/r"}
    told_by_verb = event(action, RECORDINGS).effects.records[0]

    assert begun.effects.records[0].rank < told_by_verb.rank < done.rank
    assert told_by_verb.values["status"] == "completed"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://[", "//x", "data:,x", "https://"])
def test_recording_address_is_one_of_the_web(url: str) -> None:
    form = {**SAMPLES["recording.status"], "RecordingUrl": url}

    assert "recording_url" not in told(event(form, RECORDINGS).effects)


def test_live_speech_is_a_row_for_each_piece() -> None:
    effects = event(SAMPLES["transcription.content"], TRANSCRIPTIONS).effects

    [piece] = effects.records
    assert piece.key == {"transcription_key": "GT00000000000000000000000000000001:2"}
    assert piece.values == {
        "transcription_sid": "GT00000000000000000000000000000001",
        "call_sid": "CA00000000000000000000000000000001",
        "status": "completed",
        "text": "Hello, I would like to book a table.",
        "confidence": 0.97,
        "track": "inbound_track",
        "sequence": 2,
        "final": True,
        "language": "en-US",
        "spoken_at": "2026-03-01T06:45:52.101000+00:00",
    }


@pytest.mark.parametrize(
    "data",
    [
        "", "x", "[]", "null", "1", '"x"', "{", '{"transcript": 5, "confidence": "1"}',
        '{"confidence": 7}', '{"confidence": -0.1}', '{"confidence": true}', '{"confidence": NaN}',
        '{"confidence": 1e999}', "[" * 5000, '{"transcript": ["x"]}', "\ufffd",
    ],
)  # fmt: skip
def test_unreadable_speech_still_makes_its_row(data: str) -> None:
    form = {**SAMPLES["transcription.content"], "TranscriptionData": data}
    values = told(event(form, TRANSCRIPTIONS).effects)

    assert "text" not in values
    assert "confidence" not in values
    assert values["sequence"] == 2


def test_speech_holds_nothing_that_no_column_takes() -> None:
    data = '{"transcript": "a\\u0000b\\ud800c", "confidence": 1}'
    values = told(event({**SAMPLES["transcription.content"], "TranscriptionData": data}).effects)

    assert values["text"] == "a\ufffdb\ufffdc"
    assert values["confidence"] == 1.0


def test_pieces_without_a_number_are_told_apart() -> None:
    form = {k: v for k, v in SAMPLES["transcription.content"].items() if k != "SequenceId"}
    first, again, other = (
        event({**form, **more}) for more in ({}, {"Unknown": "x"}, {"TranscriptionData": "{}"})
    )

    assert first.event_key == again.event_key != other.event_key
    assert first.effects.records[0].key == again.effects.records[0].key
    assert first.effects.records[0].key != other.effects.records[0].key


def test_partial_words_are_replaced_by_final_ones() -> None:
    partial = event({**SAMPLES["transcription.content"], "Final": "false"})
    final = event(SAMPLES["transcription.content"])

    assert partial.event_key != final.event_key
    assert partial.effects.records[0].rank < final.effects.records[0].rank
    assert told(partial.effects)["status"] == "in-progress"


def test_message_statuses_have_an_order() -> None:
    def of(status: str) -> float:
        form = {"MessageSid": "SM1", "MessageStatus": status}
        return event(form, MESSAGES).effects.records[0].rank

    life = [of(s) for s in ("accepted", "queued", "sending", "sent", "delivered", "read")]
    assert life == sorted(set(life))
    assert of("undelivered") == of("failed") == of("delivered")


def test_incoming_message_is_kept_as_it_was_written() -> None:
    values = told(event({**SAMPLES["message.incoming"], "Body": "  hi\n "}, MESSAGES).effects)

    assert values["body"] == "  hi\n "
    assert (values["direction"], values["status"]) == ("inbound", "received")


@pytest.mark.parametrize("name", ["CallSid", "RecordingSid", "TranscriptionSid", "MessageSid"])
def test_an_id_that_cannot_be_one_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        event({name: "x" * 101, "RecordingStatus": "completed"}, RECORDINGS)
    with pytest.raises(Malformed):
        event(json.dumps({name: {"a": 1}}).encode(), RECORDINGS)


@pytest.mark.parametrize("body", [b"", b"a=b", b"CallSid=", b'{"event_type": "x"}', b"\xff\x00"])
def test_what_speaks_of_nothing_we_know_is_kept_and_ignored(body: bytes) -> None:
    understood = event(body)

    assert (understood.event_type, understood.state) == ("unknown", "ignored")


@pytest.mark.parametrize("body", [b"{", b'{"a": }', b"{\xff}", b'  {"a": NaN}'])
def test_json_that_is_none_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(inbound(body))


def test_form_keeps_blanks_repeats_and_spaces_for_the_signature() -> None:
    form = fields_of(b"B=&A=+x+&A=%20x&A=+x+&%C3%A9=%E2%98%8E&C&&=v&n=%00")

    assert form == {
        "B": [""],
        "A": [" x ", " x", " x "],
        "é": ["☎"],
        "C": [""],
        "": ["v"],
        "n": ["\x00"],
    }
    assert parse(inbound(b"A=1&A=2&n=%00&B=")) == {"A": "1", "n": "\ufffd", "B": ""}


def test_form_with_too_many_fields_is_malformed() -> None:
    assert len(parse(inbound({f"f{n}": "" for n in range(MAX_FIELDS)}))) == MAX_FIELDS
    with pytest.raises(Malformed):
        parse(inbound({f"f{n}": "" for n in range(MAX_FIELDS + 1)}))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0", 0),
        (" 49 ", 49),
        ("1000000000", 10**9),
        ("1000000001", None),
        ("99999999999999999999", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        (5, None),
        (None, None),
        (["5"], None),
    ],
)
def test_whole_numbers(value: Any, found: int | None) -> None:
    assert whole(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Sun, 25 Mar 2018 09:53:19 +0000", "2018-03-25T09:53:19+00:00"),
        ("Sun, 25 Mar 2018 11:53:19 +0200", "2018-03-25T09:53:19+00:00"),
        ("Sun, 25 Mar 2018 09:53:19 -0000", "2018-03-25T09:53:19+00:00"),
        ("2026-03-01T06:45:47.472Z", "2026-03-01T06:45:47.472000+00:00"),
        ("Sun, 25 Mar 1018 09:53:19 +0000", None),
        ("Sun, 99 Mar 2018 09:53:19 +0000", None),
        ("Sun, 25 Mar 2018 09:53:19 +9999999999", None),
        ("yesterday", None),
        ("x" * 10_000, None),
        ("", None),
        (12345, None),
    ],
)
def test_times(value: Any, found: str | None) -> None:
    at = moment(value)

    assert (at and at.isoformat()) == found


NAMES = sorted({name for sample in SAMPLES.values() for name in sample})
VALUES = (
    st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "-1", "1e9", "9" * 400, "\x00", "Sun, 25 Mar 2018 09:53:19 +0000", "ringing",
         "completed", "transcription-content", "{}", "https://[", "x" * 300]
    )
    | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.text(max_size=3))
    | st.dictionaries(st.text(max_size=3), st.none())
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
    st.sampled_from(TWILIO.paths),
)
@example("call.status", {"Timestamp": "Mon, 1 Jan 1990 00:00:00 +0000"}, CALLS)
@example("call.status", {"Timestamp": "Fri, 31 Dec 2199 23:59:59 -1200"}, CALLS)
def test_any_value_at_any_field_is_understood_or_malformed(
    name: str, changed: dict[str, Any], path: str
) -> None:
    body = json.dumps({**SAMPLES[name], **changed}).encode()
    try:
        understood = event(body, path)
    except Malformed:
        return

    assert understood.state in ("processed", "ignored"), understood.error
    assert understood == event(body, path)
    stored = json.dumps(to_json(understood.effects) | {"p": to_json(understood.projections)})
    assert "\\u0000" not in stored
    assert "NaN" not in stored
    for record in understood.effects.records:
        assert all(len(value) <= 100_000 for value in record.values.values() if type(value) is str)


def test_pages_name_every_event_and_every_address() -> None:
    page = Path("docs/senders/twilio.md").read_text()
    named = {
        line.split("`")[1]
        for line in page.splitlines()
        if line.startswith("| `") and "." in line.split("`")[1]
    }

    assert named == set(TWILIO.events)
    start = Path("docs/quickstart/twilio.md").read_text()
    for path in TWILIO.paths:
        assert f"/{path.rpartition('/')[2]}" in start


def test_json_tells_numbers_and_booleans_as_a_form_does() -> None:
    form = {**SAMPLES["call.status"], "CallDuration": "42", "SequenceNumber": "3"}
    body = json.dumps({**form, "CallDuration": 42, "SequenceNumber": 3}).encode()

    assert event(body).event_key == event(form).event_key
    assert told(event(body).effects) == told(event(form).effects)
    assert told(event(body).effects)["duration_seconds"] == 42


def test_a_message_whose_status_says_received_came_in() -> None:
    sample = {**SAMPLES["message.incoming"], "MessageStatus": "received"}

    assert event(sample, MESSAGES).event_type == "message.incoming"


def test_who_rings_without_a_direction_is_answered() -> None:
    sample = {key: value for key, value in SAMPLES["call.incoming"].items() if key != "Direction"}

    assert event(sample).event_type == "call.incoming"


def test_a_message_whose_status_is_blank_takes_nothing_from_one_that_was_told() -> None:
    sample = SAMPLES["message.status"]
    odd = {**sample, "MessageStatus": " "}

    [unsaid] = event(odd, MESSAGES).effects.records
    [first] = event({**sample, "MessageStatus": "accepted"}, MESSAGES).effects.records

    assert unsaid.key == first.key
    assert "status" not in unsaid.values
    assert unsaid.rank < first.rank
