"""Every verifier is total: whatever is presented, a verdict, and twice the same."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services import security
from services.errors import Unauthorized
from services.inbound import Inbound
from services.people import People
from services.provider import Credential
from services.providers.tavus.verify import SIGNATURE_HEADERS, verify
from services.settings import Settings

ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF))
ROW = "8a5e1d9e-6b7e-4f3a-9a39-2f1ef5a1c111"
BODY = b'{"conversation_id": "c1"}'
SETTINGS = Settings(
    supabase_url="https://project.example.test",
    supabase_secret_key="service",
    supabase_publishable_key="public",
    public_base_url="https://hooks.example.test",
    tavus_webhook_tokens=("token", "old token"),
    tavus_webhook_secrets=("secret",),
    callback_signing_keys=("key",),
)
UNCONFIGURED = replace(
    SETTINGS, tavus_webhook_tokens=(), tavus_webhook_secrets=(), callback_signing_keys=()
)
ROW_TOKEN = security.hmac_sha256_hex("key", ROW.encode())
SIGNATURE = security.hmac_sha256_hex("secret", BODY)
PRESENTED = ANY_TEXT | st.sampled_from(
    ["", "token", "token ", "old token", ROW, ROW_TOKEN, SIGNATURE, f"sha256={SIGNATURE}", "\x00"]
)
QUERY = st.dictionaries(st.sampled_from(["t", "c"]), PRESENTED)
HEADERS = st.dictionaries(st.sampled_from([*SIGNATURE_HEADERS, "x-other"]), PRESENTED)


def call(query: dict[str, str], headers: dict[str, str], body: bytes) -> Inbound:
    return Inbound(
        method="POST",
        path="/api/tavus/webhook",
        query=query,
        headers=headers,
        body=body,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def verdict(inbound: Inbound, configured: Settings) -> Credential | str:
    try:
        return verify(inbound, configured)
    except Unauthorized as refused:
        return refused.detail


def is_authentic(query: dict[str, str], headers: dict[str, str], body: bytes) -> bool:
    """Say plainly what opens the door."""
    presented = [headers[name] for name in SIGNATURE_HEADERS if name in headers]
    right = [told.strip().lower().removeprefix("sha256=") == SIGNATURE for told in presented]
    if (body != BODY and presented) or not all(right):
        return False
    if "c" in query:
        return query["c"] == ROW and query.get("t") == ROW_TOKEN
    return bool(presented) or query.get("t") in SETTINGS.tavus_webhook_tokens


@settings(max_examples=400)
@given(query=QUERY, headers=HEADERS, body=st.just(BODY) | st.binary())
@example(query={"t": "token"}, headers={}, body=b"\x00")
@example(query={"c": ROW, "t": ROW_TOKEN}, headers={}, body=b"")
@example(query={}, headers={"x-tavus-signature": SIGNATURE}, body=BODY)
@example(query={"t": "token"}, headers={"tavus-signature": "\ud800"}, body=BODY)
def test_callback_is_let_in_by_nothing_but_a_proof(
    query: dict[str, str], headers: dict[str, str], body: bytes
) -> None:
    presented = (dict(query), dict(headers))
    found = verdict(call(query, headers, body), SETTINGS)

    assert isinstance(found, Credential) is is_authentic(query, headers, body)
    assert verdict(call(query, headers, body), SETTINGS) == found
    assert (query, headers) == presented


@given(query=QUERY, headers=HEADERS, body=st.just(BODY) | st.binary())
def test_nothing_is_let_in_where_nothing_is_configured(
    query: dict[str, str], headers: dict[str, str], body: bytes
) -> None:
    assert isinstance(verdict(call(query, headers, body), UNCONFIGURED), str)


@given(ANY_TEXT, st.binary(), ANY_TEXT)
def test_hmac_is_the_same_for_the_same(secret: str, body: bytes, other: str) -> None:
    signature = security.hmac_sha256_hex(secret, body)

    assert security.hmac_sha256_hex(secret, body) == signature
    assert security.signature_matches(signature, body, [secret]) is bool(secret)
    assert security.equals_any(other, [other, secret]) is bool(other)


KEY = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"exp": 4_000_000_000, "sub": ROW, "aud": "authenticated", "role": "authenticated"}
TOKEN = jwt.encode(CLAIMS, KEY, "ES256", headers={"kid": "k1"})
ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, "", "4000000000", "\ud800", [], {}, [{}], 10**400, float("inf"), -1, "ES256",
         "HS256", "none", "k1", "authenticated", ROW]
    ),
    st.floats(),
    st.integers(),
    ANY_TEXT,
)  # fmt: skip
CLAIM_NAMES = st.sampled_from(["exp", "sub", "aud", "role", "iat", "nbf", "is_anonymous", "iss"])
HEADER_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku"])


class Keys(jwt.PyJWKClient):
    """The project's published keys, without the way there."""

    def fetch_data(self) -> Any:
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [{**key, "kid": "k1", "use": "sig", "alg": "ES256"}]}


class AuthServer:
    """Supabase Auth: knows no token, or vouches for any."""

    def __init__(self, account: dict[str, Any] | None) -> None:
        self.answer = account

    def account(self, token: str) -> dict[str, Any] | None:
        token.encode("ascii")  # as the HTTP client does
        return self.answer


def people(account: dict[str, Any] | None = None) -> People:
    made = People("https://project.example.test", AuthServer(account))  # type: ignore[arg-type]
    made._keys = Keys("https://project.example.test/keys", lifespan=600)
    return made


NOBODYS = people()
ANYBODYS = people({"id": ROW})


def person(of: People, authorization: str | None) -> str | None:
    try:
        return str(of.person(authorization).id)
    except Unauthorized:
        return None


def segment(told: Any) -> str:
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_signed_token_names_its_person() -> None:
    assert person(NOBODYS, f"Bearer {TOKEN}") == ROW


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(TOKEN) - 1), put=ANY_TEXT, removed=st.integers(0, 5))
def test_changed_token_is_nobodys(at: int, put: str, removed: int) -> None:
    changed = TOKEN[:at] + put + TOKEN[at + removed :]

    found = person(NOBODYS, f"Bearer {changed}")

    if decoded(changed) != decoded(TOKEN):
        assert found is None
    assert person(NOBODYS, f"Bearer {changed}") == found


def decoded(token: str) -> list[Any]:
    """Return a token's parts as bytes: spaces around and odd last bits do not change a token."""
    parts = token.strip().split(".")
    try:
        return [base64.b64decode(part + "===", altchars=b"-_") for part in parts]
    except ValueError:
        return parts


@settings(max_examples=400, deadline=None)
@given(header=st.dictionaries(HEADER_NAMES, ODD), claims=st.dictionaries(CLAIM_NAMES, ODD))
@example(header={}, claims={"exp": "4000000000"})
@example(header={}, claims={"exp": float("inf")})
def test_hostile_claims_are_nobodys_unless_auth_vouches(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    told = f"Bearer {segment({'alg': 'HS256', **header})}.{segment({**CLAIMS, **claims})}.eA"

    assert person(NOBODYS, told) is None
    assert person(ANYBODYS, told) in (None, ROW)


@settings(max_examples=300, deadline=None)
@given(claims=st.dictionaries(CLAIM_NAMES, ODD))
@example(claims={"exp": "4000000000"})
def test_signed_token_with_hostile_claims_has_a_verdict(claims: dict[str, Any]) -> None:
    body = f"{segment({'alg': 'ES256', 'kid': 'k1'})}.{segment({**CLAIMS, **claims})}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(
        body.encode(), KEY
    )

    assert person(NOBODYS, f"Bearer {body}.{segment(signature)}") in (None, ROW)


@given(st.none() | ANY_TEXT | ANY_TEXT.map("Bearer {}".format))
@example("Bearer " + segment(b"[" * 6000) + ".e30.eA")
@example("Bearer e30." + segment(b"[" * 6000) + ".eA")
@example(f"Bearer {segment({'alg': 'HS256'})}.{segment(b'[' * 6000)}.eA")
def test_no_header_makes_it_raise(authorization: str | None) -> None:
    assert person(ANYBODYS, authorization) is None


@pytest.mark.parametrize("scheme", ["", "Basic", "Bearer:", "Token"])
def test_other_schemes_are_nobodys(scheme: str) -> None:
    assert person(NOBODYS, f"{scheme} {TOKEN}") is None
