"""Where messages go: the addresses of the settings.

These are the operator's own and may be in their network, so private addresses may be called;
otherwise as customers' are: no redirect, no proxy, one deadline for the whole call, and an address,
which may be a secret, is in no error.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from services.egress import Egress, EgressError, Stream
from services.errors import ConvohooksError
from services.notifier.messages import Message, as_json, as_slack
from services.outgoing.signing import body_of, signed_headers, user_agent
from services.settings import Settings

DEADLINE = 20.0
"""Seconds that a call may take from its first look-up to the answer; the claim lasts three times
as long.
"""
LARGEST = 2**31
"""Bytes that an answer may announce; of a refusal the first 64 KiB are read, of others nothing."""
READ = 200
"""Characters of a refusal that are kept."""
EGRESS = Egress(allow_loopback=True, allow_private=True)


class NotSent(ConvohooksError):
    """A message did not arrive, or nobody can tell whether it did."""


class Target(Protocol):
    """A place that is told, under the name that its messages are kept by."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A program: JSON, signed by Standard Webhooks where there is a secret."""

    url: str = field(repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    name: str = "webhook"

    def send(self, message: Message) -> None:
        """Send it once. Raises NotSent unless the answer is 2xx."""
        body = body_of(as_json(message))
        post(self.url, body, self._headers(message, body))

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        if not self.secrets:
            return {"webhook-id": message.id}
        return signed_headers(
            webhook_id=message.id,
            event_type=message.event_type,
            body=body,
            secrets=self.secrets,
            at=message.at,
            own={},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """A channel of Slack, or of what takes the same incoming webhooks."""

    url: str = field(repr=False)
    name: str = "slack"

    def send(self, message: Message) -> None:
        """Send it once. Raises NotSent unless the answer is 2xx."""
        post(self.url, json.dumps(as_slack(message)).encode(), {})


def post(url: str, body: bytes, headers: Mapping[str, str], deadline: float = DEADLINE) -> None:
    """POST JSON once. Raises NotSent, which says why and not where."""
    plain, credentials = _without_credentials(url)
    sent = {
        "Content-Type": "application/json",
        "User-Agent": user_agent(),
        **credentials,
        **headers,
    }
    call = EGRESS.stream(
        "POST", plain, headers=sent, body=body, timeout=deadline, max_bytes=LARGEST
    )
    try:
        with call as answer:
            _check(answer)
    except EgressError as error:
        host = urlsplit(plain).hostname or ""
        raise NotSent(f"It cannot be reached. {error.detail.replace(host, 'It')}") from None


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL as it is called, and the header for what it says before an @."""
    plain = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    told, at, host = urlsplit(plain).netloc.rpartition("@")
    if not at:
        return plain, {}
    encoded = b64encode(unquote(told).encode()).decode()
    return plain.replace(f"{told}@{host}", host, 1), {"Authorization": f"Basic {encoded}"}


def _check(answer: Stream) -> None:
    if HTTPStatus(200) <= answer.status < HTTPStatus(300):
        return
    told = b""
    with suppress(EgressError):
        told = next(answer.chunks, b"")[:READ]
    said = "".join(filter(str.isprintable, told.decode("utf-8", "replace")))
    raise NotSent(f"It answered {answer.status}; 2xx was wanted. {said}".strip())


def targets_of(settings: Settings) -> tuple[Target, ...]:
    """Return the targets that the settings name."""
    found: list[Target] = []
    if settings.alert_webhook_url:
        found.append(
            Webhook(url=settings.alert_webhook_url, secrets=settings.alert_webhook_secrets)
        )
    if settings.alert_slack_url:
        found.append(Slack(url=settings.alert_slack_url))
    return tuple(found)
