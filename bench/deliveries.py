"""Webhooks to customers: how many a second one worker sends, and who waits for whom."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice, repeat

from bench import customers
from bench.customers import Customer, Delivery, Said, require_each_once, wait_until
from bench.ledger import MismatchError
from bench.measures import new_run
from bench.place import Place
from bench.results import percentile
from bench.sink import Arrival, Sink

ENDPOINTS = 50
"""Endpoints of the throughput, which answer at once and may be sent as much as there is."""
UNLIMITED = {"rate_per_minute": 10_000, "concurrency": 100}
HEALTHY, HANGING, FAILING = 60, 20, 20
PER_ENDPOINT = 1.0
"""Messages a second for each endpoint, good or bad."""
HELD = 10
"""Messages that an endpoint which hangs holds from the beginning: as many as it gets at once."""
RETRIES = {"retry_schedule": [1, 2, 4, 8]}
RETRIED = 1.2
"""Seconds after which what has failed is tried again for the first time."""
WARM_UP = 1.0


def deliveries_per_second(here: Place, sink: Sink, amount: int) -> float:
    """Queue so many at once; return how many a second were sent and written down."""
    listening = customers.create(here.db, sink, repeat("quick", ENDPOINTS), **UNLIMITED)
    said = list(islice(_messages(listening), amount))
    try:
        sink.arrivals()
        started = customers.say(here.db, said)
        wait_until(lambda: not customers.waiting(here.db, listening), "all to be delivered")
        seconds = time.monotonic() - started
        told = customers.deliveries(here.db, listening)
        require_each_once([name for _, name in said], told, sink.arrivals())
    finally:
        customers.remove(here.db, listening)
    return amount / seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """Endpoints that answer at once, alone or beside bad ones for a while."""

    here: Place
    sink: Sink
    endpoints: Sequence[Customer]

    def p99_alone(self, seconds: float) -> float:
        """Return the 99th percentile of the milliseconds from commit to arrival."""
        delays, _ = self._delays(self.endpoints, seconds)
        return percentile(delays, 99)

    def p99_beside_bad(self, seconds: float) -> float:
        """Return the same while others hang and fail, and what fails is tried again."""
        with self._bad() as bad:
            everybody = _mixed(self.endpoints, bad)
            _, before = self._delays(everybody, RETRIED)
            delays, during = self._delays(everybody, seconds)
            require_retries(before, during)
            if self.sink.waiting() < HELD * HANGING:
                raise MismatchError("deliveries: endpoints did not hang for as long as they should")
        return percentile(delays, 99)

    def _delays(
        self, everybody: Sequence[Customer], seconds: float
    ) -> tuple[list[float], list[Arrival]]:
        """Let everybody be told, evenly; return the delays of the healthy, and what arrived."""
        self.sink.arrivals()
        committed = self._say_evenly(everybody, seconds)
        wait_until(lambda: not customers.waiting(self.here.db, self.endpoints), "the healthy ones")
        told = customers.deliveries(self.here.db, self.endpoints)
        told = [delivery for delivery in told if delivery.message in committed]
        arrived = self.sink.arrivals()
        healthy = [arrival for arrival in arrived if arrival.kind == "quick"]
        require_each_once(list(committed), told, healthy)
        return _milliseconds(committed, told, healthy), arrived

    def _say_evenly(self, everybody: Sequence[Customer], seconds: float) -> dict[str, float]:
        """Say a message every so often; return when the healthy ones' were committed, by name."""
        rate = PER_ENDPOINT * len(everybody)
        committed, started = {}, time.monotonic()
        for number, said in enumerate(islice(_messages(everybody), round(rate * seconds))):
            time.sleep(max(started + number / rate - time.monotonic(), 0))
            at = customers.say(self.here.db, [said])
            customer, name = said
            if customer.kind == "quick":
                committed[name] = at
        return committed

    @contextmanager
    def _bad(self) -> Iterator[Sequence[Customer]]:
        """Let others that have worked hang and fail; nothing of theirs is under way afterwards."""
        db, sink = self.here.db, self.sink
        hanging = customers.create(db, sink, repeat("hanging", HANGING))
        bad = [*hanging, *customers.create(db, sink, repeat("failing", FAILING), **RETRIES)]
        try:
            customers.say(db, list(islice(_messages(bad), len(bad))))
            wait_until(lambda: not customers.waiting(db, bad), "the bad ones, while they work")
            customers.say(db, list(islice(_messages(hanging), HELD * HANGING)))
            wait_until(lambda: sink.waiting() >= HELD * HANGING, "endpoints to hang")
            yield bad
            customers.disable(db, bad)
            sink.release()
            wait_until(lambda: not customers.in_flight(db, bad), "the last attempts to end")
        finally:
            customers.remove(db, bad)


@contextmanager
def healthy(here: Place, sink: Sink) -> Iterator[Healthy]:
    """Give healthy endpoints that the worker has met; nothing of them is left afterwards."""
    endpoints = customers.create(here.db, sink, repeat("quick", HEALTHY))
    try:
        they = Healthy(here=here, sink=sink, endpoints=endpoints)
        they.p99_alone(WARM_UP)
        yield they
    finally:
        customers.remove(here.db, endpoints)


def require_retries(before: Sequence[Arrival], during: Sequence[Arrival]) -> None:
    """Raise MismatchError unless something that failed before was tried again."""
    failed = {arrival.webhook_id for arrival in before if arrival.kind == "failing"}
    if not failed & {arrival.webhook_id for arrival in during}:
        raise MismatchError("deliveries: nothing that failed was tried again")


def _messages(listening: Sequence[Customer]) -> Iterator[Said]:
    """Yield messages for each in turn, without end."""
    run = new_run()
    return ((each, f"{run}-{number}") for number, each in enumerate(cycle(listening)))


def _mixed(healthy: Sequence[Customer], bad: Sequence[Customer]) -> list[Customer]:
    """Return all, the bad ones spread evenly among the healthy."""
    places = [
        (number / len(group), number, each)
        for group in (healthy, bad)
        for number, each in enumerate(group)
    ]
    return [each for _, _, each in sorted(places, key=lambda place: place[:2])]


def _milliseconds(
    committed: Mapping[str, float], told: Sequence[Delivery], arrived: Sequence[Arrival]
) -> list[float]:
    came = {arrival.webhook_id: arrival.at for arrival in arrived}
    return [1000 * (came[each.webhook_id] - committed[each.message]) for each in told]
