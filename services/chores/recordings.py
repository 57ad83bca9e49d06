"""Copies recordings to Supabase Storage, in a stream: what a link of today holds stays readable."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

import structlog

from services.chores.storage import Storage
from services.database import Database
from services.egress import Egress, EgressError, Stream
from services.errors import BadGateway, ConvohooksError

EVERY = 10.0
LEASE = 300.0
LONGEST = 3600.0
"""Seconds that one copy may take."""
WAITS = (30.0, 120.0, 600.0, 3600.0, 21600.0)
"""Seconds after each failed try; after one more it is given up."""
LONGEST_SIZE = 18
"""Digits of a size; more would be no number of bytes that anybody has."""
MAX_ERROR = 500

REDIRECTS = frozenset({301, 302, 303, 307, 308})
TWILIO_HOST = re.compile(r"api(\.[a-z0-9-]+){0,2}\.twilio\.com")

OCTETS = "application/octet-stream"
SUFFIXES = {
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/ogg": ".ogg",
    "audio/webm": ".weba",
}
# A recording may not be there yet, or its host may be busy.
LATER = frozenset({404, 408, 425, 429})

log = structlog.get_logger()


class NotCopied(BadGateway):
    """The recording's address holds nothing to copy; `permanent` when it never will."""

    def __init__(self, detail: str, *, permanent: bool) -> None:
        """Keep whether another try makes sense."""
        super().__init__(detail)
        self.permanent = permanent


class LeaseLost(ConvohooksError):
    """Somebody else copies it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Copies one recording at a time; any number may run, for a claim is a lease."""

    database: Database
    egress: Egress
    storage: Storage
    bucket: str
    max_bytes: int
    twilio: str | None = None
    """`<account sid>:<auth token>`, which only Twilio's own API is shown."""
    lease: float = LEASE
    clock: Callable[[], float] = time.monotonic

    def work(self) -> bool:
        """Copy the longest due recording; return whether there was one. Raises Unavailable."""
        claim = str(uuid.uuid4())
        job = self.database.claim_recording(claim, self.lease)
        if job is None:
            return False
        try:
            outcome = self._try(job, claim)
        except LeaseLost:
            return True
        except ConvohooksError as error:
            outcome = _failure(error, job["tries"])
        named = {name: job[name] for name in ("conversation_id", "source_url")}
        became = self.database.finish_recording({"claim": claim, **named, **outcome})
        log.info(
            "recording",
            conversation_id=job["conversation_id"],
            outcome=became,
            error=outcome.get("error"),
        )
        return True

    def _try(self, job: Mapping[str, Any], claim: str) -> dict[str, Any]:
        if job["tries"] > len(WAITS) + 1:
            # It was claimed again and again and nobody came back to tell why.
            return {"error": f"{job['tries']} tries began, and the last of them never ended."}
        return {"copied_url": self._copy(job, claim)}

    def _copy(self, job: Mapping[str, Any], claim: str) -> str:
        url = job["source_url"]
        folder = job["id"] or job.get("recording_id") or job["conversation_id"]
        with self._opened(url) as answer:
            content_type = _content_type(answer)
            return self.storage.upload(
                self.bucket,
                storage_path(folder, url, content_type),
                self._held(answer.chunks, claim),
                content_type,
                _size(answer),
            )

    @contextmanager
    def _opened(self, url: str) -> Iterator[Stream]:
        """Open a recording; where Twilio sends on to for its bytes, the key does not go."""
        with ExitStack() as opened:
            answer = opened.enter_context(self._asked(url, self._key_for(url)))
            if answer.status in REDIRECTS and _is_twilio(url):
                answer = opened.enter_context(self._asked(_target(url, answer), {}))
            yield answer

    def _asked(self, url: str, key: Mapping[str, str]) -> AbstractContextManager[Stream]:
        accepted = {"User-Agent": "Convohooks", "Accept": "video/*, audio/*, */*;q=0.1"}
        return self.egress.stream(
            "GET", url, headers={**accepted, **key}, timeout=LONGEST, max_bytes=self.max_bytes
        )

    def _key_for(self, url: str) -> dict[str, str]:
        if self.twilio is None or not _is_twilio(url):
            return {}
        return {"Authorization": "Basic " + b64encode(self.twilio.encode()).decode()}

    def _held(self, chunks: Iterator[bytes], claim: str) -> Iterator[bytes]:
        """Pass the chunks on, and keep the lease alive meanwhile. Raises LeaseLost."""
        extended = self.clock()
        for chunk in chunks:
            if self.clock() - extended > self.lease / 3:
                if not self.database.extend_recording(claim, self.lease):
                    raise LeaseLost
                extended = self.clock()
            yield chunk


def _is_twilio(url: str) -> bool:
    """Tell whether this is Twilio's API, also of a region: api.<edge>.<region>.twilio.com."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(TWILIO_HOST.fullmatch(parts.netloc.lower()))


def _target(url: str, answer: Stream) -> str:
    """Return where an answer sends on to. Raises NotCopied when that is no address."""
    try:
        return urljoin(url, answer.headers.get("location", ""))
    except ValueError:
        raise NotCopied("The address sends on to one that is none.", permanent=True) from None


def storage_path(folder: str, url: str, content_type: str) -> str:
    """Return where a recording goes: the same place however its address is signed this time.

    The folder is our row's id, so a policy of the bucket can tell whose it is.
    """
    parts = urlsplit(url)
    plain = f"{parts.scheme}://{parts.netloc}{parts.path}"
    name = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    told = PurePosixPath(parts.path).suffix.lower()
    suffix = SUFFIXES.get(content_type) or (told if told in SUFFIXES.values() else ".bin")
    return f"{folder}/{name}{suffix}"


def _content_type(answer: Stream) -> str:
    """Return the type of a recording. Raises NotCopied for an answer that is none."""
    if answer.status != 200:
        later = answer.status in LATER or answer.status >= 500
        raise NotCopied(f"The address answered {answer.status}.", permanent=not later)
    told = answer.headers.get("content-type", OCTETS).partition(";")[0].strip().lower()
    if not (told.startswith(("video/", "audio/")) or told == OCTETS):
        raise NotCopied(f"The address has {told[:100]!r}, no recording.", permanent=True)
    if "content-encoding" in answer.headers:
        raise NotCopied("The recording comes encoded.", permanent=True)
    return told


def _size(answer: Stream) -> int | None:
    told = answer.headers.get("content-length", "")
    is_number = told.isascii() and told.isdigit() and len(told) <= LONGEST_SIZE
    return int(told) if is_number and "transfer-encoding" not in answer.headers else None


def _failure(error: ConvohooksError, tries: int) -> dict[str, Any]:
    """Return what is written down of a failed try; without `retry_seconds` it was the last."""
    told: dict[str, Any] = {"error": error.detail[:MAX_ERROR]}
    permanent = getattr(error, "permanent", False) and isinstance(error, BadGateway | EgressError)
    if permanent or tries > len(WAITS):
        return told
    return {**told, "retry_seconds": WAITS[tries - 1]}
