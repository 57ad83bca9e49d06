"""The files of the folder `tavus/`: what this project sets up there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.errors import ConvohooksError, Unprocessable
from services.validation import parse_object

FOLDER = Path(__file__).resolve().parents[2] / "tavus"
LARGEST = 1_000_000


def read_text(path: Path) -> str:
    """Return what a file says. Raises Unprocessable when it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Unprocessable(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > LARGEST:
        raise Unprocessable(f"{path} is larger than {LARGEST} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unprocessable(f"{path} is not UTF-8.") from None


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises Unprocessable naming the file."""
    text = read_text(path)
    try:
        return parse_object(text.encode())
    except ConvohooksError as error:
        raise Unprocessable(f"{path}: {error.detail}") from None
