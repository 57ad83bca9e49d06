"""Is it this service that answers at an address? Asked with a number that is used once.

Only a service with our settings knows the answer: a page that the tunnel's owner shows when nothing
is behind it, or one from a cache, does not pass.
"""

from __future__ import annotations

import re
import secrets

import requests
import urllib3

from services import security
from services.settings import Settings

HEALTH_PATH = "/health"
NONCE = re.compile(r"[0-9a-f]{32}")
PURPOSE = b"convohooks: the service at this address"
CONNECT, READ = 3.05, 5.0
LONGEST = 4096
HEADERS = {
    "User-Agent": "Convohooks",
    "Accept": "application/json",
    "Cache-Control": "no-store",
    # These two show browsers a page of their own first, unless asked not to.
    "ngrok-skip-browser-warning": "1",
    "bypass-tunnel-reminder": "1",
}


def prove(settings: Settings, nonce: str) -> str | None:
    """Return the proof for a nonce, None for what is none.

    Anybody may ask for proofs, so their key is one of its own, which opens nothing.
    """
    if not NONCE.fullmatch(nonce):
        return None
    key = security.hmac_sha256_hex(settings.supabase_secret_key, PURPOSE)
    return security.hmac_sha256_hex(key, nonce.encode())


def problem_at(url: str, settings: Settings) -> str | None:
    """Ask at an address; return None when this service answers, else what was found there."""
    nonce = secrets.token_hex(16)
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                url + HEALTH_PATH,
                params={"proof": nonce},
                headers=HEADERS,
                timeout=(CONNECT, READ),
                allow_redirects=False,
                stream=True,
            )
            told = answer.raw.read(LONGEST, decode_content=True)
    # urllib3's own errors come out of a body that breaks off.
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return f"no answer ({type(error).__name__})"
    expected = prove(settings, nonce) or ""
    if expected.encode() in told:
        return None
    return f"something else answers there ({answer.status_code})"
