"""Who a person's token speaks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import jwt
from cachetools import TTLCache

from services.database import Database
from services.errors import Forbidden, Unauthorized, Unavailable
from services.security import sha256_hex

AUDIENCE = "authenticated"
ASYMMETRIC = ("ES256", "RS256")
REMEMBERED_SECONDS = 30
KEYS_SECONDS = 600
"""How long a key of the project is believed after it was last published."""
LEEWAY = 30
"""Seconds that clocks may differ: PostgREST takes no token from further in the future."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A signed-in person, anonymous ones too. Their token is what their reads are made with."""

    id: UUID
    token: str = field(repr=False)
    is_anonymous: bool = False
    email: str | None = None


class People:
    """Verifies tokens of Supabase Auth.

    Projects with asymmetric signing keys publish them (JWKS), so those tokens are checked here; a
    token signed with the project's shared secret is shown to Supabase Auth, which holds the secret.
    https://supabase.com/docs/guides/auth/jwts
    """

    def __init__(
        self, supabase_url: str, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        """Fetch no key before the first token."""
        self._keys = jwt.PyJWKClient(
            f"{supabase_url}/auth/v1/.well-known/jwks.json",
            # One key alone would be remembered for ever, past the day on which it is revoked.
            cache_keys=False,
            lifespan=KEYS_SECONDS,
            timeout=5,
        )
        self._database = database
        self._clock = clock
        self._verified: TTLCache[str, dict[str, Any]] = TTLCache(1024, REMEMBERED_SECONDS)

    def person(
        self, authorization: str | None, before_asking: Callable[[], None] = lambda: None
    ) -> Person:
        """Return the person of an `Authorization` header. Raises Unauthorized, Unavailable.

        `before_asking` is called before Supabase Auth is, and may raise what refuses the call.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("A person's token is wanted: Authorization: Bearer <access token>.")
        token = token.strip()
        claims = self._claims(token, before_asking)
        try:
            return Person(
                id=UUID(claims["sub"]),
                token=token,
                is_anonymous=claims.get("is_anonymous") is True,
                email=_email(claims),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Unauthorized("The token names no account.") from None

    def require_admin(self, person: Person) -> None:
        """Raise Forbidden for a person who is no admin, Unavailable where nobody can tell."""
        if not self._database.is_admin(person.token, person.id):
            raise Forbidden("Only admins may do this.")

    def _claims(self, token: str, before_asking: Callable[[], None]) -> dict[str, Any]:
        name = sha256_hex(token.encode("utf-8", "surrogatepass"))
        claims = self._verified.get(name) or self._verify(token, before_asking)
        if int(claims["exp"]) <= self._clock():
            raise Unauthorized("The token has expired.")
        if claims.get("role") != AUDIENCE:
            raise Unauthorized("The token is not a signed-in person's.")
        self._verified.setdefault(name, claims)
        return claims

    def _verify(self, token: str, before_asking: Callable[[], None]) -> dict[str, Any]:
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            if algorithm in ASYMMETRIC:
                if not self._has_keys():
                    before_asking()
                return self._by_key(token)
            if algorithm == "HS256":
                return self._by_auth_server(token, before_asking)
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable("Supabase Auth's keys cannot be fetched.") from error
        except (jwt.PyJWTError, ValueError):
            raise Unauthorized("The token is not valid.") from None
        raise Unauthorized("The token is not signed by Supabase Auth.")

    def _has_keys(self) -> bool:
        cache = self._keys.jwk_set_cache
        return cache is not None and cache.get() is not None

    def _by_key(self, token: str) -> dict[str, Any]:
        key = self._keys.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ASYMMETRIC,
            audience=AUDIENCE,
            leeway=LEEWAY,
            options={"require": ["exp", "sub"]},
        )
        return claims

    def _by_auth_server(self, token: str, before_asking: Callable[[], None]) -> dict[str, Any]:
        # Every claim but the signature is checked first, so that hopeless tokens cost no request.
        claims: dict[str, Any] = jwt.decode(
            token,
            audience=AUDIENCE,
            leeway=LEEWAY,
            options={
                "verify_signature": False,
                "verify_exp": True,
                "verify_iat": True,
                "verify_nbf": True,
                "verify_aud": True,
                "require": ["exp", "sub", "aud"],
            },
        )
        before_asking()
        account = self._database.account(token)
        if account is None or account.get("id") != claims["sub"]:
            raise Unauthorized("The token is not valid.")
        return claims


def _email(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    return email if isinstance(email, str) and email else None
