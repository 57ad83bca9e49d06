"""Tavus: video agents. https://docs.tavus.io/sections/webhooks-and-callbacks"""

from __future__ import annotations

from services.provider import Provider
from services.providers.tavus.events import EVENTS
from services.providers.tavus.reading import ENDING_PATH, QUALIFICATION_PATH, WEBHOOK_PATH, read
from services.providers.tavus.verify import PROOFS, sign, verify
from services.providers.tavus.visible import project

TAVUS = Provider(
    name="tavus",
    paths=(WEBHOOK_PATH, QUALIFICATION_PATH, ENDING_PATH),
    verify=verify,
    sign=sign,
    read=read,
    project=project,
    events=EVENTS,
    identifiers=frozenset(
        {"conversation_id", "video_id", "document_id", "replica_id", "face_id", "tool_call_id"}
    ),
    retries=False,
    strict_paths=frozenset({ENDING_PATH}),
    proofs=PROOFS,
    docs="https://docs.tavus.io/sections/webhooks-and-callbacks",
)
