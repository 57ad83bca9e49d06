"""Supabase Storage, as far as recordings need it: an upload in a stream, and a folder's removal.

https://supabase.com/docs/guides/storage/uploads/standard-uploads
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from services.errors import BadGateway, Unavailable
from services.once import once
from services.settings import Settings

PAGE = 1000
TOO_LARGE = frozenset({"413", "Payload too large", "EntityTooLarge"})


class StorageRefused(BadGateway):
    """Supabase Storage refused a call; `permanent` when it always will."""

    def __init__(self, detail: str, *, permanent: bool) -> None:
        """Keep whether another try makes sense."""
        super().__init__(detail)
        self.permanent = permanent


class Storage:
    """Uploads with the service key, to the project of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Take address and key; connect later."""
        self._url = f"{settings.supabase_url}/storage/v1/object"
        self._key = settings.supabase_secret_key

    @once
    def _http(self) -> httpx.Client:
        # The answer comes when the whole file is stored, which takes a while.
        timeout = httpx.Timeout(connect=5.0, read=120.0, write=60.0, pool=5.0)
        return httpx.Client(http2=False, trust_env=False, timeout=timeout)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def upload(
        self, bucket: str, path: str, chunks: Iterator[bytes], content_type: str, size: int | None
    ) -> str:
        """Store a file, in place of one of that path; return the address that its readers use.

        Raises StorageRefused, Unavailable, and whatever `chunks` raises; then nothing is stored.
        """
        headers = {
            **self._headers(),
            "Content-Type": content_type,
            "x-upsert": "true",
        }
        if size is not None:
            headers["Content-Length"] = str(size)
        name = f"{quote(bucket)}/{quote(path)}"
        try:
            answer = self._http.post(f"{self._url}/{name}", content=chunks, headers=headers)
        except httpx.TransportError as error:
            raise _away(error) from error
        if answer.status_code >= 300:
            raise _refusal(answer, "the upload")
        # Readers are asked for their token, so the bucket's own policies decide.
        return f"{self._url}/authenticated/{name}"

    def remove_folder(self, bucket: str, folder: str) -> int:
        """Delete every file right in a folder; return how many there were.

        Raises StorageRefused and Unavailable; then some may be left.
        """
        removed = 0
        while paths := self._files_in(bucket, folder):
            gone = self._ask("DELETE", quote(bucket), {"prefixes": paths})
            if not gone:
                raise StorageRefused("Supabase Storage removed nothing.", permanent=False)
            removed += len(gone)
        return removed

    def _files_in(self, bucket: str, folder: str) -> list[str]:
        wanted = {"prefix": folder, "limit": PAGE, "offset": 0}
        found = self._ask("POST", f"list/{quote(bucket)}", wanted)
        # A folder in it has no id; none of ours has one.
        return [f"{folder}/{file['name']}" for file in found if file.get("id")]

    def _ask(self, method: str, path: str, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = self._http.request(
                method, f"{self._url}/{path}", json=told, headers=self._headers()
            )
        except httpx.TransportError as error:
            raise _away(error) from error
        if answer.status_code >= 300:
            raise _refusal(answer, "the removal")
        rows = _told(answer)
        if not isinstance(rows, list):
            raise StorageRefused("Supabase Storage answered with no list.", permanent=False)
        return rows

    def _headers(self) -> dict[str, str]:
        return {"apikey": self._key, "Authorization": f"Bearer {self._key}"}


def _away(error: httpx.TransportError) -> Unavailable:
    return Unavailable(f"Supabase Storage cannot be reached ({type(error).__name__}).")


def _refusal(answer: httpx.Response, what: str) -> StorageRefused:
    """Return what an answer refuses. Storage tells most as 400, and the real status in the body."""
    body = _told(answer)
    told = body if isinstance(body, dict) else {}
    codes = {str(answer.status_code), str(told.get("statusCode")), str(told.get("error"))}
    sentence = str(told.get("message") or answer.reason_phrase)[:300]
    return StorageRefused(
        f"Supabase Storage refused {what} ({answer.status_code}): {sentence}",
        permanent=bool(codes & TOO_LARGE),
    )


def _told(answer: httpx.Response) -> Any:
    """Return the JSON of an answer, else None: a proxy may answer in the place of Storage."""
    try:
        return answer.json()
    except ValueError:
        return None
