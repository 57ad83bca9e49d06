"""The settings file of a checkout: written once from its example, with secrets of its own."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from services.local.errors import LocalStackError
from services.local.state import write_private

LOOPBACK = {"127.0.0.1", "localhost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a local URL of the settings names."""

    user: str
    password: str
    port: int


def prepare(env_file: Path, example: Path) -> bool:
    """Write the settings file if there is none, add what it lacks; say whether it is new."""
    is_new = not env_file.exists()
    if is_new:
        write_private(env_file, "".join(f"{_fill(line)}\n" for line in _lines(example)))
    else:
        _add_missing(env_file, example)
        env_file.chmod(0o600)
    return is_new


def read(env_file: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the settings; a variable of the environment wins over the file's line."""
    values = {key: value or "" for key, value in dotenv_values(env_file).items()}
    return {key: environ.get(key, value) for key, value in values.items()}


def local_address(settings: Mapping[str, str], key: str) -> Address:
    """Return what the local URL under that key names; a URL elsewhere is a LocalStackError."""
    try:
        parts = urlsplit(settings.get(key, ""))
        port = parts.port
    except ValueError:
        raise LocalStackError(f"{key} in .env is not a URL with a port.") from None
    if parts.hostname not in LOOPBACK or not port:
        raise LocalStackError(
            f"{key} must name a port of 127.0.0.1 for `convohooks dev`, which runs its own "
            f"Supabase; found host {parts.hostname!r}. For a Supabase elsewhere run gunicorn."
        )
    return Address(
        user=unquote(parts.username or ""), password=unquote(parts.password or ""), port=port
    )


def local_port(settings: Mapping[str, str], key: str) -> int:
    """Return the port under that key."""
    value = settings.get(key, "")
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise LocalStackError(f"{key} in .env must be a port number, found {value!r}.")
    return int(value)


def _fill(line: str) -> str:
    if line.startswith("#"):
        return line
    line = line.replace("<base64>", b64encode(secrets.token_bytes(32)).decode())
    return line.replace("<random>", secrets.token_urlsafe(32))


def _add_missing(env_file: Path, example: Path) -> None:
    present = dotenv_values(env_file).keys()
    # One that is given as a file (X_FILE) is not missing.
    missing = [
        line
        for line in _lines(example)
        if (key := _key(line)) and not {key, f"{key}_FILE"} & present
    ]
    if missing:
        lines = [*_lines(env_file), *(_fill(line) for line in missing)]
        write_private(env_file, "".join(f"{line}\n" for line in lines))


def _key(line: str) -> str | None:
    key, found, _ = line.partition("=")
    return key.strip() if found and not line.startswith("#") else None


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
