"""Short messages: https://www.twilio.com/docs/messaging/guides/webhook-request"""

from __future__ import annotations

from pydantic import AliasChoices, Field

from services.effects import Effects, record
from services.provider import Lookups
from services.providers.twilio.fields import Payload, Prose, Sid, Text, Whole, Word

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
RANKS = {"accepted": 0, "scheduled": 0, "queued": 1, "receiving": 1, "sending": 2, "sent": 3}
FINAL = 4
READ = 5


class Message(Payload):
    """A message and how far it is."""

    sid: Sid = Field(validation_alias=AliasChoices("MessageSid", "SmsSid"))
    status: Word = Field(None, validation_alias=AliasChoices("MessageStatus", "SmsStatus"))
    from_number: Text = Field(None, alias="From")
    to_number: Text = Field(None, alias="To")
    body: Prose = Field(None, alias="Body")
    media: Whole = Field(None, alias="NumMedia")
    error_code: Text = Field(None, alias="ErrorCode")


def receive_message(message: Message, lookups: Lookups) -> Effects:
    """Write a message that came in."""
    return _stored(message, direction="inbound", status="received")


def update_message(message: Message, lookups: Lookups) -> Effects:
    """Write how far a message of ours is; its status never moves backwards."""
    return _stored(
        message, direction="outbound", status=message.status, error_code=message.error_code
    )


def incoming_key(message: Message, body_sha256: str) -> str:
    """Return the key of a message that came in."""
    return f"{message.sid}:received"


def status_key(message: Message, body_sha256: str) -> str:
    """Return the key of one state of a message."""
    return f"{message.sid}:{message.status or f'body:{body_sha256}'}"


def rank(status: str | None) -> int:
    """Return how late in a message's life a status is."""
    if status is None:
        return -1
    return READ if status == "read" else RANKS.get(status, FINAL)


def _stored(message: Message, **told: str | None) -> Effects:
    row = record(
        "sms_messages",
        rank(told["status"]),
        key={"message_sid": message.sid},
        from_number=message.from_number,
        to_number=message.to_number,
        body=message.body,
        media_count=message.media,
        **told,
    )
    return Effects(records=(row,))
