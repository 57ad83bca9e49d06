"""An outage of Supabase: told once a host, by whichever worker, however often one restarts."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.notifier.messages import Message
from services.notifier.note import Note
from services.notifier.outage import MISSES, STEADY, Outage
from services.notifier.targets import NotSent

AFTER = 120.0
TURN = 15.0
NEXT = "5f0c7a52-7d43-4f4e-9d3b-0a4c7a5e9b11"


@dataclass
class World:
    """A host: its clock, its disk, and who hears its messages."""

    disk: Path
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    heard: list[Message] = field(default_factory=list)
    refuses: bool = False
    name: str = "webhook"

    def send(self, message: Message) -> None:
        if self.refuses:
            raise NotSent("It answered 500; 2xx was wanted.")
        self.heard.append(message)

    def worker(self, *, note: bool = True, after: float = AFTER) -> Outage:
        return Outage(
            targets=[self],
            after=after,
            service_url="https://hooks.example.test",
            note=Note(self.disk / "spool.db.outage" if note else None),
            now=lambda: self.now,
        )

    def miss(self, *workers: Outage, seconds: float) -> None:
        for _ in range(round(seconds / TURN)):
            self.now += timedelta(seconds=TURN)
            for worker in workers:
                worker.missed()

    def answer(self, worker: Outage, seconds: float) -> object:
        over = None
        for _ in range(round(seconds / TURN)):
            self.now += timedelta(seconds=TURN)
            over = over or worker.answered(NEXT)
        return over


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_short_outage_is_none(world: World) -> None:
    worker = world.worker()

    world.miss(worker, seconds=AFTER)
    assert world.answer(worker, 300) is None

    assert world.heard == []


def test_a_long_one_is_told_once_by_the_name_that_supabase_gave_it(world: World) -> None:
    worker = world.worker()
    worker.answered(NEXT)

    world.miss(worker, seconds=3600)

    [message] = world.heard
    assert (message.kind, message.id) == ("began", f"{NEXT}-webhook")
    assert message.incident["id"] == NEXT
    assert message.incident["began_at"] == "2026-03-01T12:00:15+00:00"


def test_few_misses_far_apart_are_no_outage(world: World) -> None:
    worker = world.worker()
    for _ in range(MISSES - 1):
        worker.missed()
        world.now += timedelta(seconds=AFTER)

    assert world.heard == []
    worker.missed()
    assert len(world.heard) == 1


def test_it_is_over_when_supabase_has_answered_for_a_while(world: World) -> None:
    worker = world.worker()
    world.miss(worker, seconds=300)
    assert world.answer(worker, STEADY.total_seconds()) is None
    world.miss(worker, seconds=TURN)  # it comes and goes

    over = world.answer(worker, STEADY.total_seconds() + TURN)

    assert isinstance(over, dict)
    assert (over["told"], over["ended_at"]) == (["webhook"], "2026-03-01T12:06:00+00:00")
    assert len(world.heard) == 1
    # Until it is written down it is told of, again and again.
    assert world.answer(worker, TURN) == over
    worker.forget()
    assert world.answer(worker, 300) is None


@pytest.mark.parametrize("count", [2, 5])
def test_workers_of_a_host_tell_it_once(world: World, count: int) -> None:
    workers = [world.worker() for _ in range(count)]

    world.miss(*workers, seconds=600)

    assert len(world.heard) == 1


def test_restarts_tell_nothing_again_and_the_end_is_known_all_the_same(world: World) -> None:
    world.miss(world.worker(), seconds=300)
    first = world.heard[0].incident

    for _ in range(3):
        world.miss(world.worker(), seconds=300)
    assert len(world.heard) == 1

    over = world.answer(world.worker(), 60)
    assert isinstance(over, dict)
    assert (over["id"], over["began_at"]) == (first["id"], first["began_at"])


def test_one_that_was_over_before_the_restart_is_not_told_of_again(world: World) -> None:
    one, other = world.worker(), world.worker()
    world.miss(one, other, seconds=300)

    for worker in (one, other):
        assert world.answer(worker, 60)
        worker.forget()

    assert world.answer(one, 300) is None
    assert world.answer(world.worker(), 300) is None
    assert list(world.disk.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "x"}', '{"id":1,"began_at":"x","told":1}'])
def test_a_broken_note_is_none(world: World, text: str) -> None:
    (world.disk / "spool.db.outage").write_text(text)
    worker = world.worker()

    assert worker.answered(NEXT) is None
    world.miss(worker, seconds=300)

    assert len(world.heard) == 1
    assert json.loads((world.disk / "spool.db.outage").read_text())["told"] == ["webhook"]


def test_a_disk_that_takes_no_note_keeps_nothing_from_being_told(world: World) -> None:
    world.disk /= "nowhere"
    worker = world.worker()
    assert worker.answered(NEXT) is None

    world.miss(worker, seconds=600)
    over = world.answer(worker, 60)
    worker.forget()

    assert len(world.heard) == 1
    assert isinstance(over, dict)
    assert over["told"] == ["webhook"]


def test_a_disk_that_is_full_has_nothing_told_again(world: World) -> None:
    # A file that cannot grow: what is written to it fails as it does without room.
    disk = os.memfd_create("disk", os.MFD_ALLOW_SEALING)
    fcntl.fcntl(disk, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    (world.disk / "spool.db.outage").symlink_to(f"/proc/self/fd/{disk}")
    worker = world.worker()

    world.miss(worker, seconds=600)
    over = world.answer(worker, 60)
    os.close(disk)

    assert len(world.heard) == 1
    assert isinstance(over, dict)
    assert over["told"] == ["webhook"]


def test_a_note_that_cannot_be_read_is_none(world: World) -> None:
    (world.disk / "spool.db.outage").mkdir()
    worker = world.worker()

    assert worker.answered(NEXT) is None
    world.miss(worker, seconds=300)

    assert len(world.heard) == 1


def test_the_note_is_its_users_alone(world: World) -> None:
    world.miss(world.worker(), seconds=300)

    assert (world.disk / "spool.db.outage").stat().st_mode & 0o777 == 0o600


def test_a_target_that_refuses_is_told_later(world: World) -> None:
    worker = world.worker(note=False)
    world.refuses = True
    world.miss(worker, seconds=600)
    world.refuses = False

    world.miss(worker, seconds=300)

    assert len(world.heard) == 1


def test_turned_off_it_tells_nobody(world: World) -> None:
    world.miss(worker := world.worker(after=0.0), seconds=3600)

    assert world.heard == []
    assert world.answer(worker, 300) is None
