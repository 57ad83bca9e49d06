"""Removes a person: what came in about them, what was made of it, what was sent on.

What is to go is written down first, and worked off in steps that may be repeated: whoever is
stopped in the middle is followed by the next run, or by a worker.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import structlog

from services.chores.storage import Storage
from services.database import Database
from services.erasure import spool as erasure_spool
from services.erasure.places import Item
from services.erasure.search import Plan, Search
from services.erasure.subject import Subject
from services.errors import ConvohooksError, Unavailable
from services.outage.spool import Spool

EVERY = 60.0
"""Seconds between two looks of a worker for what was left undone."""
STEP = 50
"""Items that one call erases."""
REHEARSED = {"conversation": 3}
"""How many one call rehearses: a conversation's events are looked for in the whole inbox."""
TRIES = 5
PASSES = 3
"""Looks for what arrived while the search was under way."""
SPOOL = "this host's spool"

log = structlog.get_logger()

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many rows went out of which table, and the folders of Storage still to be emptied."""

    counts: Mapping[str, int]
    conversations: tuple[Mapping[str, Any], ...] = ()
    """Each by its ids, with whose it is."""
    files_left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Erases people; `bucket` is that of the recordings, `spool` that of this host."""

    database: Database
    storage: Storage
    bucket: str | None = None
    spool: Spool | None = None
    pause: Callable[[float], None] = field(default=time.sleep)

    def preview(
        self, subject: Subject, tell: Tell = lambda text: None, known: Iterable[Subject] = ()
    ) -> tuple[Plan, Report]:
        """Return what there is of somebody and would go; nothing changes. Raises Unavailable."""
        plan = Search(database=self.database, progress=tell).find(subject, known)
        counts: Counter[str] = Counter()
        for items in _batches(plan.items):
            tell("counting")
            counts.update(self._patiently("rehearse_erasure", {"items": items}))
        if spooled := erasure_spool.count(self.spool, plan) if self.spool else 0:
            counts[SPOOL] += spooled
        return plan, Report(counts=dict(counts), conversations=tuple(plan.told))

    def look(self, subject: Subject, tell: Tell = lambda text: None) -> tuple[Plan, Report]:
        """Return a preview, of a second look where the first has found nothing.

        Something may have come meanwhile into a table that was looked through already.
        """
        plan, found = self.preview(subject, tell)
        return (plan, found) if found.counts else self.preview(subject, tell)

    def erase(self, subject: Subject, plan: Plan, tell: Tell = lambda text: None) -> Report:
        """Erase what a preview found, and what has come since; return what went."""
        counts: Counter[str] = Counter()
        conversations: dict[str, Mapping[str, Any]] = {str(one): one for one in plan.told}
        for _ in range(PASSES):
            # From the spool first: else it might be sent while the rest is erased.
            if self.spool and (spooled := erasure_spool.erase(self.spool, plan)):
                counts[SPOOL] += spooled
            self._begin(plan)
            counts.update(self.finish(tell))
            plan, left = self.preview(subject, tell, plan.subjects)
            if not left.counts:
                break
            conversations |= {str(one): one for one in left.conversations}
        return Report(
            counts=dict(counts),
            conversations=tuple(conversations.values()),
            files_left=self.empty_folders(tell),
        )

    def endpoints_naming(self, subject: Subject) -> list[str]:
        """Return the ids of endpoints whose settings name somebody: their owners change those."""
        rows = self.database.call("search_endpoints", {"pattern": subject.pattern})
        return [str(row["id"]) for row in rows if subject.is_named_in(row)]

    def lift(self, name: str) -> int:
        """Forget that something of this name was erased; return how many marks there were."""
        return int(self.database.call("lift_erasure", {"name": name}))

    def finish(self, tell: Tell = lambda text: None) -> Counter[str]:
        """Work off everything that was begun, by whomever; return what went."""
        counts: Counter[str] = Counter()
        left = 1
        while left:
            done = self._patiently("continue_erasures", {"most": STEP})
            counts.update(done["counts"])
            left = done["left"]
            tell(f"erasing, {left} left")
        return counts

    def empty_folders(self, tell: Tell = lambda text: None) -> int:
        """Empty the folders of Storage that are due; return how many are left for later."""
        left = 0
        while folders := self.database.call("claim_erased_files", {"most": STEP}):
            for folder in folders:
                tell("emptying folders")
                error = self._problem_with(folder)
                finished = {"file": folder["id"], "error": error}
                left = self.database.call("finish_erased_files", finished)
        return left

    def work(self) -> bool:
        """Do what others left undone; return whether more is. Raises Unavailable."""
        done = self.database.call("continue_erasures", {"most": STEP})
        if done["counts"]:
            log.info("erased", **done["counts"])
        self.empty_folders()
        return bool(done["left"])

    def _begin(self, plan: Plan) -> None:
        arguments = {"items": plan.items, "names": sorted(plan.names)}
        self._patiently("begin_erasure", arguments)

    def _patiently(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """Call again what met a deadlock, or a database that was away for a moment."""
        for n in range(TRIES - 1):
            try:
                return self.database.call(function, arguments)
            except Unavailable:
                self.pause(0.2 * 2**n)
        return self.database.call(function, arguments)

    def _problem_with(self, folder: Mapping[str, Any]) -> str | None:
        bucket = folder["bucket"] or self.bucket
        if bucket is None:
            return "RECORDINGS_BUCKET is not set."
        try:
            self.storage.remove_folder(bucket, folder["folder"])
        except ConvohooksError as error:
            return error.detail[:500]
        return None


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    for kind, alike in groupby(items, key=lambda item: str(item["kind"])):
        many, size = list(alike), REHEARSED.get(kind, STEP)
        yield from (many[n : n + size] for n in range(0, len(many), size))
