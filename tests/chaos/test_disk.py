"""The faults are real: a full disk takes nothing more, and keeps what it has."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from services.outage.spool import Spool, SpoolFull
from tests.chaos.disk import ON_DISK, CappedSpool, Disk, small_disk

# More than SQLite's own files have room for without a new block.
ROW = {"body": "x" * 1_000_000}


def fill_and_clear(disk: Disk) -> list[str]:
    """Put a row before, while and after the disk is full; return what the spool says of each."""
    spool = Spool(disk.spool, disk.cap)
    said = [_put(spool)]
    with disk.full():
        said += [_put(spool) for _ in range(6)]
    said.append(_put(spool))
    said.append(f"{spool.count().spooled} kept")
    spool.close()
    return said


def _put(spool: Spool) -> str:
    try:
        spool.put(ROW)
    except SpoolFull:
        return "full"
    return "kept"


def test_full_disk_refuses_and_keeps_what_it_has() -> None:
    with small_disk() as disk:
        if isinstance(disk, CappedSpool):
            pytest.skip("only root may mount a file system")
        said = fill_and_clear(disk)

    assert said[0] == said[-2] == "kept"
    assert "full" in said
    assert said[-1] == f"{said.count('kept')} kept"


def test_capped_spool_refuses_and_keeps_what_it_has() -> None:
    with TemporaryDirectory(dir=ON_DISK) as folder:
        said = fill_and_clear(CappedSpool(Path(folder)))

    assert said == ["kept", *["full"] * 6, "kept", "2 kept"]
