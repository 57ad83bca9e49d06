"""reports.py: a process tells of itself, also when nobody could hear it for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from services.errors import Unavailable
from services.outage.breaker import Breaker
from services.outage.spool import Counts, Spool, SpoolBroken
from services.telemetry.reports import Reporter, facts_of
from services.telemetry.tally import Tally

Report = dict[str, Any]


class Listener:
    """Hears reports, unless it is away or broken."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.asked = 0
        self.error: Exception | None = None
        self._changed = threading.Condition()

    def hear(self, report: Any) -> None:
        with self._changed:
            self.asked += 1
            if self.error is None:
                self.reports.append(report)
            self._changed.notify_all()
            if self.error is not None:
                raise self.error

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 10)

    def counted(self) -> int:
        newest = {(row["minute"], row["source"]): row for r in self.reports for row in r["minutes"]}
        return sum(row["received"] for row in newest.values())


@pytest.fixture(name="listener")
def _listener() -> Listener:
    return Listener()


@pytest.fixture(name="tally")
def _tally() -> Tally:
    return Tally(["tavus"])


@pytest.fixture(name="reporter")
def _reporter(listener: Listener, tally: Tally) -> Iterator[Reporter]:
    reporter = Reporter(
        listener.hear, kind="web", tally=tally, facts=lambda: {"breaker": "closed"}, every=0.01
    )
    yield reporter
    reporter.stop()


def test_first_report_comes_at_once_and_the_last_at_the_end(
    listener: Listener, tally: Tally
) -> None:
    reporter = Reporter(listener.hear, kind="worker", tally=tally, facts=dict, every=3600)

    reporter.start()
    listener.wait(lambda: len(listener.reports) == 1)
    tally.received("tavus", "new", 0.01)
    reporter.stop()

    first, last = listener.reports
    assert (first["kind"], first["ended"], first["minutes"]) == ("worker", False, [])
    assert last["ended"] is True
    assert listener.counted() == 1
    assert first["process_id"] == last["process_id"]


def test_counts_wait_while_nobody_hears(
    reporter: Reporter, listener: Listener, tally: Tally
) -> None:
    listener.error = Unavailable()
    tally.received("tavus", "new", 0.01)
    reporter.start()
    listener.wait(lambda: listener.asked >= 3)

    listener.error = None
    listener.wait(lambda: listener.counted() == 1)

    assert listener.reports[0]["facts"] == {"breaker": "closed"}


def test_defect_ends_no_reports(reporter: Reporter, listener: Listener, tally: Tally) -> None:
    listener.error = ValueError("a defect")
    tally.received("tavus", "new", 0.01)
    reporter.start()
    listener.wait(lambda: listener.asked >= 2)

    listener.error = None

    listener.wait(lambda: listener.counted() == 1)


def test_listener_that_hangs_does_not_hold_up_the_end(tally: Tally) -> None:
    hangs = threading.Event()
    reporter = Reporter(lambda _: hangs.wait(), kind="web", tally=tally, facts=dict)

    reporter.start()
    ended = threading.Thread(target=reporter.stop)
    ended.start()
    ended.join(6)

    assert not ended.is_alive()
    hangs.set()


def test_processes_have_names_of_their_own(listener: Listener, tally: Tally) -> None:
    for _ in range(2):
        reporter = Reporter(listener.hear, kind="web", tally=tally, facts=dict)
        reporter.start()
        reporter.stop()

    assert len({report["process_id"] for report in listener.reports}) == 2


def test_open_circuit_is_respected(listener: Listener) -> None:
    now = [0.0]
    breaker = Breaker(1, 60.0, lambda: now[0])
    asked: list[int] = []

    def away() -> None:
        asked.append(1)
        raise Unavailable()

    for _ in range(3):
        with pytest.raises(Unavailable):
            breaker.call_aside(away)
    assert (breaker.state, len(asked)) == ("closed", 3)
    with pytest.raises(Unavailable):
        breaker.call(away)
    with pytest.raises(Unavailable):
        breaker.call_aside(away)
    assert (breaker.state, len(asked)) == ("open", 4)
    now[0] = 61.0
    breaker.call_aside(lambda: None)
    assert breaker.state == "closed"


class FakeSpool:
    """Holds two events, unless it is broken."""

    is_broken = False

    def count(self) -> Counts:
        if self.is_broken:
            raise SpoolBroken()
        return Counts(spooled=2, unsendable=1)

    def used_bytes(self) -> int:
        return 4096


def test_facts_are_those_that_are_known() -> None:
    spool = FakeSpool()

    both = facts_of(Breaker(), cast(Spool, spool))
    spool.is_broken = True
    broken = facts_of(Breaker(), cast(Spool, spool))

    assert both == {"breaker": "closed", "spooled": 2, "unsendable": 1, "spool_bytes": 4096}
    assert broken == {
        "breaker": "closed",
        "spooled": None,
        "unsendable": None,
        "spool_bytes": None,
    }
    assert facts_of(None, None) == {}


def test_who_never_began_has_no_end_to_report(listener: Listener, tally: Tally) -> None:
    Reporter(listener.hear, kind="web", tally=tally, facts=dict).stop()

    assert listener.asked == 0
