"""What a program has shown on a terminal."""

from __future__ import annotations

import os
from contextlib import suppress


def all_of(terminal: int) -> str:
    """Return what was written to a terminal that is closed; its end is an error on Linux."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen, suppress(OSError):
        while chunk := screen.read(1000):
            shown += chunk
    return shown.decode()
