"""A project's signing keys: a new one is believed, one that is revoked is not for long."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from services import people
from services.errors import Unauthorized, Unavailable
from services.people import People
from tests.whole_app import ID

OLD, NEW = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
NAMES = {OLD: "old", NEW: "new"}
BELIEVED_SECONDS = 0.05


class Auth(BaseHTTPRequestHandler):
    """Supabase Auth, which publishes the keys that are good."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": [public(key) for key in self.server.keys]}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def public(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    told = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return {**told, "kid": NAMES[key], "alg": "ES256", "use": "sig"}


def token(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a token that nobody has shown before."""
    claims = {"sub": ID, "aud": "authenticated", "role": "authenticated", "n": time.monotonic_ns()}
    told = {**claims, "exp": int(time.time()) + 600}
    return jwt.encode(told, key, "ES256", headers={"kid": NAMES[key]})


@pytest.fixture(name="auth")
def _auth(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setattr(people, "KEYS_SECONDS", BELIEVED_SECONDS)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Auth)
    server.keys = [OLD]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def is_believed(known: People, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        return str(known.person(f"Bearer {token(key)}").id) == ID
    except Unauthorized:
        return False


def test_a_key_that_is_published_no_more_is_forgotten(auth: ThreadingHTTPServer) -> None:
    known = People(f"http://127.0.0.1:{auth.server_port}", database=None)  # type: ignore[arg-type]
    assert is_believed(known, OLD)
    assert not is_believed(known, NEW)

    auth.keys = [NEW]  # type: ignore[attr-defined]

    until = time.monotonic() + 10
    while is_believed(known, OLD) and time.monotonic() < until:
        threading.Event().wait(BELIEVED_SECONDS)
    assert not is_believed(known, OLD)
    assert is_believed(known, NEW)


def test_a_token_is_over_when_it_says_so_though_it_was_believed_before(
    auth: ThreadingHTTPServer,
) -> None:
    now = time.time()
    known = People(
        f"http://127.0.0.1:{auth.server_port}",
        database=None,  # type: ignore[arg-type]
        clock=lambda: now,
    )
    shown = f"Bearer {token(OLD)}"
    believed = str(known.person(shown).id)

    now += 601

    with pytest.raises(Unauthorized, match="has expired"):
        known.person(shown)
    assert believed == ID


def test_a_token_is_not_judged_while_the_keys_cannot_be_fetched() -> None:
    known = People("http://127.0.0.1:1", database=None)  # type: ignore[arg-type]

    with pytest.raises(Unavailable, match="keys cannot be fetched"):
        known.person(f"Bearer {token(OLD)}")
