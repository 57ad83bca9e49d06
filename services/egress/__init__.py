"""Calls to addresses that came from outside: a recording's, a customer's endpoint.

The name is resolved once, every address that it has is judged by `address_table`, and the
connection goes to one of just those, under the name that was asked for. No redirect is followed, no
proxy used, and a call ends when its time is over, however slowly bytes come.
"""

from __future__ import annotations

from services.egress.client import Egress, dial, resolve
from services.egress.wire import (
    AddressRefused,
    Answer,
    AnswerTooLarge,
    EgressError,
    Stream,
    Unreachable,
)

__all__ = [
    "AddressRefused",
    "Answer",
    "AnswerTooLarge",
    "Egress",
    "EgressError",
    "Stream",
    "Unreachable",
    "dial",
    "resolve",
]
