"""Calendly: appointments. https://developer.calendly.com/api-docs/overview/webhooks"""

from __future__ import annotations

from services.provider import Provider
from services.providers.calendly.events import EVENTS
from services.providers.calendly.reading import project, read
from services.providers.calendly.verify import PROOFS, sign, verify

CALENDLY = Provider(
    name="calendly",
    paths=("/api/webhooks/calendly",),
    verify=verify,
    sign=sign,
    read=read,
    project=project,
    events=EVENTS,
    proofs=PROOFS,
    docs="https://developer.calendly.com/api-docs/overview/webhooks",
    identifiers=frozenset({"uri", "uuid", "id", "old_invitee", "new_invitee"}),
)
