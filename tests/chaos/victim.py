"""What the faults befall: a stack, two services, two workers, the ways between, a receiver."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from services.local import application
from services.local.parts import Part
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack, discard, local_stack, watched
from services.local.state import State, remove_tree
from tests.chaos.disk import Disk, small_disk
from tests.chaos.listeners import SECRET, Moody
from tests.forwarder import Forwarder, Mode
from tests.receivers import Receiver, receiving
from tests.stack import never, unused_backend
from tests.web.caller import SETTINGS

SHARE = 0.3
"""The share of what passes a bad network that it befalls."""
CHAOS = {
    "REQUEST_TIMEOUT": "30",
    "BREAKER_FAILURES": "3",
    "BREAKER_SECONDS": "2",
    "WEBHOOK_ALLOW_LOCAL": "1",
    "WEBHOOK_TIMEOUT": "5",
}
DEFERRED_ABOVE = "60"
"""Events a minute of the service with a spool; the rest is left to the workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """Services with and without a spool, and workers, brought back by their supervisor."""

    stack: LocalStack
    urls: Sequence[str]
    network: Forwarder
    worker_ways: tuple[Forwarder, Forwarder]
    disk: Disk
    receiver: Receiver
    # Whoever needs everything else to stand still for a while holds it.
    calm: threading.Lock

    @contextmanager
    def networks(self, mode: Mode) -> Iterator[None]:
        """Let every way to Supabase be like that while this is entered."""
        ways = (self.network, *self.worker_ways)
        try:
            for way in ways:
                way.mode = mode
            yield
        finally:
            for way in ways:
                way.mode = "pass"


@contextmanager
def victim(state: State, seed: int) -> Iterator[Victim]:
    """Run everything, with nothing left of it afterwards."""
    backend, ports = unused_backend(), (free_port(), free_port())
    chance = random.Random(seed)
    try:
        with ended_by_sigterm(), ExitStack() as entered:
            disk = entered.enter_context(small_disk())
            receiver = entered.enter_context(receiving(SECRET, answer=Moody(chance)))
            network, *worker_ways = (
                entered.enter_context(
                    Forwarder(
                        backend.gateway_port, share=SHARE, chance=chance, held=b"/claim_events"
                    )
                )
                for _ in range(3)
            )
            ways = (network, *worker_ways)
            stack = entered.enter_context(
                local_stack(state, backend, pause=never, beside=_parts(ways, ports, disk))
            )
            entered.enter_context(watched(stack))
            yield Victim(
                stack=stack,
                urls=[f"http://{HOST}:{port}" for port in ports],
                network=network,
                worker_ways=(worker_ways[0], worker_ways[1]),
                disk=disk,
                receiver=receiver,
                calm=threading.Lock(),
            )
    finally:
        discard(state)
        remove_tree(state.folder)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: what is mounted and running does not outlive it."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parts(
    ways: Sequence[Forwarder], ports: Sequence[int], disk: Disk
) -> Callable[[LocalStack], Sequence[Part]]:
    def beside(stack: LocalStack) -> list[Part]:
        env = {**stack.env(), **SETTINGS, **CHAOS}
        through = [{**env, "SUPABASE_URL": way.url} for way in ways]
        spool = _spool(disk)
        rarely = {"EVENTS_PER_MINUTE": DEFERRED_ABOVE}
        return [
            application.service(through[0], ports[0]),
            replace(
                application.service({**through[0], **spool, **rarely}, ports[1]), name="spooler"
            ),
            application.worker(through[1]),
            replace(application.worker({**through[2], **spool}), name="second worker"),
        ]

    return beside


def _spool(disk: Disk) -> Mapping[str, str]:
    return {"SPOOL_PATH": str(disk.spool), "SPOOL_MAX_BYTES": str(disk.cap)}
