"""What the workers of a host have told of an outage, on its disk: they cannot agree elsewhere."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """An outage so far: since when, and which targets were told."""

    id: str
    began_at: str
    told: tuple[str, ...] = ()

    @property
    def began(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.began_at)


class Note:
    """A file that one worker at a time changes; without a path it is none, and forgets."""

    def __init__(self, path: Path | None) -> None:
        """Take where it lies; it is made when there is something to note."""
        self._path = path

    def read(self) -> Away | None:
        """Return the outage that was noted."""
        if self._path is None or not self._path.exists():
            return None
        return _parsed(self._path.read_text())

    def change(self, away: Away, work: Callable[[Away], Away]) -> Away:
        """Return what `work` makes of the outage as others have noted it, and note that."""
        if self._path is None:
            return work(away)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            changed = work(_parsed(file.read()) or away)
            file.seek(0)
            file.truncate()
            file.write(json.dumps(asdict(changed)))
        return changed

    def remove(self) -> None:
        """Forget what was noted."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _parsed(text: str) -> Away | None:
    """Return the outage of a text; None for one that was cut short, as by a full disk."""
    try:
        noted: Any = json.loads(text)
        away = Away(id=noted["id"], began_at=noted["began_at"], told=tuple(noted["told"]))
        return away if away.began.tzinfo else None
    except (ValueError, TypeError, KeyError):
        return None
