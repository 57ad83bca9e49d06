"""Recordings: https://www.twilio.com/docs/voice/twiml/record#attributes-recording-status-callback"""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field

from services.effects import Effects, record
from services.provider import Lookups
from services.providers.twilio.fields import Moment, Payload, Sid, Text, Whole, Word

RANKS = {"in-progress": 0, "paused": 0, "processing": 0, "stopped": 0, None: 1}
FINAL = 2


class Recording(Payload):
    """A recording and how far it is; what `<Record action>` is told has no status."""

    sid: Sid = Field(alias="RecordingSid")
    call_sid: Text = Field(None, alias="CallSid")
    told_status: Word = Field(None, alias="RecordingStatus")
    url: Text = Field(None, alias="RecordingUrl")
    duration: Whole = Field(None, alias="RecordingDuration")
    channels: Whole = Field(None, alias="RecordingChannels")
    source: Text = Field(None, alias="RecordingSource")
    started_at: Moment = Field(None, alias="RecordingStartTime")

    @property
    def status(self) -> str:
        """How far it is."""
        return self.told_status or "completed"


def store_recording(recording: Recording, lookups: Lookups) -> Effects:
    """Write what is told of a recording; one in progress never replaces one that is done."""
    told = record(
        "call_recordings",
        RANKS.get(recording.told_status, FINAL),
        key={"recording_sid": recording.sid},
        call_sid=recording.call_sid,
        status=recording.status,
        recording_url=_address(recording.url),
        duration_seconds=recording.duration,
        channels=recording.channels,
        source=recording.source,
        started_at=recording.started_at,
    )
    return Effects(records=(told,))


def recording_key(recording: Recording, body_sha256: str) -> str:
    """Return the key of one state of a recording."""
    return f"{recording.sid}:{recording.told_status or 'action'}"


def _address(url: str | None) -> str | None:
    """Return an address if it is one of the web; a browser may make a link of it."""
    return url if url and url.startswith(("https://", "http://")) and _is_address(url) else None


def _is_address(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
