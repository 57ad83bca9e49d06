"""The supervisor keeps its parts running, and leaves nothing behind when it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.local import checkout, processes
from services.local.errors import LocalStackError, StopRequestedError
from services.local.parts import Part
from services.local.state import State
from services.local.supervisor import Supervisor
from tests.stack import never
from tests.waiting import until

PATIENCE = 10.0
LIVE = "import time; time.sleep(600)"

Supervise = Callable[..., Supervisor]


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> State:
    state = State(tmp_path)
    state.create()
    return state


@pytest.fixture(name="supervise")
def _supervise(state: State) -> Iterator[Supervise]:
    """Make a supervisor of these parts; it is stopped with the test."""
    made: list[Supervisor] = []

    def supervise(*parts: Part) -> Supervisor:
        made.append(Supervisor(parts, state))
        return made[-1]

    yield supervise
    for supervisor in made:
        supervisor.stop()
    processes.kill(processes.leftovers(state, None))


def python(name: str, program: str, **options: Any) -> Part:
    """Return a part that runs this Python program."""
    command = (sys.executable, "-c", program)
    return Part(name=name, command=command, cwd=checkout.ROOT, **options)


def watch_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    """Let the supervisor do its work until something has come of it."""
    deadline = time.monotonic() + PATIENCE

    def pause(seconds: float) -> bool:
        assert time.monotonic() < deadline, "it has not come"
        time.sleep(0.02)
        return condition()

    supervisor.watch(pause)


def test_parts_start_when_those_they_come_after_are_ready(
    supervise: Supervise, tmp_path: Path
) -> None:
    """A part that runs once counts as ready when it has ended well."""
    made, seen = tmp_path / "made", tmp_path / "seen"
    first = python("first", f"import time; time.sleep(0.3); open({str(made)!r}, 'w')", once=True)
    second = python(
        "second",
        f"import os, time; open({str(seen)!r}, 'w').write(str(os.path.exists({str(made)!r}))); "
        "time.sleep(600)",
        after=("first",),
        ready=seen.exists,
    )

    supervise(second, first).start(never)
    until(lambda: seen.read_text() != "")

    assert seen.read_text() == "True"


def test_a_part_that_dies_comes_back_and_the_others_stay(supervise: Supervise) -> None:
    """Whatever dies, only that is started again."""
    supervisor = supervise(python("one", LIVE), python("other", LIVE))
    supervisor.start(never)
    dead, other = supervisor.pid("one"), supervisor.pid("other")

    os.kill(dead, signal.SIGKILL)
    watch_until(supervisor, lambda: running(supervisor, "one") not in {dead, None})

    assert supervisor.pid("one") != dead
    assert supervisor.pid("other") == other


def running(supervisor: Supervisor, name: str) -> int | None:
    """Return the process id of a part, None while it has none."""
    process = supervisor.runs[name].process
    return process.pid if process else None


def test_what_a_dead_part_has_started_ends_before_the_part_comes_back(
    supervise: Supervise, state: State, tmp_path: Path
) -> None:
    """A worker that outlives its master would keep the port."""
    note = tmp_path / "child"
    program = (
        "import subprocess, sys, time; "
        f"child = subprocess.Popen([sys.executable, '-c', {LIVE!r}], start_new_session=True); "
        f"open({str(note)!r}, 'a').write(f'{{child.pid}}\\n'); time.sleep(600)"
    )
    supervisor = supervise(python("master", program, ready=note.exists))
    supervisor.start(never)
    until(lambda: note.read_text().endswith("\n"))
    child = psutil.Process(int(note.read_text()))

    os.kill(supervisor.pid("master"), signal.SIGKILL)
    watch_until(supervisor, lambda: note.read_text().count("\n") == 2)

    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_part_that_never_starts_is_told_with_its_last_words(supervise: Supervise) -> None:
    """The person reads why, without looking for a log."""
    supervisor = supervise(python("broken", "raise SystemExit('no such table')", ready=bool))

    with pytest.raises(LocalStackError, match=r"(?s)broken ended with exit code 1.*no such table"):
        supervisor.start(never)


def test_a_step_that_fails_is_not_repeated(supervise: Supervise, tmp_path: Path) -> None:
    """A migration that is wrong stays wrong."""
    runs = tmp_path / "runs"
    step = python("step", f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(3)", once=True)

    with pytest.raises(LocalStackError, match="step ended with exit code 3"):
        supervise(step).start(never)

    assert runs.read_text() == "x"


def test_a_start_ends_when_asked_to_stop(supervise: Supervise) -> None:
    """Ctrl-C counts before everything is up, too."""
    supervisor = supervise(python("slow", LIVE, ready=bool))
    asked = iter([False, True])

    with pytest.raises(StopRequestedError):
        supervisor.start(lambda seconds: next(asked))


class Clock:
    """What the supervisor takes for the time."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("services.local.supervisor.time", clock)
    return clock


def test_a_part_that_is_not_ready_in_time_is_told_with_its_last_words(
    supervise: Supervise, state: State, clock: Clock
) -> None:
    """Something hangs; the person reads what it was doing."""
    supervisor = supervise(python("slow", f"print('listening', flush=True); {LIVE}", ready=bool))

    def pause(seconds: float) -> bool:
        until(heard(state, "slow"))
        clock.now = 91
        return False

    with pytest.raises(LocalStackError, match=r"slow was not ready after 90 s:\n  listening"):
        supervisor.start(pause)


def test_a_part_that_is_ready_at_the_last_moment_has_started(
    supervise: Supervise, clock: Clock
) -> None:
    """The time is up while it is asked; then nothing hangs that could be told."""

    def ready() -> bool:
        clock.now = 91
        return True

    supervisor = supervise(python("late", LIVE, ready=ready))
    supervisor.start(never)

    assert running(supervisor, "late")


def test_a_part_that_does_not_run_has_no_number(supervise: Supervise) -> None:
    supervisor = supervise(python("one", LIVE))

    with pytest.raises(LocalStackError, match="one is not running"):
        supervisor.pid("one")


def test_parts_are_stopped_in_reverse_and_the_stubborn_by_force(
    supervise: Supervise, state: State, tmp_path: Path
) -> None:
    """What others need goes last; what does not listen is killed."""
    ends = tmp_path / "ends"
    polite = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(ends)!r}, 'a').write('{{name}} '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('listening', flush=True); time.sleep(600)"
    )
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    parts = [
        python(name, polite.format(name=name), ready=heard(state, name))
        for name in ("database", "gateway")
    ]
    supervisor = supervise(*parts, python("deaf", deaf, grace=0.2))
    supervisor.start(never)

    supervisor.stop()

    assert ends.read_text() == "gateway database "
    assert processes.leftovers(state, None) == []


def heard(state: State, name: str) -> Callable[[], bool]:
    """Make a check that passes when the part says that it listens."""
    return lambda: "listening" in state.log(name).read_text()


def test_what_a_killed_supervisor_left_is_found_again(supervise: Supervise, state: State) -> None:
    """The next start ends it, and nothing else."""
    supervisor = supervise(python("orphan", LIVE))
    supervisor.start(never)
    bystander = subprocess.Popen([sys.executable, "-c", LIVE])
    state.pids.unlink()

    found = processes.leftovers(State(state.folder), None)
    processes.end(found)

    assert [process.pid for process in found] == [supervisor.pid("orphan")]
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_stranger_with_a_noted_number_is_left_alone(state: State) -> None:
    """Numbers are given out again; only number and start time together name a process."""
    state.pids.write_text(f'{{"postgres": {{"pid": {os.getpid()}, "created": 1.0}}}}')

    assert processes.leftovers(state, None) == []


def test_a_run_that_fails_is_told_with_what_it_printed() -> None:
    with pytest.raises(LocalStackError, match=r"(?s)step failed:.*a row is missing"):
        processes.run(python("step", "print('step 1'); raise SystemExit('a row is missing')"))


def test_processes_that_have_ended_by_themselves_are_no_trouble(state: State) -> None:
    """Between being found and being noted or ended, a process may go."""
    child = subprocess.Popen([sys.executable, "-c", LIVE])
    gone = psutil.Process(child.pid)
    child.kill()
    child.wait()

    processes.record(state, {"gone": child.pid})
    processes.end([gone])

    assert processes.leftovers(state, None) == []


def test_a_process_that_goes_while_it_is_looked_at_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", LIVE])

    class Going(psutil.Process):
        def status(self) -> str:
            child.wait()
            return str(super().status())

    processes.kill([Going(child.pid)])

    assert child.returncode == -signal.SIGKILL


def test_an_impatient_second_signal_leaves_nothing(state: State, tmp_path: Path) -> None:
    """A second Ctrl-C does not interrupt the cleaning up."""
    program = tmp_path / "program.py"
    program.write_text(SLOW_TO_STOP.format(folder=str(state.folder)))
    process = subprocess.Popen([sys.executable, program], cwd=checkout.ROOT)
    until(lambda: state.log("deaf").exists() and "listening" in state.log("deaf").read_text())

    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)

    assert process.wait(PATIENCE) == 0
    assert processes.leftovers(state, None) == []


SLOW_TO_STOP = """
import sys
from pathlib import Path

sys.path.insert(0, ".")
from services.local.errors import StopRequestedError
from services.local.parts import Part
from services.local.signals import StopSignals
from services.local.state import State
from services.local.supervisor import Supervisor

deaf = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('listening', flush=True); time.sleep(600)"
)
part = Part(name="deaf", command=(sys.executable, "-c", deaf), cwd=Path.cwd(), grace=0.5)
with StopSignals() as signals:
    supervisor = Supervisor([part], State(Path({folder!r})))
    try:
        supervisor.start(signals.pause)
        supervisor.watch(signals.pause)
    except StopRequestedError:
        pass
    finally:
        supervisor.stop()
"""
