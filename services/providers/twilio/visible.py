"""What a browser sees of an event: which row has changed, and how.

No numbers, no words, no addresses: those are in the rows, for whom the rows are.
"""

from __future__ import annotations

from services.effects import Json
from services.provider import Reading
from services.values import text

SHOWN = {
    "call_sid": ("CallSid",),
    "parent_call_sid": ("ParentCallSid",),
    "recording_sid": ("RecordingSid",),
    "transcription_sid": ("TranscriptionSid",),
    "message_sid": ("MessageSid", "SmsSid"),
    "direction": ("Direction",),
    "call_status": ("CallStatus",),
    "recording_status": ("RecordingStatus",),
    "transcription_status": ("TranscriptionStatus", "TranscriptionEvent"),
    "message_status": ("MessageStatus", "SmsStatus"),
    "call_seconds": ("CallDuration",),
    "recording_seconds": ("RecordingDuration",),
    "error_code": ("ErrorCode",),
}


def project(reading: Reading) -> dict[str, Json]:
    """Return what `processed_webhook_events` shows of an event."""
    told = {name: _first(reading.payload, places) for name, places in SHOWN.items()}
    return {name: value for name, value in told.items() if value is not None}


def _first(payload: dict[str, Json], places: tuple[str, ...]) -> str | None:
    found = (text(payload.get(place)) for place in places)
    return next((value for value in found if value), None)
