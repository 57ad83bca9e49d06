"""spool.py: what `put` has returned for is on the disk, whoever dies, up to a cap."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from services.errors import Unavailable
from services.outage import mounts
from services.outage import spool as spool_module
from services.outage.spool import Counts, Spool, SpoolBroken, SpoolFull

CAP = 1_000_000

WRITE = """
import sys
from pathlib import Path
from services.outage.spool import Spool

spool = Spool(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), int(sys.argv[3])):
    spool.put({"n": n})
    print(n, flush=True)
"""


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Many a /tmp lies in memory.
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    return tmp_path / "spool.db"


def numbers(spool: Spool) -> list[int]:
    return [spooled.row["n"] for spooled in spool.take(1000, CAP)]


def fill(spool: Spool) -> None:
    while True:
        spool.put({"text": "x" * 20_000})


def write(path: Path, start: int, end: int) -> subprocess.Popen[str]:
    """Have another process put rows, each named on its stdout once it is kept."""
    source = f"from services.outage import mounts; mounts.IN_MEMORY = frozenset()\n{WRITE}"
    return subprocess.Popen(
        [sys.executable, "-c", source, str(path), str(start), str(end)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_rows_come_back_in_order_after_a_restart(path: Path) -> None:
    first = Spool(path)
    for n in range(3):
        first.put({"n": n, "text": "\ud800 é"})
    first.close()

    assert numbers(Spool(path)) == [0, 1, 2]


def test_rows_stay_until_removed(path: Path) -> None:
    spool = Spool(path)
    for n in range(3):
        spool.put({"n": n})
    batch = spool.take(2, CAP)

    spool.remove([spooled.id for spooled in batch])

    assert numbers(spool) == [2]
    assert spool.count() == Counts(spooled=1, unsendable=0)


def test_batch_ends_before_its_bytes_but_holds_one_at_least(path: Path) -> None:
    spool = Spool(path)
    for n in range(4):
        spool.put({"n": n, "text": "x" * 1000})

    assert len(spool.take(10, 2500)) == 2
    assert len(spool.take(10, 10)) == 1


def test_what_failed_comes_last_and_alone(path: Path) -> None:
    spool = Spool(path)
    for n in range(4):
        spool.put({"n": n})
    spool.postpone([spooled.id for spooled in spool.take(2, CAP)])

    fresh = spool.take(10, CAP)
    spool.remove([spooled.id for spooled in fresh])
    again = spool.take(10, CAP)

    assert [spooled.row["n"] for spooled in fresh] == [2, 3]
    assert [(spooled.row["n"], spooled.tries) for spooled in again] == [(0, 1)]


def test_what_is_set_aside_is_counted_apart(path: Path) -> None:
    spool = Spool(path)
    spool.put({"n": 1})

    spool.set_aside(spool.take(1, CAP)[0].id, "no")

    assert spool.count() == Counts(spooled=0, unsendable=1)
    assert numbers(spool) == []


def test_cap_refuses_and_room_is_used_again(path: Path) -> None:
    spool = Spool(path, CAP)
    with pytest.raises(SpoolFull) as refusal:
        fill(spool)
    kept = spool.count().spooled
    with pytest.raises(SpoolFull):
        spool.check()

    assert refusal.value.retry_after > 0
    assert kept > 30
    assert path.stat().st_size <= CAP
    spool.remove([spooled.id for spooled in spool.take(1000, CAP)])
    spool.check()
    with pytest.raises(SpoolFull):
        fill(spool)
    assert spool.count().spooled >= kept


def test_processes_share_the_file(path: Path) -> None:
    writers = [write(path, start, start + 100) for start in (0, 100, 200)]
    for writer in writers:
        with writer:
            writer.communicate(timeout=60)
        assert writer.returncode == 0

    assert sorted(numbers(Spool(path))) == list(range(300))


def test_all_may_open_a_new_file_at_one_time(path: Path) -> None:
    files, openers = 20, 4
    all_are_here = Barrier(openers)

    def open_each(n: int) -> None:
        for file in range(files):
            all_are_here.wait(timeout=20)
            Spool(path.with_suffix(f".{file}")).put({"n": n})

    with ThreadPoolExecutor(openers) as pool:
        for opened in [pool.submit(open_each, n) for n in range(openers)]:
            opened.result(timeout=20)

    for file in range(files):
        assert sorted(numbers(Spool(path.with_suffix(f".{file}")))) == list(range(openers))


def test_a_file_that_somebody_holds_is_waited_for_and_then_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "BUSY_SECONDS", 0.1)
    spool = Spool(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("create table theirs (only integer)")
        other.execute("begin exclusive")
        with pytest.raises(SpoolBroken, match="locked"):
            spool.put({"n": 0})

    spool.put({"n": 1})

    assert numbers(spool) == [1]


def test_killed_process_loses_nothing_acknowledged(path: Path) -> None:
    writer = write(path, 0, 1_000_000)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate(timeout=60)
    acknowledged += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]

    kept = [spooled.row["n"] for spooled in Spool(path).take(1_000_000, 1 << 30)]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


def test_two_of_one_process_and_another_process_see_the_same_rows(path: Path) -> None:
    first, second = Spool(path), Spool(path)
    first.put({"n": 0})
    second.put({"n": 1})

    # The other process is the last to close the file, as far as it can tell.
    with write(path, 2, 4) as other:
        assert other.wait(30) == 0

    assert numbers(first) == numbers(second) == [0, 1, 2, 3]
    first.put({"n": 4})
    with write(path, 5, 6) as other:
        assert other.wait(30) == 0
    assert numbers(Spool(path)) == numbers(second) == [0, 1, 2, 3, 4, 5]


def test_threads_share_one_spool(path: Path) -> None:
    spool = Spool(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: spool.put({"n": n}), range(200)))

    assert sorted(numbers(spool)) == list(range(200))


def test_one_drains_at_a_time(path: Path) -> None:
    with Spool(path).claimed() as first, Spool(path).claimed() as second:
        assert (first, second) == (True, False)
    with Spool(path).claimed() as third:
        assert third


def test_nobody_else_may_read_it(path: Path) -> None:
    spool = Spool(path)
    spool.put({"n": 1})

    files = list(path.parent.iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(files) >= 2


def test_file_that_was_removed_is_made_anew(path: Path) -> None:
    spool = Spool(path)
    spool.put({"n": 1})
    for file in path.parent.iterdir():
        file.unlink()

    spool.put({"n": 2})

    assert numbers(Spool(path)) == [2]


@pytest.mark.parametrize("damage", ["no folder", "a folder", "no database"])
def test_useless_path_is_named(path: Path, damage: str) -> None:
    if damage == "no folder":
        path = path.parent / "missing" / "spool.db"
    elif damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"What people said. " * 1000)
    spool = Spool(path)

    with pytest.raises(SpoolBroken, match="cannot be used"):
        spool.check()
    with pytest.raises(Unavailable):
        spool.put({"n": 1})


def test_file_in_memory_is_no_spool(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "is_in_memory", lambda path: True)

    with pytest.raises(SpoolBroken, match="in memory"):
        Spool(path).check()


def test_innermost_and_latest_mount_tells(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda rw\n"
        "22 21 0:5 / /run rw shared:7 - tmpfs tmpfs rw\n"
        "23 22 8:2 / /run/my\\040spool rw - xfs /dev/sdb rw\n"
        "24 21 8:3 / /data rw - ext4 /dev/sdc rw\n"
        "25 21 0:6 / /data rw - tmpfs tmpfs rw\n"
    )

    in_memory = [
        place
        for place in ("/srv/a", "/run/a", "/run/my spool/a", "/runs/a", "/data/a")
        if mounts.is_in_memory(Path(place), table)
    ]
    assert in_memory == ["/run/a", "/data/a"]
    assert not mounts.is_in_memory(Path("/run/a"), tmp_path / "none")
