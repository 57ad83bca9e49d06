"""What was said: of a recording afterwards, or in real time, piece by piece.

https://www.twilio.com/docs/voice/twiml/record#attributes-transcribe-callback
https://www.twilio.com/docs/voice/twiml/transcription
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pydantic import Field

from services.effects import Effects, record
from services.errors import Malformed
from services.provider import Lookups
from services.providers.twilio.fields import Moment, Payload, Prose, Sid, Text, Whole, Word, prose
from services.validation import parse_object

STATUSES = {
    "transcription-started": "started",
    "transcription-stopped": "completed",
    "transcription-error": "failed",
}
RANKS = {"completed": 1, "failed": 2}


class Transcription(Payload):
    """A transcription: all of its text, or (in real time) how far it is."""

    sid: Sid = Field(alias="TranscriptionSid")
    call_sid: Text = Field(None, alias="CallSid")
    recording_sid: Text = Field(None, alias="RecordingSid")
    told_status: Word = Field(None, alias="TranscriptionStatus")
    event: Word = Field(None, alias="TranscriptionEvent")
    text: Prose = Field(None, alias="TranscriptionText")
    language: Text = Field(None, alias="LanguageCode")

    @property
    def status(self) -> str:
        """How far it is, in the words of one that is made afterwards."""
        return STATUSES.get(self.event or "", self.told_status or "completed")


class Piece(Payload):
    """A piece of what is being said."""

    sid: Sid = Field(alias="TranscriptionSid")
    call_sid: Text = Field(None, alias="CallSid")
    sequence: Whole = Field(None, alias="SequenceId")
    data: Prose = Field(None, alias="TranscriptionData")
    final: Word = Field(None, alias="Final")
    track: Word = Field(None, alias="Track")
    language: Text = Field(None, alias="LanguageCode")
    at: Moment = Field(None, alias="Timestamp")

    @property
    def is_final(self) -> bool:
        """Whether the words will not change any more."""
        return self.final != "false"

    @property
    def key(self) -> str:
        """What names the piece: its number, else what it says and when."""
        said = f"{self.at}\n{self.track}\n{self.data}"
        place = sha256(said.encode()).hexdigest() if self.sequence is None else self.sequence
        return f"{self.sid}:{place}"


def store_transcription(transcription: Transcription, lookups: Lookups) -> Effects:
    """Write what is told of a transcription."""
    told = record(
        "call_transcriptions",
        RANKS.get(transcription.status, 0),
        key={"transcription_key": transcription.sid},
        transcription_sid=transcription.sid,
        call_sid=transcription.call_sid,
        recording_sid=transcription.recording_sid,
        status=transcription.status,
        text=transcription.text,
        language=transcription.language,
    )
    return Effects(records=(told,))


def store_piece(piece: Piece, lookups: Lookups) -> Effects:
    """Write a piece of what is being said; these are too many to be projected."""
    said = _data(piece.data)
    told = record(
        "call_transcriptions",
        float(piece.is_final),
        key={"transcription_key": piece.key},
        transcription_sid=piece.sid,
        call_sid=piece.call_sid,
        status="completed" if piece.is_final else "in-progress",
        text=prose(said.get("transcript")),
        confidence=_share(said.get("confidence")),
        track=piece.track,
        sequence=piece.sequence,
        final=piece.is_final,
        language=piece.language,
        spoken_at=piece.at,
    )
    return Effects(records=(told,))


def transcription_key(transcription: Transcription, body_sha256: str) -> str:
    """Return the key of one state of a transcription."""
    return f"{transcription.sid}:{transcription.event or transcription.status}"


def piece_key(piece: Piece, body_sha256: str) -> str:
    """Return the key of a piece; it may be told before its words are final, and then again."""
    return f"{piece.key}:{'final' if piece.is_final else 'partial'}"


def _data(value: str | None) -> dict[str, Any]:
    try:
        return parse_object((value or "").encode())
    except Malformed:
        return {}


def _share(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None
