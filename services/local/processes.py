"""The processes of a stack: how they are started, recognised and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import psutil

from services.local.errors import LocalStackError
from services.local.parts import Part
from services.local.state import State, write_private

STACK_MARK = "CONVOHOOKS_STACK"
PART_MARK = "CONVOHOOKS_PART"
GRACE = 5.0


def spawn(part: Part, state: State) -> subprocess.Popen[bytes]:
    """Start the part in a session of its own, marked as ours, its output going to its log."""
    marks = {STACK_MARK: state.id, PART_MARK: part.name}
    account = part.account
    with state.log(part.name).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 (our own commands)
            part.command,
            cwd=part.cwd,
            env={**os.environ, **part.env, **marks},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def run(part: Part) -> None:
    """Run a part once and wait for it; one that fails is a LocalStackError with its output."""
    done = subprocess.run(  # noqa: S603 (our own commands)
        part.command,
        cwd=part.cwd,
        env={**os.environ, **part.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise LocalStackError(f"{part.name} failed:\n{done.stdout}{done.stderr}")


def record(state: State, running: dict[str, int]) -> None:
    """Note which process is which part, for a start after we were killed."""
    noted = {name: {"pid": pid, "created": _created(pid)} for name, pid in running.items()}
    write_private(state.pids, json.dumps(noted, indent=2))


def leftovers(
    state: State, data: Path | None, names: Collection[str] | None = None
) -> list[psutil.Process]:
    """Return the running processes of this stack, or those of the parts of these names.

    A process is ours when its environment bears our marks, when it works in our database's
    folder (Postgres overwrites its environment), or when pid and start time are those we noted.
    """
    noted = _noted(state)
    found = ((process, _part_of(process, state, data, noted)) for process in psutil.process_iter())
    return [process for process, name in found if name and (names is None or name in names)]


def end(processes: Iterable[psutil.Process], grace: float = GRACE) -> None:
    """End the processes: by SIGINT, which all parts take as quick and clean, then by force."""
    living = list(processes)
    _signal(living, signal.SIGINT)
    kill(_outlasting(living, grace))


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill the processes and wait until they are gone."""
    living = list(processes)
    _signal(living, signal.SIGKILL)
    _outlasting(living, GRACE)


def _outlasting(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait that long for the processes to end; return those that have not."""
    deadline = time.monotonic() + seconds
    while processes and time.monotonic() < deadline:
        time.sleep(0.02)
        processes = [process for process in processes if _lives(process)]
    return processes


def _lives(process: psutil.Process) -> bool:
    # A zombie holds neither port nor file; psutil would wait until its parent, which may be an
    # unhurried process 1, has taken note of it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _part_of(
    process: psutil.Process, state: State, data: Path | None, noted: dict[tuple[int, float], str]
) -> str | None:
    for name in _guesses(process, state, data, noted):
        if name:
            return name
    return None


def _guesses(
    process: psutil.Process, state: State, data: Path | None, noted: dict[tuple[int, float], str]
) -> Iterator[str | None]:
    try:
        yield noted.get((process.pid, process.create_time()))
        environ = process.environ()
        yield environ.get(PART_MARK) if environ.get(STACK_MARK) == state.id else None
        yield "postgres" if data and process.cwd() == str(data) else None
    except psutil.Error:
        # It is gone, or another user's and so not ours.
        return


def _noted(state: State) -> dict[tuple[int, float], str]:
    try:
        noted = json.loads(state.pids.read_text())
        return {(entry["pid"], entry["created"]): name for name, entry in noted.items()}
    except (FileNotFoundError, ValueError):
        return {}


def _created(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
