"""What a request of Twilio is: told by its fields, as all of its callbacks share one shape."""

from __future__ import annotations

from services.effects import Json
from services.inbound import Inbound
from services.provider import Reading
from services.providers.twilio.events import (
    CALLS_PATH,
    MESSAGES_PATH,
    RECORDINGS_PATH,
    TRANSCRIPTIONS_PATH,
)

PATHS = (CALLS_PATH, RECORDINGS_PATH, TRANSCRIPTIONS_PATH, MESSAGES_PATH)
UNKNOWN = "unknown"


def read(inbound: Inbound, payload: dict[str, Json]) -> Reading:
    """Return a request as understood. A call of the phone belongs to no conversation of ours."""
    event_type = classify(inbound.path, payload)
    if event_type == "call.incoming":
        # The one request about a call that says no time.
        payload = {**payload, "ReceivedAt": inbound.received_at.isoformat()}
    return Reading(event_type=event_type, conversation_id=None, payload=payload)


def classify(path: str, payload: dict[str, Json]) -> str:
    """Return the type of a request by what it speaks of, wherever it was sent."""
    if payload.get("TranscriptionSid"):
        is_piece = payload.get("TranscriptionEvent") == "transcription-content"
        return "transcription.content" if is_piece else "transcription.status"
    if payload.get("RecordingSid") and (
        payload.get("RecordingStatus") or path.rstrip("/") == RECORDINGS_PATH
    ):
        return "recording.status"
    if payload.get("MessageSid") or payload.get("SmsSid"):
        return "message.incoming" if _is_received(payload) else "message.status"
    if payload.get("CallSid"):
        return "call.incoming" if is_incoming(payload) else "call.status"
    return UNKNOWN


def is_incoming(payload: dict[str, Json]) -> bool:
    """Tell whether someone is calling now and waits for our TwiML."""
    is_callback = payload.get("StatusCallbackEvent") or payload.get("CallbackSource")
    is_inbound = payload.get("Direction") in (None, "", "inbound")
    rings = payload.get("CallStatus") == "ringing" and is_inbound
    return rings and not is_callback and bool(payload.get("CallSid"))


def _is_received(payload: dict[str, Json]) -> bool:
    told = payload.get("MessageStatus") or payload.get("SmsStatus")
    return told in (None, "", "received")
