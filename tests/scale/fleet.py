"""Several processes of the service and of the worker, all at one database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from services.local.stack import LocalStack
from tests.stack import Service, start_service
from tests.waiting import until
from tests.web.caller import LIMITS, Caller

Answer = TypeVar("Answer")

CONVOHOOKS = str(Path(sys.executable).with_name("convohooks"))
PATIENCE = 60.0


def at_once(calls: Iterable[Callable[[], Answer]], threads: int = 32) -> list[Answer]:
    """Make all calls from so many threads; return the answers in the order of the calls."""
    with ThreadPoolExecutor(threads) as pool:
        return [made.result() for made in [pool.submit(call) for call in calls]]


@dataclass(frozen=True, slots=True)
class App:
    """A service with one process or more, and who calls it."""

    service: Service
    caller: Caller

    @property
    def processes(self) -> list[psutil.Process]:
        """Its worker processes, each of which serves calls."""
        return psutil.Process(self.service.pid).children()


@contextmanager
def running_apps(stack: LocalStack, *settings: dict[str, str]) -> Iterator[list[App]]:
    """Run a service for each of these settings, started together."""
    with ExitStack() as entered:
        services = at_once(partial(start_service, stack, **env) for env in settings)
        for service in services:
            entered.callback(service.kill)
        # Two that found the same port free would be one.
        assert len({service.url for service in services}) == len(settings)
        clients = [
            entered.enter_context(httpx.Client(base_url=one.url, timeout=30, limits=LIMITS))
            for one in services
        ]
        yield [App(one, Caller(http)) for one, http in zip(services, clients, strict=True)]


@contextmanager
def serving_alone(app: App, process: psutil.Process) -> Iterator[None]:
    """Let one process of a service take all calls, while the others stand still."""
    others = [other for other in app.processes if other != process]
    for other in others:
        other.suspend()
    try:
        yield
    finally:
        for other in others:
            other.resume()


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, and where it writes its log."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.output.read_text().splitlines() if line]

    def ids(self, event: str, name: str) -> list[str]:
        """Return what its lines of this kind name, in their order."""
        return [line[name] for line in self.lines if line["event"] == event]

    def end(self, by: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, and wait for the end."""
        self.process.send_signal(by)
        self.process.wait(PATIENCE)


@contextmanager
def running_workers(
    stack: LocalStack, folder: Path, count: int, **settings: str
) -> Iterator[list[Worker]]:
    """Run so many workers, all of which have begun; none outlives this."""
    env = {**os.environ, **stack.env(), "PUBLIC_BASE_URL": "http://x.example.test", **settings}
    workers: list[Worker] = []
    try:
        for number in range(count):
            output = folder / f"worker-{number}.log"
            with output.open("wb") as log:
                process = subprocess.Popen([CONVOHOOKS, "worker"], env=env, stdout=log, stderr=log)
            workers.append(Worker(process, output))
        until(lambda: all("worker started" in one.output.read_text() for one in workers))
        yield workers
    finally:
        for worker in workers:
            if worker.process.poll() is None:
                worker.end()


@contextmanager
def standing_still(workers: Iterable[Worker]) -> Iterator[None]:
    """Let no worker do anything; afterwards all look for work at the same moment."""
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            worker.process.send_signal(signal.SIGCONT)
