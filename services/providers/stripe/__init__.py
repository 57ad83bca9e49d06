"""Stripe: payments. https://docs.stripe.com/webhooks"""

from __future__ import annotations

from services.provider import Provider
from services.providers.stripe.events import EVENTS, project, read
from services.providers.stripe.verify import PROOFS, sign, verify

STRIPE = Provider(
    name="stripe",
    paths=("/api/webhooks/stripe",),
    verify=verify,
    sign=sign,
    read=read,
    project=project,
    events=EVENTS,
    identifiers=frozenset({"id"}),
    proofs=PROOFS,
    docs="https://docs.stripe.com/webhooks",
)
