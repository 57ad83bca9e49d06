"""What somebody who calls a number of ours gets to hear, whatever is wrong with us."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.errors import Unavailable
from services.provider import Lookups, Phone
from services.providers.twilio import TWILIO
from services.providers.twilio.twiml import BEFORE_TONE, STANDARD
from tests.providers.twilio_calls import BASE, CALLS, SETTINGS, Phones, inbound

NUMBER = "+15550000001"
PHONE = Phone(id="5e2f8a52-6a3c-4b1e-9c55-0c4f8a0b1d11", phone_number=NUMBER)
INCOMING = json.loads(Path("services/samples/twilio/call.incoming.json").read_text())
RETRIES = "#rc=3&rp=5xx,ct,rt"
HOOKS = f"{BASE}/api/webhooks/twilio"
NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


def said(lookups: Any, **changed: str) -> ElementTree.Element:
    """Return the TwiML of an incoming call."""
    answer = TWILIO.answer and TWILIO.answer(inbound({**INCOMING, **changed}), lookups, SETTINGS)
    assert answer is not None
    assert answer.content_type == "text/xml; charset=utf-8"
    return ElementTree.fromstring(answer.body.encode())


def of(**columns: Any) -> ElementTree.Element:
    return said(Phones(replace(PHONE, **columns)))


def verbs(response: ElementTree.Element) -> list[str]:
    return [verb.tag for verb in response]


def test_greeting_is_said_in_its_language() -> None:
    [say] = of(greeting="Grüß Gott", greeting_language="de-DE")

    assert (say.tag, say.text, say.attrib) == ("Say", "Grüß Gott", {"language": "de-DE"})


def test_unknown_number_and_one_without_settings_say_the_standard_sentence() -> None:
    for response in (said(Phones()), of(), of(greeting=" \x00 "), said(Phones(PHONE), To="")):
        [say] = response
        assert (say.tag, say.text, say.attrib) == ("Say", STANDARD, {})


def test_recorded_call_leaves_a_message_and_is_not_asked_twice() -> None:
    response = of(record_calls=True)

    say, record = response
    assert say.text == BEFORE_TONE
    assert record.tag == "Record"
    assert record.attrib == {
        "action": f"{HOOKS}/calls{RETRIES}",
        "recordingStatusCallback": f"{HOOKS}/recordings{RETRIES}",
        "recordingStatusCallbackEvent": "in-progress completed absent",
    }
    # What its action is told when the caller is done.
    done = {"CallStatus": "in-progress", "RecordingSid": "RE1", "RecordingUrl": "https://x.test"}
    assert verbs(said(Phones(replace(PHONE, record_calls=True)), **done)) == []


def test_message_is_transcribed() -> None:
    record = of(record_calls=True, transcribe_calls=True)[1]

    assert record.get("transcribe") == "true"
    assert record.get("transcribeCallback") == f"{HOOKS}/transcriptions{RETRIES}"


def test_call_is_put_through_told_of_and_recorded() -> None:
    greeting = {"greeting": "One moment.", "greeting_language": "en-GB"}
    response = of(
        forward_to="+1 (555) 000-0009", record_calls=True, transcribe_calls=True, **greeting
    )

    say, start, dial = response
    assert say.text == "One moment."
    assert start[0].attrib == {
        "statusCallbackUrl": f"{HOOKS}/transcriptions{RETRIES}",
        "languageCode": "en-GB",
    }
    assert dial.attrib == {
        "record": "record-from-answer-dual",
        "recordingStatusCallback": f"{HOOKS}/recordings{RETRIES}",
        "recordingStatusCallbackEvent": "in-progress completed absent",
    }
    [number] = dial
    assert (number.tag, number.text) == ("Number", "+15550000009")
    assert number.attrib == {
        "statusCallback": f"{HOOKS}/calls{RETRIES}",
        "statusCallbackEvent": "initiated ringing answered completed",
    }


def test_call_is_put_through_without_a_word_where_there_is_no_greeting() -> None:
    [dial] = of(forward_to="sip:desk@pbx.example.test")

    assert dial.attrib == {}
    assert (dial[0].tag, dial[0].text) == ("Sip", "sip:desk@pbx.example.test")


@pytest.mark.parametrize(
    "forward_to",
    [
        NUMBER, "+1 555 000-0001", "15550000001", "", " ", "nowhere", "12", "+" + "1" * 16, "sip:",
        "sip:a b", "sip:<x>", "http://x.example.test", "+1555</Number><Hangup/>", "\x00", "٣٣٣٣٣",
        "911;ext=1",
    ],
)  # fmt: skip
def test_call_is_never_put_through_to_itself_or_to_nonsense(forward_to: str) -> None:
    assert verbs(of(forward_to=forward_to)) == ["Say"]


@pytest.mark.parametrize("language", ["", "x", "de_DE", '"><Hangup/>', "de-DE\n", "é", "a" * 9])
def test_odd_language_is_left_out(language: str) -> None:
    assert of(greeting="Hi", greeting_language=language)[0].attrib == {}


@settings(max_examples=300)
@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF)))
@example("</Say><Dial>+15550000009</Dial><Say>")
@example("]]><!-- & &amp; \x08\x00\ud800\ufffe")
def test_any_greeting_is_words_and_nothing_else(greeting: str) -> None:
    [say] = of(greeting=greeting)

    assert say.tag == "Say"
    assert len(say) == 0
    assert say.text
    # An XML parser makes \n of every end of a line.
    if greeting.strip() and greeting.isprintable():
        assert say.text == greeting.strip()


def test_very_long_greeting_is_cut() -> None:
    assert len(of(greeting="a" * 100_000)[0].text or "") == 4000


class Failing(Phones):
    """Look-ups that cannot be answered."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def phone(self, phone_number: str) -> Phone | None:
        raise self.error


@pytest.mark.parametrize("error", [Unavailable(), TimeoutError(), ValueError(), RuntimeError()])
def test_look_up_that_fails_costs_nobody_the_call(error: Exception) -> None:
    lookups: Lookups = Failing(error)

    assert said(lookups)[0].text == STANDARD


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"CallSid=CA1", b"CallStatus=ringing&Direction=inbound", b"\xff", b"&" * 5000,
     b"&".join(b"f%d=" % n for n in range(2000))],
)  # fmt: skip
def test_everything_else_is_answered_with_nothing_to_do(body: bytes) -> None:
    answer = TWILIO.answer and TWILIO.answer(inbound(body), Phones(PHONE), SETTINGS)

    assert answer is not None
    assert answer.body == NOTHING


@pytest.mark.parametrize("name", ["call.status", "recording.status", "message.incoming"])
def test_callback_is_answered_with_nothing_to_do(name: str) -> None:
    form = json.loads(Path(f"services/samples/twilio/{name}.json").read_text())
    answer = TWILIO.answer and TWILIO.answer(inbound(form, CALLS), Phones(PHONE), SETTINGS)

    assert answer is not None
    assert answer.body == NOTHING
