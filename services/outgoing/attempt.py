"""One attempt of a delivery: signed, sent once, and understood, whatever comes back."""

from __future__ import annotations

import time
from codecs import getincrementaldecoder
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

import structlog

from services.egress import Answer, Egress, EgressError, Unreachable
from services.outgoing.schedule import asked_wait, next_wait
from services.outgoing.signing import NoSecret, body_of, signed_headers
from services.telemetry import tracing
from services.validation import storable

READ = 1_000_000
"""Bytes of an answer that are read at most."""
KEPT = 4096
"""Bytes of an answer that are kept for its endpoint's owner."""
REDIRECTS = range(300, 400)

log = structlog.get_logger()

Claimed = Mapping[str, Any]
"""A delivery as it is claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an attempt ended; `retry_seconds` is None where none follows."""

    outcome: Literal["delivered", "failed"]
    status: int | None = None
    error: str | None = None
    response: str | None = None
    duration_ms: float
    retry_seconds: float | None = None
    gone: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Makes attempts, each of `timeout` seconds at most, from the name's look-up to the last byte.

    It holds nothing between them, so threads share one.
    """

    egress: Egress
    timeout: float

    def send(self, delivery: Claimed, at: datetime) -> Attempt:
        """Make one attempt, signed for the time `at`; what goes wrong is told, never raised."""
        with tracing.span(
            "delivery attempt",
            kind="CLIENT",
            delivery_id=delivery["id"],
            webhook_id=delivery["webhook_id"],
            attempt=delivery.get("attempt"),
        ) as span:
            attempt = self._attempt(delivery, at)
            span.tell(outcome=attempt.outcome, status=attempt.status)
        return attempt

    def _attempt(self, delivery: Claimed, at: datetime) -> Attempt:
        started = time.monotonic()
        try:
            return _answered(delivery, self._post(delivery, at), at)
        except (EgressError, NoSecret) as error:
            timed_out = isinstance(error, Unreachable) and error.timed_out
            is_over = time.monotonic() - started >= self.timeout
            sentence = self._too_late() if timed_out and is_over else error.detail
        except Exception:  # a defect of ours must not lose the delivery
            log.exception("attempt failed", delivery_id=delivery["id"])
            timed_out, sentence = False, "The attempt could not be made."
        return Attempt(
            outcome="failed",
            error=storable(sentence),
            duration_ms=1000 * (time.monotonic() - started),
            retry_seconds=next_wait(delivery["tries"], delivery["retry_schedule"]),
            timed_out=timed_out,
        )

    def _post(self, delivery: Claimed, at: datetime) -> Answer:
        body = body_of(delivery["payload"])
        headers = signed_headers(
            webhook_id=delivery["webhook_id"],
            event_type=delivery["event_type"],
            body=body,
            secrets=delivery["secrets"],
            at=at,
            own=delivery["headers"],
        )
        return self.egress.request(
            "POST",
            delivery["url"],
            headers=headers,
            body=body,
            timeout=self.timeout,
            max_bytes=READ,
        )

    def _too_late(self) -> str:
        return f"The endpoint did not answer within {self.timeout:g} seconds."


def _answered(delivery: Claimed, answer: Answer, at: datetime) -> Attempt:
    told: dict[str, Any] = {
        "status": answer.status,
        "response": _text(answer.body),
        "duration_ms": 1000 * answer.duration,
    }
    if 200 <= answer.status < 300:
        return Attempt(outcome="delivered", **told)
    gone = answer.status == HTTPStatus.GONE
    wait = next_wait(delivery["tries"], delivery["retry_schedule"], asked_wait(answer.headers, at))
    return Attempt(
        outcome="failed",
        error=_sentence(answer.status),
        retry_seconds=None if gone else wait,
        gone=gone,
        **told,
    )


def _sentence(status: int) -> str:
    if status == HTTPStatus.GONE:
        return "The endpoint answered 410: it is gone, and wants nothing more."
    if status in REDIRECTS:
        return f"The endpoint answered {status}, a redirect; none is followed."
    return f"The endpoint answered {status}; a status from 200 to 299 was wanted."


def _text(body: bytes) -> str:
    """Return the beginning of an answer as text; a character that is cut in two is left out."""
    decoder = getincrementaldecoder("utf-8")("replace")
    return decoder.decode(body[:KEPT], final=len(body) <= KEPT).replace("\0", "")
