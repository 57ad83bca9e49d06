"""How a secret may be written where nobody looks for it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote

LONG_ENOUGH = 10
"""Characters of base64 that are no accident."""


def forms(secret: str) -> dict[str, str]:
    """Return every form of a secret that is searched for, with what it is called."""
    found: dict[str, str] = {}
    for text, called in _forms(secret):
        found.setdefault(text, called)
        found.setdefault(_as_bytes(text.encode()), called)
    for encoding in ("utf-16-le", "utf-16-be"):
        # The NUL before the first letter or after the last is no part of what is looked for.
        found.setdefault(_as_bytes(secret.encode(encoding).strip(b"\x00")), "UTF-16")
    return found


def _forms(secret: str) -> Iterator[tuple[str, str]]:
    raw = secret.encode()
    yield secret, "clear"
    yield json.dumps(secret, ensure_ascii=False)[1:-1], "JSON"
    yield json.dumps(secret)[1:-1], "JSON"
    yield "".join(f"\\u{ord(letter):04x}" for letter in secret), "JSON escapes"
    yield quote(secret, safe=""), "percent-encoded"
    yield quote(secret), "percent-encoded"
    yield raw.hex(), "hex"
    yield raw.hex().upper(), "hex"
    for shift in (0, 1, 2):
        if len(core := _base64(raw, shift)) >= LONG_ENOUGH:
            yield core, "base64"
            yield core.translate(str.maketrans("+/", "-_")), "base64 for URLs"


def _base64(raw: bytes, shift: int) -> str:
    """Return what base64 makes of some bytes for certain when `shift` others stand before them."""
    encoded = b64encode(b"\x00" * shift + raw).decode()
    return encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]


def _as_bytes(raw: bytes) -> str:
    """Return bytes as Postgres writes them: `encode(…, 'escape')`."""
    return "".join(
        f"\\{byte:03o}" if byte == 0 or byte > 127 else "\\\\" if byte == 92 else chr(byte)
        for byte in raw
    )
