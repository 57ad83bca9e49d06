"""How much is too much: failed authentications of an address, events of a source."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from services.errors import TooManyRequests

PAUSE = 5.0
"""Seconds to go on without a limit when its counters cannot be reached."""

log = structlog.get_logger()


class Limit:
    """So many a minute, or another period, of each key. Without its counters it refuses nobody."""

    def __init__(
        self,
        counters: Storage,
        most: int,
        *,
        period: type[RateLimitItem] = RateLimitItemPerMinute,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where to count, and what is allowed per period; 0 stands for no limit."""
        self._counters = counters
        self._limiter = FixedWindowRateLimiter(counters)
        self._item = period(most, namespace="limits") if most else None
        self._clock = clock
        self._retry_at: float | None = None

    def count(self, sentence: str, *key: str, cost: int = 1) -> TooManyRequests | None:
        """Count `cost` of this key; return the refusal, with this sentence, when it is too much."""
        if self._item is None or self._is_away():
            return None
        try:
            is_allowed = self._limiter.hit(self._item, *key, cost=cost)
            ends = 0.0 if is_allowed else self._counters.get_expiry(self._item.key_for(*key))
        except StorageError as error:
            self._lose(str(error))
            return None
        self._find()
        if is_allowed:
            return None
        seconds = max(1, math.ceil(ends - time.time()))
        return TooManyRequests(sentence, limit=self._item.amount, retry_after=seconds)

    def _is_away(self) -> bool:
        if self._retry_at is None:
            return False
        if self._clock() < self._retry_at:
            return True
        # This call finds out whether the counters are back; others go on without them meanwhile.
        self._retry_at = self._clock() + PAUSE
        return False

    def _lose(self, reason: str) -> None:
        if self._retry_at is None:
            log.warning("limits off", reason=reason)
        self._retry_at = self._clock() + PAUSE

    def _find(self) -> None:
        if self._retry_at is not None:
            log.info("limits on")
            self._retry_at = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Says when to refuse. Each limit has counters of its own, so that none waits for the other."""

    failures: Limit
    events: Limit

    def fail(self, address: str) -> TooManyRequests | None:
        """Count a failed authentication; return the refusal when the address had its share."""
        sentence = "Too many calls from this address were not authentic."
        return self.failures.count(sentence, "failures", network(address))

    def admit(self, source: str) -> TooManyRequests | None:
        """Count an authentic call; return the refusal when its source had its share."""
        sentence = f"{source} sends more events a minute than it may; send this one again later."
        return self.events.count(sentence, "events", source)


def network(address: str) -> str:
    """Return what an address counts as: itself, an IPv6 one its /64, which is one customer's.

    Some proxies add a port; what is no address at all counts as one, so that none escapes.
    """
    try:
        ip = ip_address(_without_port(address))
    except ValueError:
        return "unknown"
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Network((int(ip), 64), strict=False))


def _without_port(address: str) -> str:
    has_port = address.startswith("[") or address.count(":") == 1
    return urlsplit(f"//{address}").hostname or "" if has_port else address
