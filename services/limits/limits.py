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

from services.errors import TooManyRequests

UNAUTHENTIC = "Too many calls from this address were not authentic."
PAUSE = 5.0
"""Seconds to go on without a limit when its counters cannot be reached."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Where a key stands: of `limit` calls `remaining` are left, for another `reset` seconds."""

    limit: int
    remaining: int
    reset: int


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
        self._item = period(most, namespace="limits") if most else None
        self._clock = clock
        self._retry_at: float | None = None

    def count(self, sentence: str, *key: str, cost: int = 1) -> TooManyRequests | None:
        """Count `cost` of this key; return the refusal, with this sentence, when it is too much."""
        try:
            self._spend(sentence, key, cost, tells=False)
        except TooManyRequests as refusal:
            return refusal
        return None

    def refusal(self, sentence: str, *key: str) -> TooManyRequests | None:
        """Return the refusal of a key that had its share already; nothing is counted."""
        return self.count(sentence, *key, cost=0)

    def spend(self, sentence: str, *key: str) -> Allowance | None:
        """Count one of this key and return what is left; None where nothing is limited.

        Raises TooManyRequests, with this sentence, when it is too much.
        """
        return self._spend(sentence, key, 1, tells=True)

    def _spend(
        self, sentence: str, key: tuple[str, ...], cost: int, *, tells: bool
    ) -> Allowance | None:
        if self._item is None or self._is_away():
            return None
        name, most = self._item.key_for(*key), self._item.amount
        try:
            used = self._counters.incr(name, self._item.get_expiry(), amount=cost)
            # What nobody is told is not asked: Redis may be far.
            ends = self._counters.get_expiry(name) if tells or used > most else 0.0
        except StorageError as error:
            self._lose(str(error))
            return None
        self._find()
        reset = max(1, math.ceil(ends - time.time()))
        if used > most:
            raise TooManyRequests(sentence, limit=most, retry_after=reset)
        return Allowance(limit=most, remaining=most - used, reset=reset)

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
        return self.failures.count(UNAUTHENTIC, "failures", network(address))

    def fail_token(self, address: str) -> TooManyRequests | None:
        """Count a person's token that was not valid, like `fail`."""
        return self.failures.count(UNAUTHENTIC, "tokens", network(address))

    def refuse_token(self, address: str) -> None:
        """Raise TooManyRequests for an address that had its share of invalid tokens and one more.

        Asked before a token is that costs a request of ours.
        """
        if refusal := self.failures.refusal(UNAUTHENTIC, "tokens", network(address)):
            raise refusal

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
