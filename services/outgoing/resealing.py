"""After a change of WEBHOOK_SECRETS_KEY: seal with the first key what another key has sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from services.outgoing.store import OutgoingStore, Row

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """How many values the first key had sealed already, does now, and no key that is set opens."""

    fresh: int = 0
    resealed: int = 0
    unreadable: int = 0


def reseal(store: OutgoingStore) -> Resealed:
    """Seal everything anew that is not of the first key. Doing it again changes nothing.

    What changes meanwhile stays as it has become. Raises what the store's methods do.
    """
    told = Resealed()
    for page in _pages(store):
        told = _add(told, _page(store, page))
    return told


def _pages(store: OutgoingStore) -> Iterator[list[Row]]:
    after = ""
    while page := store.sealed_values(after, PAGE):
        yield page
        after = page[-1]["place"]


def _page(store: OutgoingStore, page: list[Row]) -> Resealed:
    stale = [each for each in page if not store.vault.is_fresh(each["value"])]
    anew = [
        {"place": each["place"], "was": each["value"], "value": store.vault.seal(secret)}
        for each in stale
        for secret in store.vault.opened([each["value"]])
    ]
    resealed = store.reseal_values(anew) if anew else 0
    return Resealed(
        fresh=len(page) - len(stale), resealed=resealed, unreadable=len(stale) - len(anew)
    )


def _add(one: Resealed, other: Resealed) -> Resealed:
    return replace(
        one,
        fresh=one.fresh + other.fresh,
        resealed=one.resealed + other.resealed,
        unreadable=one.unreadable + other.unreadable,
    )
