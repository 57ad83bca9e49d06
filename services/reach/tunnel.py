"""A tunnel that stays: its program is started again when it dies, hangs or leads nowhere.

An address counts only once this service has answered through it; then it is noted for the service,
and the callback URLs at Tavus are made to follow.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Never, TypeVar

from services.reach.public_url import TunnelNote
from services.reach.tunnel_program import Program, Recipe

Json = Any
Answer = TypeVar("Answer")
Tell = Callable[..., None]
"""Takes the name of what happened, and what there is to say of it."""

GLANCE = 0.1
"""Seconds between two looks at the program."""
LONGEST_SYNC = 300.0
AWAY = 5.0
"""Seconds between two looks for a service that is away."""
STEADY = 60.0
"""Seconds after which a program that then fails is not one that never worked."""
LONGEST_WAIT = 60.0
JITTER = 0.2


class Stopped(Exception):
    """Somebody has asked us to stop."""


class Broken(Exception):
    """The program must be started again; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often the tunnel is checked, and how much it is forgiven; in seconds, but `failures`."""

    every: float = 30.0
    for_check: float = 10.0
    for_url: float = 30.0
    to_settle: float = 30.0
    failures: int = 3


def next_wait(failed: int, chance: Callable[[], float] = random.random) -> float:
    """Return the seconds until a program that has failed so often in a row is started again."""
    wait = min(LONGEST_WAIT, 2.0 ** min(failed - 1, 10))
    return wait * (1 + JITTER * (2 * chance() - 1))


@dataclass(slots=True, kw_only=True)
class Tunnel:
    """Keeps a tunnel to a port open until `pause` says that somebody wants it to end.

    `problem_at` asks at an address whether this service answers there; `sync` makes Tavus follow
    and returns how it went, or is None where there is no key; `tell` hears of all that happens.
    """

    recipe: Recipe
    port: int
    env: Mapping[str, str]
    pause: Callable[[float], bool]
    tell: Tell
    problem_at: Callable[[str], str | None]
    sync: Callable[[str], Mapping[str, Json]] | None
    note: TunnelNote
    patience: Patience = field(default_factory=Patience)
    url: str | None = None
    synced: str | None = None

    def run(self) -> None:
        """Run until told to stop. Raises TunnelError when the program cannot be started at all."""
        try:
            self._keep_running()
        except Stopped:
            self.tell("stopped")

    def _keep_running(self) -> None:
        failed = 0
        while True:
            started = time.monotonic()
            program = Program(self.recipe, self.port, self.env)
            self.tell("started", command=self.recipe.arguments(self.port)[0])
            try:
                self._watch(program)
            except Broken as broken:
                reason = str(broken)
            finally:
                program.end()
            failed = 1 if time.monotonic() - started > STEADY else failed + 1
            wait = next_wait(failed)
            self.tell("restarting", reason=reason, seconds=round(wait, 1), said=[*program.lines])
            self._wait(wait)

    def _watch(self, program: Program) -> Never:
        """Look after one run of the program. Raises Broken when it must be started again."""
        url = self._find_address(program)
        failures = 0
        while True:
            self._until_next_check(program)
            problem = self._problem(program, url)
            self._check_that_it_runs(program)
            if problem is None:
                failures = 0
                self._let_tavus_follow(url)
            # Only now: a stranger may get an address into the program's output.
            elif moved := self._leading(program, besides=url):
                url, failures = moved, 0
                self._follow(url)
            else:
                failures += 1
                self.tell("check failed", url=url, reason=problem, failures=failures)
                if failures >= self.patience.failures:
                    raise Broken(f"{url}: {problem}")

    def _find_address(self, program: Program) -> str:
        """Wait until this service answers at an address that the program has told; return it."""
        self._await_service(program)
        first = self._first_address(program)
        self.tell("address", url=first)
        deadline = time.monotonic() + self.patience.to_settle
        wait = GLANCE
        while not (url := self._leading(program)):
            self._check_that_it_runs(program)
            if time.monotonic() > deadline:
                raise Broken(f"{first}: {self._problem(program, first)}")
            self._wait(wait)
            wait = min(2 * wait, 2.0)
        self._follow(url)
        return url

    def _first_address(self, program: Program) -> str:
        deadline = time.monotonic() + self.patience.for_url
        while not program.urls:
            self._check_that_it_runs(program)
            if time.monotonic() > deadline:
                raise Broken(f"no address after {self.patience.for_url:g} s")
            self._wait(GLANCE)
        return program.urls[0]

    def _leading(self, program: Program, besides: str = "") -> str | None:
        """Return the first address told by the program that leads here, None while none does."""
        others = (url for url in [*program.urls] if url != besides)
        return next((url for url in others if self._problem(program, url) is None), None)

    def _check_that_it_runs(self, program: Program) -> None:
        if ended := _ending(program):
            raise Broken(ended)

    def _until_next_check(self, program: Program) -> None:
        """Wait for the next check, which comes at once when the program ends or tells another."""
        known = len(program.urls)
        deadline = time.monotonic() + self.patience.every
        while time.monotonic() < deadline and not _ending(program) and len(program.urls) == known:
            self._wait(min(GLANCE, self.patience.every))

    def _problem(self, program: Program, url: str) -> str | None:
        """Check end to end; as long as the service itself is away the tunnel is not to blame."""
        while problem := self._ask(url):
            if _ending(program) or self._await_service(program):
                return problem
        return None

    def _await_service(self, program: Program) -> bool:
        """Wait until the service answers on this machine; return whether it did at once."""
        here = f"http://127.0.0.1:{self.port}"
        at_once = True
        while (reason := self._ask(here)) and not _ending(program):
            if at_once:
                self.tell("service away", url=here, reason=reason)
            at_once = False
            self._wait(min(self.patience.every, AWAY))
        return at_once

    def _ask(self, url: str) -> str | None:
        late: str | None = "no answer in time"
        return self._beside(lambda: self.problem_at(url), self.patience.for_check, late)

    def _follow(self, url: str) -> None:
        """Let the service and Tavus follow to an address that has just been proved."""
        former, self.url = self.url, url
        self.note.write(url)
        self.tell("up", url=url, former=former if former != url else None)
        self._let_tavus_follow(url)

    def _let_tavus_follow(self, url: str) -> None:
        """Change the callback URLs at Tavus, unless that is done."""
        sync = self.sync
        if sync and self.synced != url:
            late: Mapping[str, Json] = {"failed": f"no end after {LONGEST_SYNC:g} s"}
            result = self._beside(lambda: sync(url), LONGEST_SYNC, late)
            self.synced = None if result.get("failed") else url
            self.tell("callbacks", **result)

    def _beside(self, work: Callable[[], Answer], seconds: float, late: Answer) -> Answer:
        """Do what may take long so that a signal need not wait for it."""
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
        thread.start()
        deadline = time.monotonic() + seconds
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.01)
            if thread.is_alive():
                self._wait(0.02)
        return answers[0] if answers else late

    def _wait(self, seconds: float) -> None:
        """Wait. Raises Stopped when asked to stop."""
        if self.pause(seconds):
            raise Stopped


def _ending(program: Program) -> str | None:
    code = program.exit_code
    if code is None:
        return None
    return f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
