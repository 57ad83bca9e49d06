"""Starts the parts in their order, brings back the one that dies, stops them in reverse."""

from __future__ import annotations

import enum
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path

from services.local import processes
from services.local.errors import LocalStackError, StopRequestedError
from services.local.parts import Part
from services.local.state import Pause, State

START_LIMIT = 90.0
START_ATTEMPTS = 3
STEADY_AFTER = 5.0
WAITS = (0.0, 0.5, 1.0, 2.0, 3.0)
LOG_LINES = 15


class Phase(enum.Enum):
    """Where a part stands."""

    WAITING = "waiting"  # for the parts it comes after, or for its next attempt
    STARTING = "starting"  # runs, does not answer yet
    READY = "ready"  # answers; of a part that runs once: has finished
    STOPPED = "stopped"


@dataclass(slots=True)
class Run:
    """The life of one part under the supervisor."""

    part: Part
    phase: Phase = Phase.WAITING
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    log_offset: int = 0
    was_ready: bool = False


Report = Callable[[Part, str, float], None]
"""Told a part, what became of it (ready, died), and after how many seconds."""


def silent(part: Part, what: str, seconds: float) -> None:
    """Report nothing."""


@dataclass(slots=True)
class Supervisor:
    """Runs parts as siblings, each in a process group of its own."""

    parts: InitVar[Sequence[Part]]
    state: State
    data: Path | None = None
    report: Report = silent
    runs: dict[str, Run] = field(init=False, default_factory=dict)

    def __post_init__(self, parts: Sequence[Part]) -> None:
        """Give every part its run."""
        self.add(parts)

    def add(self, parts: Sequence[Part]) -> None:
        """Look after these parts too, from the next start or watch on."""
        self.runs.update({part.name: Run(part) for part in parts})

    def start(self, pause: Pause, limit: float = START_LIMIT) -> None:
        """Start everything and return when all of it is ready.

        Raises LocalStackError when a part cannot start or is not ready after that many seconds,
        StopRequestedError when `pause` says stop.
        """
        deadline = time.monotonic() + limit
        while not self._all_ready():
            if time.monotonic() > deadline:
                raise LocalStackError(self._what_hangs(limit))
            self._tick()
            if pause(0.05):
                raise StopRequestedError

    def watch(self, pause: Pause) -> None:
        """Bring back what dies, until `pause` says stop."""
        while not pause(0.2):
            self._tick()

    def stop(self) -> None:
        """Stop everything, last started first, and leave no process of theirs behind."""
        for run in reversed(self.runs.values()):
            self._stop(run)
        processes.kill(processes.leftovers(self.state, self.data, self.runs))
        self.state.pids.unlink(missing_ok=True)

    def pid(self, name: str) -> int:
        """Return the process id of a running part."""
        process = self.runs[name].process
        if process is None:
            raise LocalStackError(f"{name} is not running.")
        return process.pid

    def _tick(self) -> None:
        for run in self.runs.values():
            if run.phase is Phase.WAITING and self._may_start(run):
                self._launch(run)
            elif run.process is not None:
                self._look_after(run, run.process)

    def _may_start(self, run: Run) -> bool:
        first_time = run.failures == 0
        if first_time and not all(self.runs[name].was_ready for name in run.part.after):
            return False
        return time.monotonic() >= run.retry_at

    def _launch(self, run: Run) -> None:
        log = self.state.log(run.part.name)
        run.log_offset = log.stat().st_size if log.exists() else 0
        run.part.before()
        run.process = processes.spawn(run.part, self.state)
        run.phase, run.started_at = Phase.STARTING, time.monotonic()
        self._record()

    def _look_after(self, run: Run, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is not None:
            self._note_exit(run, code)
        elif run.phase is Phase.STARTING and not run.part.once and run.part.ready():
            self._note_ready(run)

    def _note_exit(self, run: Run, code: int) -> None:
        run.process = None
        # What the dead part has started may still hold its port or its files.
        processes.kill(processes.leftovers(self.state, self.data, {run.part.name}))
        if run.part.once and code == 0:
            self._note_ready(run)
        else:
            self._plan_retry(run, code)

    def _note_ready(self, run: Run) -> None:
        run.phase, run.was_ready = Phase.READY, True
        self.report(run.part, "ready", time.monotonic() - run.started_at)

    def _plan_retry(self, run: Run, code: int) -> None:
        lived = time.monotonic() - run.started_at
        run.failures = 1 if run.was_ready and lived > STEADY_AFTER else run.failures + 1
        if not run.was_ready and (run.part.once or run.failures >= START_ATTEMPTS):
            raise LocalStackError(
                f"{run.part.name} {_ending(code)}:\n{self.last_lines(run.part.name)}"
            )
        wait = WAITS[min(run.failures, len(WAITS)) - 1]
        run.retry_at = time.monotonic() + wait
        run.phase = Phase.WAITING
        again = f"starts again in {wait:.1f} s" if wait else "starts again"
        what = f"{_ending(code)}, {again}\n{self.last_lines(run.part.name)}"
        self.report(run.part, what.rstrip(), lived)

    def _stop(self, run: Run) -> None:
        run.phase = Phase.STOPPED
        if run.process is None:
            return
        run.process.send_signal(run.part.stop_signal)
        try:
            run.process.wait(run.part.grace)
        except subprocess.TimeoutExpired:
            run.process.kill()
            run.process.wait()
        run.process = None

    def last_lines(self, name: str) -> str:
        """Return what the part wrote last, since its latest start."""
        path = self.state.log(name)
        path.touch()
        with path.open("rb") as log:
            log.seek(self.runs[name].log_offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])

    def _all_ready(self) -> bool:
        return all(run.phase is Phase.READY for run in self.runs.values())

    def _what_hangs(self, limit: float) -> str:
        run = next(run for run in self.runs.values() if run.phase is not Phase.READY)
        name = run.part.name
        return f"{name} was not ready after {limit:.0f} s:\n{self.last_lines(name)}"

    def _record(self) -> None:
        running = {name: run.process.pid for name, run in self.runs.items() if run.process}
        processes.record(self.state, running)


def _ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
