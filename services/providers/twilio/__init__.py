"""Twilio: calls, their recordings and transcriptions, short messages.

https://www.twilio.com/docs/usage/webhooks
"""

from __future__ import annotations

from services.provider import Provider
from services.providers.twilio.events import EVENTS
from services.providers.twilio.form import CONTENT_TYPE, encode, parse
from services.providers.twilio.reading import PATHS, read
from services.providers.twilio.signature import PROOFS, sign, verify
from services.providers.twilio.twiml import answer
from services.providers.twilio.visible import project

TWILIO = Provider(
    name="twilio",
    paths=PATHS,
    verify=verify,
    sign=sign,
    read=read,
    project=project,
    events=EVENTS,
    parse=parse,
    encode=encode,
    content_type=CONTENT_TYPE,
    answer=answer,
    retries=False,
    proofs=PROOFS,
    docs="https://www.twilio.com/docs/usage/webhooks",
    identifiers=frozenset(
        {"CallSid", "ParentCallSid", "DialCallSid", "RecordingSid", "TranscriptionSid"}
        | {"MessageSid", "SmsSid", "SmsMessageSid"}
    ),
)
