"""The callbacks that are sent: utterances of half a kilobyte, their URLs signed beforehand."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID, uuid4

from services.security import callback_token

PATH = "/api/tavus/webhook"
NUMBER = "0000000000"
"""Where a request carries its own number; as long as the number, so that lengths stay right."""
SEPARATOR = b"\0"
BODY_BYTES = 512
CONVERSATIONS = 256


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that has a row, and may thus be spoken for by its own token."""

    row_id: UUID
    conversation_id: str

    def target(self, signing_key: str) -> str:
        """Return the callback URL's path and query, as Tavus was given it."""
        query = {"c": str(self.row_id), "t": callback_token(signing_key, self.row_id)}
        return f"{PATH}?{urlencode(query)}"


def conversations() -> list[Conversation]:
    """Return new conversations, each to be inserted before it is spoken for."""
    return [Conversation(uuid4(), f"bench{secrets.token_hex(6)}") for _ in range(CONVERSATIONS)]


def body(conversation_id: str, run: str) -> bytes:
    """Return an utterance in which NUMBER stands for its number."""
    utterance = {
        "message_type": "conversation",
        "event_type": "conversation.utterance",
        "timestamp": "2026-03-01T06:46:05.000000Z",
        "conversation_id": conversation_id,
        "inference_id": f"{run}-{NUMBER}",
        # One digit ahead: a JSON number has no leading zero.
        "seq": int(f"1{NUMBER}"),
        "turn_idx": 3,
        "properties": {"role": "user", "speech": ""},
    }
    utterance["properties"] = {"role": "user", "speech": _speech(len(json.dumps(utterance)))}
    return json.dumps(utterance).encode()


def numbered(request: bytes, number: int) -> bytes:
    """Return a request, or a body, with its own number."""
    return request.replace(NUMBER.encode(), b"%010d" % number)


def requests(places: Sequence[Conversation], run: str, host: str, signing_key: str) -> list[bytes]:
    """Return one whole HTTP request per conversation, with NUMBER still in it."""
    return [_request(place, run, host, signing_key) for place in places]


def write_requests(file: Path, made: Sequence[bytes]) -> None:
    """Write the requests for the load generators."""
    file.write_bytes(SEPARATOR.join(made))


def read_requests(file: Path) -> list[bytes]:
    """Return the requests of a file."""
    return file.read_bytes().split(SEPARATOR)


def _request(place: Conversation, run: str, host: str, signing_key: str) -> bytes:
    content = body(place.conversation_id, run)
    head = (
        f"POST {place.target(signing_key)} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _speech(rest: int) -> str:
    words = "I would like to see how the dashboard shows my numbers, and then the pricing page. "
    return (words * (BODY_BYTES // len(words) + 1))[: BODY_BYTES - rest]
