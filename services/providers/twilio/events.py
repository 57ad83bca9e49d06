"""Every event of Twilio: its model, what it does, what names it."""

from __future__ import annotations

from services.provider import EventType
from services.providers.twilio import calls, messages, recordings, transcriptions

CALLS_PATH = "/api/webhooks/twilio/calls"
RECORDINGS_PATH = "/api/webhooks/twilio/recordings"
TRANSCRIPTIONS_PATH = "/api/webhooks/twilio/transcriptions"
MESSAGES_PATH = "/api/webhooks/twilio/messages"

EVENTS = {
    "call.incoming": EventType(
        model=calls.Call, handler=calls.begin_call, key=calls.incoming_key, path=CALLS_PATH
    ),
    "call.status": EventType(
        model=calls.Call, handler=calls.update_call, key=calls.status_key, path=CALLS_PATH
    ),
    "recording.status": EventType(
        model=recordings.Recording,
        handler=recordings.store_recording,
        key=recordings.recording_key,
        path=RECORDINGS_PATH,
    ),
    "transcription.status": EventType(
        model=transcriptions.Transcription,
        handler=transcriptions.store_transcription,
        key=transcriptions.transcription_key,
        path=TRANSCRIPTIONS_PATH,
    ),
    "transcription.content": EventType(
        model=transcriptions.Piece,
        handler=transcriptions.store_piece,
        key=transcriptions.piece_key,
        projected=False,
        path=TRANSCRIPTIONS_PATH,
    ),
    "message.incoming": EventType(
        model=messages.Message,
        handler=messages.receive_message,
        key=messages.incoming_key,
        path=MESSAGES_PATH,
    ),
    "message.status": EventType(
        model=messages.Message,
        handler=messages.update_message,
        key=messages.status_key,
        path=MESSAGES_PATH,
    ),
}
