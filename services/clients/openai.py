"""Chat completions, as OpenAI and every service compatible with it take them.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from services.clients.api import ApiClient
from services.errors import BadGateway
from services.settings import Settings

Json = Any


class ChatClient(ApiClient):
    """`ApiClient` with the key, address and patience of the settings; it raises the same errors."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; a compatible service of one's own may want no key."""
        key = settings.openai_api_key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        super().__init__(
            "The language model",
            settings.openai_base_url,
            headers,
            read_timeout=settings.openai_timeout,
        )
        self.model = settings.openai_model

    def complete(self, system: str, user: str, name: str, schema: Mapping[str, Json]) -> Json:
        """Return the JSON value that the model answers, of this schema.

        Raises BadGateway also when it refuses, stops early, or answers no JSON.
        """
        answer = self.post(
            "/chat/completions",
            {
                "model": self.model,
                "messages": [
                    {"role": "system", "content": system},
                    {"role": "user", "content": user},
                ],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": name, "strict": True, "schema": schema},
                },
            },
        )
        return _content(answer)


def _content(answer: Json) -> Json:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str) or not isinstance(choice, dict):
        raise BadGateway("The language model gave no answer.")
    if choice.get("finish_reason") == "length":
        raise BadGateway("The language model stopped in the middle of its answer.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadGateway("The language model answered no JSON.") from None
