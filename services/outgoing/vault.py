"""Endpoints' secrets as they are stored: sealed with a key of this service's, where there is one.

So a stolen copy of the database signs nothing. Sealed is Fernet: AES-128-CBC and HMAC-SHA256,
https://github.com/fernet/spec/blob/master/Spec.md
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

SEALED = "sealed:"


class Vault:
    """Seals with the first of its keys, opens with any; without a key secrets stay as they are."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        """Take keys as `Fernet.generate_key` makes them: 32 bytes in URL-safe base64."""
        self._box = MultiFernet([Fernet(key) for key in keys]) if keys else None
        self._newest = Vault(keys[:1]) if len(keys) > 1 else self

    def seal(self, secret: str) -> str:
        """Return a secret as it is to be stored."""
        return SEALED + self._box.encrypt(secret.encode()).decode() if self._box else secret

    def is_fresh(self, stored: str) -> bool:
        """Return whether the first key has sealed it; without a key, whether none has."""
        is_sealed = stored.startswith(SEALED)
        return is_sealed == bool(self._box) and bool(self._newest.opened([stored]))

    def opened(self, stored: Sequence[str]) -> list[str]:
        """Return those of some stored secrets that can be read, in their order."""
        found = (self._open(each) for each in stored)
        return [secret for secret in found if secret is not None]

    def _open(self, stored: str) -> str | None:
        if not stored.startswith(SEALED):
            return stored
        try:
            token = stored.removeprefix(SEALED).encode()
            return self._box.decrypt(token).decode() if self._box else None
        except InvalidToken:
            return None
