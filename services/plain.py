"""What others have told, as it may stand in a log or on a terminal."""

from __future__ import annotations

import re
from unicodedata import category

STARS = "***"

_OPAQUE = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_=.~-]{24,}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def printable(text: str, keep: str = "") -> str:
    """Return a text in which signs that steer a terminal are written out, but for those to keep.

    Those are all that Unicode does not call printable, but for spaces: controls, also those that
    turn the direction of writing, and what else breaks a line.
    """
    if text.isprintable():
        return text
    return "".join(
        sign
        if sign.isprintable() or sign in keep or category(sign) == "Zs"
        else sign.encode("unicode_escape").decode()
        for sign in text
    )


def shown_path(path: str) -> str:
    """Return an address's path; a part that looks like a token is overwritten, no UUID is."""
    return "/".join(map(_shown_part, path.split("/")))


def _shown_part(part: str) -> str:
    is_token = _OPAQUE.fullmatch(part) and not _UUID.fullmatch(part)
    return STARS if is_token else printable(part)
