"""What handlers look up, remembered for a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import TypeVar

from cachetools import TTLCache

from services.database import Conversation, Database
from services.errors import Unavailable
from services.provider import Lookups, Phone, Scenario, Video

Key = TypeVar("Key")
Value = TypeVar("Value")

TTL = 10.0
SIZE = 1024
PATIENCE = 2.0
"""Seconds that somebody may wait on the line."""


class CachedLookups:
    """Answers from the database, at most `TTL` seconds old; a miss is never remembered."""

    def __init__(self, database: Database) -> None:
        """Start with nothing remembered."""
        self._database = database
        self._lock = Lock()
        self._conversations: TTLCache[str, Conversation] = TTLCache(SIZE, TTL)
        self._videos: TTLCache[str | None, tuple[Video, ...]] = TTLCache(SIZE, TTL)
        self._scenarios: TTLCache[str, Scenario] = TTLCache(SIZE, TTL)
        self._phones: TTLCache[str, Phone] = TTLCache(SIZE, TTL)

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

    def phone(self, phone_number: str) -> Phone | None:
        """Return the number of ours, if it is one."""
        return self._get(self._phones, phone_number) or self._keep(
            self._phones, phone_number, self._database.phone(phone_number)
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


class HurriedLookups:
    """Answers within `seconds`, for somebody who waits on the line; raises Unavailable after that.

    A late answer still reaches whoever was asked, who may remember it for the next time.
    """

    def __init__(self, lookups: Lookups, seconds: float = PATIENCE) -> None:
        """Keep whom to ask."""
        self._lookups = lookups
        self._seconds = seconds

    def videos(self, conversation_id: str, *, fresh: bool = False) -> tuple[Video, ...]:
        """Return the videos that this conversation may show; `fresh` goes past the cache."""
        return self._within(lambda: self._lookups.videos(conversation_id, fresh=fresh))

    def scenario(self, conversation_id: str) -> Scenario | None:
        """Return the scenario that this conversation practises, if it has one."""
        return self._within(lambda: self._lookups.scenario(conversation_id))

    def phone(self, phone_number: str) -> Phone | None:
        """Return the number of ours, if it is one."""
        return self._within(lambda: self._lookups.phone(phone_number))

    def _within(self, ask: Callable[[], Value]) -> Value:
        answers: list[Value] = []
        failures: list[Exception] = []

        def work() -> None:
            try:
                answers.append(ask())
            except Exception as error:
                failures.append(error)

        thread = Thread(target=work, daemon=True)
        thread.start()
        thread.join(self._seconds)
        if failures:
            raise failures[0]
        if not answers:
            raise Unavailable("The look-up took too long.")
        return answers[0]
