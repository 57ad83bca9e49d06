"""Tavus's REST API. https://docs.tavus.io/api-reference"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.clients.api import ApiClient
from services.errors import BadGateway, ConvohooksError, TooManyRequests
from services.settings import Settings

Json = Any
PAGE = 100
MAX_PAGES = 1000
BUSY_SECONDS = 30


class TavusClient(ApiClient):
    """`ApiClient` with Tavus's key and address; it raises the same errors.

    TooManyRequests too, when as many conversations run as the account may have.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the key and the address; without a key every call is refused by Tavus."""
        headers = {"x-api-key": settings.tavus_api_key or ""}
        super().__init__("Tavus", settings.tavus_base_url, headers, explain=_explain)

    def pages(self, path: str, **query: str | int) -> Iterator[dict[str, Json]]:
        """Return every object of a list, page by page."""
        seen, last = 0, None
        for page in range(1, MAX_PAGES + 1):
            answer = self.get(path, limit=PAGE, page=page, **query)
            told = answer if isinstance(answer, dict) else {}
            rows = told.get("data")
            # One that knows no pages gives the same one again.
            if not isinstance(rows, list) or not rows or rows == last:
                return
            yield from (row for row in rows if isinstance(row, dict))
            seen, last = seen + len(rows), rows
            total = told.get("total_count")
            if isinstance(total, int) and 0 < total <= seen:
                return


def _explain(status: int, sentence: str) -> ConvohooksError | None:
    # Tavus tells of full concurrency with 400 and this text; 429 is expected too.
    if status == 429 or "maximum concurrent" in sentence.lower():
        return TooManyRequests(f"Tavus: {sentence}", limit=0, retry_after=BUSY_SECONDS)
    if status in (401, 403):
        return BadGateway("Tavus does not accept the TAVUS_API_KEY of this service.")
    return None
