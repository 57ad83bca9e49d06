"""A request as the pure part of the service sees it: bytes and names, no Flask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One HTTP call of a sender.

    `headers` has lower-case names; a header sent twice is there once, its values joined by a comma.
    `query` holds the first value of each parameter, decoded.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    target: str = ""
    """Path and query as they were sent, nothing decoded: some signatures cover them."""
    address: str = ""
    """Where it came from, as far as that is known."""
