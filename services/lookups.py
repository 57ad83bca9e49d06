"""What handlers look up, remembered for a few seconds."""

from __future__ import annotations

from threading import Lock
from typing import TypeVar

from cachetools import TTLCache

from services.database import Conversation, Database
from services.provider import Scenario, Video

Key = TypeVar("Key")
Value = TypeVar("Value")

TTL = 10.0
SIZE = 1024


class CachedLookups:
    """Answers from the database, at most `TTL` seconds old; a miss is never remembered."""

    def __init__(self, database: Database) -> None:
        """Start with nothing remembered."""
        self._database = database
        self._lock = Lock()
        self._conversations: TTLCache[str, Conversation] = TTLCache(SIZE, TTL)
        self._videos: TTLCache[str | None, tuple[Video, ...]] = TTLCache(SIZE, TTL)
        self._scenarios: TTLCache[str, Scenario] = TTLCache(SIZE, TTL)

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Video, ...]:
        """Return the videos that this conversation may show; `fresh` goes past the cache."""
        conversation = self._conversation(conversation_id, fresh=fresh)
        demo_id = conversation.demo_id if conversation else None
        remembered = None if fresh else self._get(self._videos, demo_id)
        return remembered or self._keep(self._videos, demo_id, self._database.videos(demo_id)) or ()

    def scenario(self, conversation_id: str) -> Scenario | None:
        """Return the scenario that this conversation practises, if it has one."""
        conversation = self._conversation(conversation_id)
        scenario_id = conversation.scenario_id if conversation else None
        if scenario_id is None:
            return None
        return self._get(self._scenarios, scenario_id) or self._keep(
            self._scenarios, scenario_id, self._database.scenario(scenario_id)
        )

    def _conversation(self, conversation_id: str, *, fresh: bool = False) -> Conversation | None:
        remembered = None if fresh else self._get(self._conversations, conversation_id)
        return remembered or self._keep(
            self._conversations, conversation_id, self._database.conversation(conversation_id)
        )

    def _get(self, cache: TTLCache[Key, Value], key: Key) -> Value | None:
        with self._lock:
            return cache.get(key)

    def _keep(self, cache: TTLCache[Key, Value], key: Key, value: Value | None) -> Value | None:
        if value:
            with self._lock:
                cache[key] = value
        return value
