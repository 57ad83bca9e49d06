"""Endpoints' secrets as the database holds them."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from services.outgoing.vault import Vault

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_what_is_sealed_shows_nothing_and_opens_again() -> None:
    vault = Vault([NEW])

    sealed = vault.seal(SECRET)

    assert SECRET not in sealed
    assert vault.opened([sealed]) == [SECRET]


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    vault = Vault([NEW])

    assert vault.seal(SECRET) != vault.seal(SECRET)


def test_without_a_key_secrets_stay_as_they_are() -> None:
    assert Vault().seal(SECRET) == SECRET
    assert Vault([NEW]).opened([SECRET]) == [SECRET]


def test_an_older_key_still_opens() -> None:
    sealed = Vault([OLD]).seal(SECRET)

    assert Vault([NEW, OLD]).opened([sealed]) == [SECRET]


@pytest.mark.parametrize("keys", [(), (NEW,)])
def test_what_no_key_opens_is_left_out(keys: tuple[str, ...]) -> None:
    sealed = Vault([OLD]).seal(SECRET)

    assert Vault(keys).opened([sealed, "whsec_bmV3"]) == ["whsec_bmV3"]


@pytest.mark.parametrize(
    "changed", ["sealed:", "sealed:\u00e9", "sealed:AAAA", "sealed:" + "A" * 200]
)
def test_what_somebody_has_changed_is_left_out(changed: str) -> None:
    assert Vault([NEW]).opened([changed]) == []
