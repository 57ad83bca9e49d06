"""What Calendly is to tell us, and where: its subscriptions that call this service.

Calendly disables a subscription whose calls were not taken for a day, and then never calls again;
it has no way to enable one, so it is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode, urlsplit

import structlog

from services.clients.calendly import Account, CalendlyClient, Subscription
from services.errors import ConvohooksError, SettingsError
from services.providers.calendly import CALENDLY
from services.redaction import mask_sentence
from services.settings import Settings

EVERY = 900.0
"""Seconds between two looks at whether Calendly still calls."""
SCOPES = ("organization", "user")
EVENTS = tuple(CALENDLY.events)

log = structlog.get_logger()

Outcome = Literal["created", "current", "recreated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensured:
    """A subscription, and whether it had to be made."""

    outcome: Outcome
    subscription: Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription as it is to be."""

    url: str
    events: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """Keeps Calendly's subscriptions to this service; raises the errors of `CalendlyClient`."""

    settings: Settings
    calendly: CalendlyClient
    removed: list[Wanted] = field(default_factory=list)
    """What was removed to be made anew, and could not be made: the next repair does it."""

    def every(self) -> list[Subscription]:
        """Return all subscriptions that the key may see, whomever they call."""
        account = self.calendly.account()
        return [one for scope in SCOPES for one in self.calendly.subscriptions(account, scope)]

    def subscribe(self, scope: str, *, again: bool = False) -> Ensured:
        """Have Calendly call this service for all that it understands.

        One that is disabled, lacks an event, or has another token in its address is made anew;
        `again` does that to any, as a new signing key wants it.
        """
        wanted = Wanted(url=callback_url(self.settings), events=EVENTS, scope=scope)
        account = self.calendly.account()
        mine = list(self._ours(account, [scope]))
        current = [one for one in mine if _is_current(one, wanted)]
        if current and not again:
            return Ensured(outcome="current", subscription=current[0])
        return self._replace(account, mine, wanted)

    def repair(self) -> list[Ensured]:
        """Make anew what calls this service and was disabled, for the events that it had."""
        url = callback_url(self.settings)
        account = self.calendly.account()
        mine = list(self._ours(account, SCOPES))
        self._forget_made(mine)
        made = [self._replace(account, (), wanted) for wanted in tuple(self.removed)]
        return made + [self._repair(account, url, one) for one in mine]

    def work(self) -> bool:
        """Repair, and say so in the log; nothing is ever left over."""
        for one in self.repair():
            if one.outcome != "current":
                log.warning("subscription made anew", subscription=one.subscription.uri)
        return False

    def _ours(self, account: Account, scopes: Sequence[str]) -> Iterator[Subscription]:
        here = self.settings.public_base_url + CALENDLY.paths[0]
        for scope in scopes:
            found = list(self.calendly.subscriptions(account, scope))
            yield from (one for one in found if one.callback_url.partition("?")[0] == here)

    def _forget_made(self, mine: Sequence[Subscription]) -> None:
        # Calendly's answer was lost, or somebody else made it: Calendly would refuse it for ever.
        there = {(one.callback_url, one.scope) for one in mine}
        self.removed[:] = [one for one in self.removed if (one.url, one.scope) not in there]

    def _repair(self, account: Account, url: str, one: Subscription) -> Ensured:
        if one.state != "disabled":
            return Ensured(outcome="current", subscription=one)
        wanted = Wanted(url=url, events=one.events or EVENTS, scope=one.scope)
        return self._replace(account, [one], wanted)

    def _replace(self, account: Account, old: Sequence[Subscription], wanted: Wanted) -> Ensured:
        # Calendly takes an address once: what has it goes first.
        for one in old:
            self.calendly.unsubscribe(one.uri)
        if old:
            self.removed.append(wanted)
        made = self._make(account, wanted)
        is_anew = wanted in self.removed
        if is_anew:
            self.removed.remove(wanted)
        return Ensured(outcome="recreated" if is_anew else "created", subscription=made)

    def _make(self, account: Account, wanted: Wanted) -> Subscription:
        key = next(iter(self.settings.calendly_webhook_signing_keys), None)
        try:
            return self.calendly.subscribe(account, wanted.url, wanted.events, wanted.scope, key)
        except ConvohooksError as error:
            # Calendly may repeat an address that it does not like, and ours may hold the token.
            error.detail = mask_sentence(error.detail, secrets_of(self.settings))
            if wanted in self.removed:
                error.detail = f"The old subscription is gone, and no new one made: {error.detail}"
            raise


def callback_url(settings: Settings) -> str:
    """Return where Calendly is to call; without a signing key its token proves the call.

    Raises SettingsError when Calendly could not call there, or would be refused.
    """
    url = settings.public_base_url + CALENDLY.paths[0]
    if urlsplit(url).scheme != "https":
        raise SettingsError(f"PUBLIC_BASE_URL: Calendly calls https addresses only, not {url}.")
    if settings.calendly_webhook_signing_keys:
        return url
    if settings.calendly_webhook_tokens:
        return f"{url}?{urlencode({'t': settings.calendly_webhook_tokens[0]})}"
    raise SettingsError("CALENDLY_WEBHOOK_SIGNING_KEY is not set: its calls would be refused.")


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Return what our calls to Calendly carry, and nobody else is to read."""
    return (*settings.calendly_webhook_tokens, *settings.calendly_webhook_signing_keys)


def _is_current(one: Subscription, wanted: Wanted) -> bool:
    is_whole = set(wanted.events) <= set(one.events)
    return one.state != "disabled" and one.callback_url == wanted.url and is_whole
