"""Where the limits count: in this process, or in a Redis that several processes share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from cachetools import TLRUCache
from limits.storage import RedisStorage, Storage

from services.errors import SettingsError

if TYPE_CHECKING:
    from redis import BlockingConnectionPool

MEMORY = "memory://"
MAX_COUNTERS = 20_000
CONNECTIONS = 16
PATIENCE = 1.0
"""Seconds to wait for Redis to answer."""
TURN = 5.0
"""Seconds to wait for a connection: in a flood, many wait for one."""


def counters(url: str) -> Storage:
    """Return the counters at an address of RATE_LIMIT_STORAGE_URL; nothing connects yet.

    Raises SettingsError when the address has options that no connection takes.
    """
    if url == MEMORY:
        return MemoryCounters()
    try:
        pool = _pool(url)
    except (TypeError, ValueError):
        raise SettingsError(
            "RATE_LIMIT_STORAGE_URL has a port or an option that no Redis takes."
        ) from None
    return RedisStorage(
        "redis://", connection_pool=pool, key_prefix="convohooks", wrap_exceptions=True
    )


def _pool(url: str) -> BlockingConnectionPool:
    # Imported where there is a Redis: it brings OpenTelemetry along, which nobody else waits for.
    from redis import BlockingConnectionPool

    # The ordinary pool fails when many call at once: a flood would end its own limit.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=TURN,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
    )
    pool.connection_class(**pool.connection_kwargs)  # refuses what it does not know
    return pool


@dataclass(slots=True)
class _Counter:
    ends: float
    hits: int = 0


class MemoryCounters(Storage):
    """Counters of this process: so many at most, then the one unused for longest goes.

    The library's own store looks through all its counters up to a hundred times a second; calls
    from 65,000 addresses would keep half a core busy with that.
    """

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self, size: int = MAX_COUNTERS) -> None:
        """Start with nothing counted."""
        super().__init__()
        self._lock = Lock()
        self._counters: TLRUCache[str, _Counter] = TLRUCache(
            size, ttu=lambda _key, counter, _now: counter.ends, timer=time.time
        )

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a counter, which starts at nothing and ends `expiry` seconds after its start."""
        with self._lock:
            counter = self._counters.get(key)
            if counter is None:
                counter = self._counters[key] = _Counter(time.time() + expiry)
            counter.hits += amount
            return counter.hits

    def get(self, key: str) -> int:
        """Return what was counted."""
        with self._lock:
            counter = self._counters.get(key)
        return counter.hits if counter else 0

    def get_expiry(self, key: str) -> float:
        """Return the time at which a counter ends."""
        with self._lock:
            counter = self._counters.get(key)
        return counter.ends if counter else time.time()

    def check(self) -> bool:
        """Return that the store works."""
        return True

    def reset(self) -> int | None:
        """Forget all counters; return how many there were."""
        with self._lock:
            forgotten = len(self._counters)
            self._counters.clear()
        return forgotten

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with self._lock:
            self._counters.pop(key, None)
