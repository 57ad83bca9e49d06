"""What Twilio is answered: TwiML, the number's own for someone who is calling.

https://www.twilio.com/docs/voice/twiml
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, tostring

from services.effects import Json
from services.errors import Malformed
from services.inbound import Inbound
from services.provider import Answer, Lookups, Phone
from services.providers.twilio.events import CALLS_PATH, RECORDINGS_PATH, TRANSCRIPTIONS_PATH
from services.providers.twilio.form import parse
from services.providers.twilio.reading import is_incoming
from services.settings import Settings
from services.values import text

CONTENT_TYPE = "text/xml; charset=utf-8"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
NOTHING_TO_DO = f"{XML}<Response/>"
STANDARD = "Thank you for calling. We cannot take your call right now. Goodbye."
BEFORE_TONE = "Thank you for calling. Please leave a message after the tone."
LONGEST_SPEECH = 4000
CALL_EVENTS = "initiated ringing answered completed"
RECORDING_EVENTS = "in-progress completed absent"
# Without it a callback that meets a 5xx is never sent again.
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=3&rp=5xx,ct,rt"

# https://www.w3.org/TR/xml/#charsets: these no XML can hold, not even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_BETWEEN_DIGITS = re.compile(r"[\s().-]")
_SIP = re.compile(r"sips?:[^\s<>]{1,250}")


def answer(inbound: Inbound, lookups: Lookups, settings: Settings) -> Answer:
    """Return what a request is answered: the TwiML of a number for its call, else nothing to do."""
    payload = _payload(inbound)
    if not is_incoming(payload):
        return Answer(body=NOTHING_TO_DO, content_type=CONTENT_TYPE)
    called = text(payload.get("To")) or text(payload.get("Called"))
    response = Element("Response")
    _take_call(response, called, _phone(called, lookups), settings)
    return Answer(body=XML + tostring(response, encoding="unicode"), content_type=CONTENT_TYPE)


def _take_call(
    response: Element, called: str | None, phone: Phone | None, settings: Settings
) -> None:
    """Say, record and put through, as the number's row wants it."""
    forward_to = _destination(phone, called)
    records = phone is not None and phone.record_calls
    _say(response, phone, _standard(forward_to is not None, records))
    if phone and forward_to:
        _transcribe(response, phone, settings)
        _forward(response, forward_to, records, settings)
    elif phone and records:
        _record(response, phone.transcribe_calls, settings)


def _standard(is_forwarded: bool, is_recorded: bool) -> str | None:
    if is_forwarded:
        return None
    return BEFORE_TONE if is_recorded else STANDARD


def _say(response: Element, phone: Phone | None, standard: str | None) -> None:
    greeting = _NO_XML.sub("", (phone.greeting if phone else None) or "").strip()[:LONGEST_SPEECH]
    words = greeting or standard
    if not words:
        return
    language = (phone.greeting_language if phone and greeting else None) or ""
    attributes = {"language": language} if _LANGUAGE.fullmatch(language) else {}
    SubElement(response, "Say", attributes).text = words


def _transcribe(response: Element, phone: Phone, settings: Settings) -> None:
    if not phone.transcribe_calls:
        return
    language = phone.greeting_language or ""
    attributes = {"languageCode": language} if _LANGUAGE.fullmatch(language) else {}
    address = _address(TRANSCRIPTIONS_PATH, settings)
    SubElement(
        SubElement(response, "Start"), "Transcription", {"statusCallbackUrl": address, **attributes}
    )


def _forward(response: Element, to: str, records: bool, settings: Settings) -> None:
    recording = {
        "record": "record-from-answer-dual",
        "recordingStatusCallback": _address(RECORDINGS_PATH, settings),
        "recordingStatusCallbackEvent": RECORDING_EVENTS,
    }
    dial = SubElement(response, "Dial", recording if records else {})
    callback = {
        "statusCallback": _address(CALLS_PATH, settings),
        "statusCallbackEvent": CALL_EVENTS,
    }
    SubElement(dial, "Sip" if _SIP.fullmatch(to) else "Number", callback).text = to


def _record(response: Element, transcribes: bool, settings: Settings) -> None:
    attributes = {
        # Without an action the caller would hear all this again.
        "action": _address(CALLS_PATH, settings),
        "recordingStatusCallback": _address(RECORDINGS_PATH, settings),
        "recordingStatusCallbackEvent": RECORDING_EVENTS,
    }
    if transcribes:
        callback = _address(TRANSCRIPTIONS_PATH, settings)
        attributes |= {"transcribe": "true", "transcribeCallback": callback}
    SubElement(response, "Record", attributes)


def _destination(phone: Phone | None, called: str | None) -> str | None:
    """Return where a call is put through; never to the number that is being called."""
    told = _NO_XML.sub("", (phone.forward_to if phone else None) or "").strip()
    number = _BETWEEN_DIGITS.sub("", told)
    if _SIP.fullmatch(told):
        return told if told != called else None
    is_itself = number.lstrip("+") == (called or "").lstrip("+")
    return number if _NUMBER.fullmatch(number) and not is_itself else None


def _phone(called: str | None, lookups: Lookups) -> Phone | None:
    try:
        return lookups.phone(called) if called else None
    except Exception:  # whatever is wrong with us, who calls must hear something
        return None


def _payload(inbound: Inbound) -> dict[str, Json]:
    try:
        return parse(inbound)
    except Malformed:
        return {}


def _address(path: str, settings: Settings) -> str:
    return f"{settings.public_base_url}{path}{RETRIES}"
