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

import structlog

log = structlog.get_logger()


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
    """A file that one worker at a time changes; without a path it is none, and forgets.

    So it does where the disk is full, or not its to write: an outage is to be told of all the same.
    """

    def __init__(self, path: Path | None) -> None:
        """Take where it lies; it is made when there is something to note."""
        self._path = path

    def read(self) -> Away | None:
        """Return the outage that was noted."""
        try:
            return _parsed(self._path.read_text()) if self._path else None
        except FileNotFoundError:
            return None
        except OSError as error:
            _lost(error)
            return None

    def change(self, away: Away, work: Callable[[Away], Away]) -> Away:
        """Return what `work` makes of the outage as others have noted it, and note that."""
        changed = None
        try:
            if self._path is not None:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
                with os.fdopen(descriptor, "r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    changed = work(_parsed(file.read()) or away)
                    file.seek(0)
                    file.truncate()
                    file.write(json.dumps(asdict(changed)))
        except OSError as error:
            _lost(error)
        # What was done before the note failed is done.
        return changed or work(away)

    def remove(self) -> None:
        """Forget what was noted."""
        try:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            _lost(error)


def _lost(error: OSError) -> None:
    log.warning("outage not noted", reason=type(error).__name__)


def _parsed(text: str) -> Away | None:
    """Return the outage of a text; None for one that was cut short, as by a full disk."""
    try:
        noted: Any = json.loads(text)
        away = Away(id=noted["id"], began_at=noted["began_at"], told=tuple(noted["told"]))
        return away if away.began.tzinfo else None
    except (ValueError, TypeError, KeyError):
        return None
