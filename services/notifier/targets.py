"""Where messages go: the addresses of the settings.

These are the operator's own and may be in their network, so they are called directly, not by
`services.egress`, which refuses private addresses; as carefully otherwise: no redirect, no proxy, a
time limit, and an address, which may be a secret, is in no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

import requests

from services.errors import ConvohooksError
from services.notifier.messages import Message, as_json, as_slack
from services.outgoing.signing import body_of, signed_headers, user_agent
from services.settings import Settings

TIMEOUT = (3.05, 10.0)
"""Seconds until the connection is taken, and between two bytes of the answer."""
READ = 200
"""Bytes of a refusal that are kept."""


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


def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """POST JSON once. Raises NotSent, which says why and not where."""
    sent = {"Content-Type": "application/json", "User-Agent": user_agent(), **headers}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                url, data=body, headers=sent, timeout=TIMEOUT, allow_redirects=False, stream=True
            )
            with answer:
                _check(answer)
    except requests.RequestException as error:
        raise NotSent(f"It cannot be reached ({type(error).__name__}).") from None


def _check(answer: requests.Response) -> None:
    if HTTPStatus(200) <= answer.status_code < HTTPStatus(300):
        return
    told = next(answer.iter_content(READ), b"").decode("utf-8", "replace")
    said = "".join(filter(str.isprintable, told))
    raise NotSent(f"It answered {answer.status_code}; 2xx was wanted. {said}".strip())


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
