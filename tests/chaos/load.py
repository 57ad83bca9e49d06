"""A steady load of callbacks, each sent until it is acknowledged, and the account of it."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

import httpx

from tests.web.caller import TAVUS, TOKEN, utterance

SENDERS = 12
TRIES = 4


@dataclass(slots=True)
class Load:
    """Senders that each talk in a conversation of their own, until stopped."""

    url: str
    conversations: list[str] = field(
        default_factory=lambda: [f"c{uuid.uuid4().hex[:15]}" for _ in range(SENDERS)]
    )
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        """Start to send."""
        for conversation in self.conversations:
            thread = threading.Thread(target=self._send_all, args=(conversation,))
            self.threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to send; what is under way is waited for."""
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _send_all(self, conversation: str) -> None:
        seq = 0
        while not self.stopped.wait(0.01):
            seq += 1
            self._send(conversation, f"{conversation}/{seq}", seq)

    def _send(self, conversation: str, name: str, seq: int) -> None:
        """Send one utterance as an impatient sender does: again, when no answer comes."""
        self.sent.add(name)
        body = utterance(conversation, seq, name)
        for attempt in range(TRIES):
            try:
                answer = httpx.post(self.url + TAVUS, params={"t": TOKEN}, json=body, timeout=10)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                self.acknowledged.add(name)
                return
            self.stopped.wait(0.2 * 2**attempt)
