"""What the texts of settings may be.

Each function returns a text's value, or raises a ValueError whose words follow the setting's name.
"""

from __future__ import annotations

import re
from base64 import b64decode
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet


def parts_of(text: str) -> SplitResult:
    """Return the parts of an address; what its port is may still be an error.

    What is wrong is not told in the library's words, which quote a piece: maybe of a password.
    """
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("has no host in it that can be read") from None


def check_port(parts: SplitResult) -> None:
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has no port in it that can be read") from None


def url(text: str) -> str:
    parts = parts_of(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is no http(s) address without a query")
    check_port(parts)
    return text.rstrip("/")


def alert_url(text: str) -> str:
    parts = parts_of(text)
    is_here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or (parts.scheme != "https" and not is_here):
        raise ValueError("is neither an https address nor an http one of this machine")
    check_port(parts)
    return text


def database_url(text: str) -> str:
    if parts_of(text).scheme not in ("postgres", "postgresql"):
        raise ValueError("is no postgresql:// address")
    return text


def secret_key(text: str) -> str:
    check_header(text)
    if text.startswith("sb_publishable_"):
        raise ValueError("holds a publishable key; the secret key is wanted")
    return text


def publishable_key(text: str) -> str:
    check_header(text)
    if text.startswith("sb_secret_"):
        raise ValueError("holds a secret key; browsers would see it")
    return text


def check_header(text: str) -> None:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has a character that no HTTP header carries")


def header(text: str) -> str:
    check_header(text)
    return text


def bind(text: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    try:
        return f"[{IPv6Address(text.removeprefix('[').removesuffix(']'))}]"
    except ValueError:
        if ":" in text:
            raise ValueError("is no host's address or name; its port is PORT") from None
    return text


def port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError("is no port (1 to 65535)")
    return int(text)


def processes(text: str) -> int:
    return between(1, 256, text, "processes")


def days(text: str) -> int:
    return between(1, 36500, text, "days")


def wait(text: str) -> int:
    return between(1, 86400, text, "seconds")


def hours(text: str) -> int:
    return between(1, 8760, text, "hours")


def rate(text: str) -> int:
    return between(1, 10_000, text, "deliveries")


def concurrency(text: str) -> int:
    return between(1, 100, text, "deliveries")


def deliveries(text: str) -> int:
    return between(1, 4096, text, "deliveries")


def changes(text: str) -> int:
    return between(1, 100_000, text, "changes")


def event_patterns(text: str) -> tuple[str, ...]:
    found = items(text)
    for pattern in found:
        if not re.fullmatch(r"-?[A-Za-z0-9_.*][A-Za-z0-9_.*-]{0,254}", pattern):
            raise ValueError(f"names {pattern!r}, which is no pattern such as conversation.*")
    return found


def switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("is neither 0 nor 1")
    return text == "1"


def bucket(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ValueError("is no name of a bucket (letters, digits, dots, dashes, underscores)")
    return text


def failures(text: str) -> int:
    return between(1, 1000, text, "failures")


def size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1_000_000:
        raise ValueError("is no number of bytes (1000000 or more)")
    return int(text)


def between(least: int, most: int, text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text[:9]) <= most:
        raise ValueError(f"is no number of {what} ({least} to {most})")
    return int(text)


def amount(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError("is no number (0 or more)")
    return int(text)


def storage_url(text: str) -> str:
    scheme, found, _ = text.partition("://")
    if text != "memory://" and (not found or scheme not in ("redis", "rediss", "unix")):
        raise ValueError("is neither memory:// nor a redis://, rediss:// or unix:// address")
    return text


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("is no number of seconds (more than 0, 3600 at most)")
    return seconds


def items(text: str) -> tuple[str, ...]:
    """Return what stands between commas or, as in a file, on lines."""
    return tuple(item.strip() for item in re.split("[,\r\n]", text) if item.strip())


def named_items(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [item.partition("=") for item in items(text)]
    if not all(name.strip() and secret.strip() for name, _, secret in pairs):
        raise ValueError("is no list of id=secret")
    return tuple((name.strip(), secret.strip()) for name, _, secret in pairs)


def fernet_keys(text: str) -> tuple[str, ...]:
    keys = items(text)
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise ValueError("holds no key of 32 bytes in URL-safe base64") from None
    return keys


def dsn(text: str) -> str:
    parts = parts_of(text)
    check_port(parts)
    has_project = parts.path.rpartition("/")[2].isdigit()
    is_address = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    if not is_address or not parts.username or not has_project:
        raise ValueError("is no DSN of Sentry (https://<key>@<host>/<project>)")
    return text


def signing_secrets(text: str) -> tuple[str, ...]:
    found = items(text)
    for secret in found:
        try:
            b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("holds no secret in base64, with or without whsec_") from None
    return found


def header_items(text: str) -> tuple[str, ...]:
    found = items(text)
    for item in found:
        check_header(item)
    return found


def origins(text: str) -> tuple[str, ...]:
    found = items(text)
    for origin in found:
        # Flask-CORS takes what holds a * or a bracket for a pattern, which lets in far more.
        if not re.fullmatch(r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?", origin):
            raise ValueError(f"names {origin!r}, which is no origin (scheme://host[:port])")
    return found


def log_level(text: str) -> str:
    levels = ("debug", "info", "warning", "error")
    if text.lower() not in levels:
        raise ValueError(f"is none of {', '.join(levels)}")
    return text.lower()
