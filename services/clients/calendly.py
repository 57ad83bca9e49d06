"""Calendly's API. https://developer.calendly.com/api-docs"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.clients.api import ApiClient
from services.clients.pace import Pace
from services.errors import BadGateway, ConvohooksError, NotFound, TooManyRequests
from services.settings import Settings

Json = Any
Kind = TypeVar("Kind", bound=BaseModel)
PAGE = 100
MAX_PAGES = 100
PER_MINUTE = 100
"""Calls that are fewer than the least that any plan of Calendly's allows to one user."""
BUSY_SECONDS = 60
SUBSCRIPTIONS = "/webhook_subscriptions"
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Account(_Told):
    """Whose key it is: the addresses of a user and of their organization."""

    uri: str
    current_organization: str


class Link(_Told):
    """A link by which one appointment can be made."""

    booking_url: str = Field(max_length=2000, pattern=r"^https://[^\s\"'<>]+$")


class Subscription(_Told):
    """An address that Calendly calls, and for what."""

    uri: str
    callback_url: str
    state: str = "active"
    events: tuple[str, ...] = ()
    scope: str = "organization"
    organization: str | None = None
    user: str | None = None
    created_at: str | None = None
    retry_started_at: str | None = None


class CalendlyClient(ApiClient):
    """`ApiClient` with Calendly's key, address and pace; it raises the same errors."""

    def __init__(self, settings: Settings) -> None:
        """Take the key and the address; without a key every call is refused by Calendly."""
        super().__init__(
            "Calendly",
            settings.calendly_base_url,
            {"Authorization": f"Bearer {settings.calendly_api_key or ''}"},
            explain=_explain,
            pace=Pace("Calendly", PER_MINUTE, settings.rate_limit_storage_url),
        )

    def account(self) -> Account:
        """Return whose key it is."""
        return _resource(Account, self.get("/users/me"))

    def make_link(self, event_type: str) -> Link:
        """Make a link for one appointment of an event type, named by its address."""
        wanted = {"max_event_count": 1, "owner": event_type, "owner_type": "EventType"}
        return _resource(Link, self.post("/scheduling_links", wanted))

    def subscriptions(self, account: Account, scope: str) -> Iterator[Subscription]:
        """Return every subscription of the organization, or (`scope` user) of the user."""
        query: dict[str, str | int] = {"organization": account.current_organization, "scope": scope}
        query["count"] = PAGE
        if scope == "user":
            query["user"] = account.uri
        for _ in range(MAX_PAGES):
            answer = self.get(SUBSCRIPTIONS, **query)
            yield from _collection(answer)
            following = _next_page(answer)
            if not following or following == query.get("page_token"):
                return
            query["page_token"] = following

    def subscribe(
        self,
        account: Account,
        url: str,
        events: Sequence[str],
        scope: str,
        signing_key: str | None = None,
    ) -> Subscription:
        """Have Calendly call an address; with a key it signs its calls."""
        wanted = {
            "url": url,
            "events": list(events),
            "organization": account.current_organization,
            "scope": scope,
            **({"user": account.uri} if scope == "user" else {}),
            **({"signing_key": signing_key} if signing_key else {}),
        }
        return _resource(Subscription, self.post(SUBSCRIPTIONS, wanted))

    def unsubscribe(self, name: str) -> None:
        """Remove a subscription, named by its address or the id at its end."""
        found = name.rstrip("/").rpartition("/")[2]
        if not ID.fullmatch(found):
            raise NotFound("That names no subscription; its address or id is wanted.")
        self.delete(f"{SUBSCRIPTIONS}/{found}")


def _resource(kind: type[Kind], answer: Json) -> Kind:
    try:
        return kind.model_validate(answer["resource"])
    except (KeyError, TypeError, ValidationError):
        raise BadGateway(f"Calendly answered without a {kind.__name__.lower()}.") from None


def _collection(answer: Json) -> Iterator[Subscription]:
    told = answer.get("collection") if isinstance(answer, dict) else None
    if not isinstance(told, list):
        raise BadGateway("Calendly answered without its list of subscriptions.")
    for entry in told:
        yield _resource(Subscription, {"resource": entry})


def _next_page(answer: Json) -> str | None:
    pages = answer.get("pagination")
    token = pages.get("next_page_token") if isinstance(pages, dict) else None
    return token if isinstance(token, str) else None


def _explain(status: int, sentence: str) -> ConvohooksError | None:
    if status == 429:
        return TooManyRequests(f"Calendly: {sentence}", limit=0, retry_after=BUSY_SECONDS)
    if status == 401:
        return BadGateway("Calendly does not accept the CALENDLY_API_KEY of this service.")
    return None
