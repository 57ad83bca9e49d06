"""A steady load of stories, each event sent until it is acknowledged, some twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psycopg

from tests.chaos.author import Author
from tests.chaos.story import Story, Told, make_story
from tests.web.caller import TAVUS, TOKEN

SENDERS = 12
TRIES = 4
SPOOLED, SPOOL_REFUSES = "200 spooled", "503 The spool"
"""Answers: kept on the disk; no room there, or it cannot even be opened."""
PACE = 0.05
"""Seconds between two events of a sender."""
REPEATED = 0.2
"""The share of acknowledged events that are delivered again."""

MAKE_KNOWN = """
insert into public.conversations (conversation_id, user_id)
select %(id)s, %(owner)s where not exists
    (select from public.conversations c where c.conversation_id = %(id)s)
"""


@dataclass(slots=True)
class Sender:
    """Tells one story after the other, until stopped, and remembers what came of it."""

    urls: Sequence[str]
    database_url: str
    owner: str
    chance: random.Random
    stopped: threading.Event
    sent: dict[str, Told] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Tell stories."""
        with httpx.Client(timeout=10, trust_env=False) as http:
            while not self.stopped.is_set():
                self._tell(make_story(self.chance), http)

    def _tell(self, story: Story, http: httpx.Client) -> None:
        for n, told in enumerate(story.events):
            if self.stopped.wait(PACE):
                return
            if n == story.known_before:
                self._make_known(story.conversation)
            if self._send(told, http) and self.chance.random() < REPEATED:
                self._send(told, http)

    def _make_known(self, conversation: str) -> None:
        """Insert the conversation's row, as an app does: again, until it is there."""
        while not self.stopped.is_set():
            with (
                suppress(psycopg.Error),
                psycopg.connect(self.database_url, connect_timeout=2) as connection,
            ):
                connection.execute(MAKE_KNOWN, {"id": conversation, "owner": self.owner})
                connection.commit()
                return
            self.stopped.wait(0.5)

    def _send(self, told: Told, http: httpx.Client) -> bool:
        """Send an event as an impatient sender does: again, anywhere, when no answer comes."""
        self.sent[told.name] = told
        for attempt in range(TRIES):
            if self._post(told, http):
                self.acknowledged.add(told.name)
                return True
            if self.stopped.wait(0.2 * 2**attempt):
                break
        return False

    def _post(self, told: Told, http: httpx.Client) -> bool:
        try:
            answer = http.post(
                self.chance.choice(self.urls) + TAVUS,
                params={"t": TOKEN},
                json=told.payload,
                headers={"X-Request-Id": told.name},
            )
        except httpx.TransportError:
            self.answers["no answer"] += 1
            return False
        said = answer.json()
        self.answers[f"{answer.status_code} {said.get('outcome') or said.get('detail')}"] += 1
        return answer.status_code == 200


class Load:
    """Senders and an author, each in a thread of its own, while this is entered.

    All conversations are one owner's.
    """

    def __init__(self, urls: Sequence[str], database_url: str, owner: str, seed: int) -> None:
        """Make them, without starting them."""
        self._stopped = threading.Event()
        self.senders = [
            Sender(urls, database_url, owner, random.Random(f"{seed}/{n}"), self._stopped)
            for n in range(SENDERS)
        ]
        self.author = Author(database_url, owner, self._stopped)
        runs = (*(sender.run for sender in self.senders), self.author.run)
        self._threads = [threading.Thread(target=run) for run in runs]

    def __enter__(self) -> Load:
        """Start to send."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to send; what is under way is waited for."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> dict[str, Told]:
        """Every event that was sent, by its name."""
        return {name: told for sender in self.senders for name, told in sender.sent.items()}

    @property
    def acknowledged(self) -> set[str]:
        """The names of those that were answered with 200."""
        return {name for sender in self.senders for name in sender.acknowledged}

    @property
    def answers(self) -> Counter[str]:
        """How often which answer came."""
        return sum((sender.answers for sender in self.senders), Counter())

    def times(self, start: str) -> int:
        """How often an answer came that starts like that."""
        return sum(n for said, n in self.answers.items() if said.startswith(start))
