"""unsendable.py: what Supabase would not store can be seen, sent again, or dropped."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from services.outage import mounts, unsendable
from services.outage.spool import Counts, Spool


@pytest.fixture(name="spool")
def _spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """A spool with three rows that were given up and one that was not."""
    # Many a /tmp lies in memory.
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    spool = Spool(tmp_path / "spool.db")
    for n in range(4):
        spool.put({"event_type": f"type-{n}", "body": b64encode(b"line \xff").decode()})
    for spooled in spool.take(3, 10_000):
        spool.set_aside(spooled.id, f"reason {spooled.row['event_type']}")
    return spool


def test_oldest_come_first_with_their_reasons(spool: Spool) -> None:
    rows = unsendable.list_rows(spool, 2)

    assert [(row.kind, row.error) for row in rows] == [
        ("type-0", "reason type-0"),
        ("type-1", "reason type-1"),
    ]


def test_one_is_shown_whatever_its_bytes(spool: Spool) -> None:
    [first, *_] = unsendable.list_rows(spool, 10)

    shown = unsendable.find_row(spool, first.id)

    assert shown == first
    assert shown is not None
    assert shown.body == "line \ufffd"
    assert unsendable.find_row(spool, 2**62) is None


def test_one_is_sent_again(spool: Spool) -> None:
    [_, second, _] = unsendable.list_rows(spool, 10)

    assert unsendable.retry(spool, second.id) == 1

    assert spool.count() == Counts(spooled=2, unsendable=2)
    assert [(row.row["event_type"], row.tries) for row in spool.take(10, 10_000)] == [
        ("type-3", 0),
        ("type-1", 0),
    ]
    assert unsendable.retry(spool, second.id) == 0


def test_all_are_sent_again(spool: Spool) -> None:
    assert unsendable.retry(spool) == 3

    assert spool.count() == Counts(spooled=4, unsendable=0)


def test_one_is_dropped(spool: Spool) -> None:
    [first, *_] = unsendable.list_rows(spool, 10)

    assert unsendable.discard(spool, first.id) == 1
    assert unsendable.discard(spool, first.id) == 0

    assert spool.count() == Counts(spooled=1, unsendable=2)


def test_used_bytes_follow_the_rows(spool: Spool) -> None:
    before = spool.used_bytes()
    spool.put({"text": "x" * 100_000})
    with_it = spool.used_bytes()
    spool.remove([row.id for row in spool.take(10, 10**6)])

    assert with_it >= before + 90_000
    assert spool.used_bytes() <= before
