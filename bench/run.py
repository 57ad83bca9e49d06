"""The run: starts what is measured, measures in interleaved rounds, makes the rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from bench import ledger
from bench.deliveries import FAILING, HANGING, Healthy, deliveries_per_second, healthy
from bench.measures import (
    Side,
    events_per_second,
    lone_latencies,
    paced_latencies,
    resident_megabytes,
    screen_latencies,
)
from bench.payments import payments_per_second
from bench.place import (
    ANSWERING,
    OURS,
    STATES,
    TABLE_BY_TABLE,
    Place,
    Server,
    place,
    server,
    worker,
)
from bench.plan import CONNECTIONS, Plan
from bench.results import Goal, Pair, Result, compared, number, percentile
from bench.sink import sink
from services.local.stack import discard_idle

Say = Callable[[str], None]
EVERYTHING = ledger.EVERY_TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """All that is measured."""

    ours: Side
    full: Side
    answering: Side
    table_by_table: Side

    def named(self) -> dict[str, Side]:
        """Return them in the order of a round."""
        return {
            "answering only": self.answering,
            "ours": self.ours,
            "ours, full inbox": self.full,
            "table by table": self.table_by_table,
        }


def measure(plan: Plan, say: Say) -> list[Result]:
    """Run everything of a plan and return the table's rows.

    Raises LocalStackError, LoadError, or MismatchError when an acknowledged event is missing.
    """
    discard_idle(STATES)
    with _sides(plan, say) as sides:
        rates = _rates(sides, plan, say)
        payments = _payments(sides.ours, plan, say)
        top = median(rates["ours"])
        paced = [_paced(sides.ours, top / 2, plan, say) for _ in range(plan.paced_rounds)]
        ours, bare = lone_latencies(sides.ours, plan.lone_requests)
        screens = screen_latencies(sides.ours, plan.screens)
        megabytes = resident_megabytes(sides.ours.server)
        deliveries = list(_deliveries(sides.ours.here, plan, say))
    return [
        *_throughput(rates, plan),
        _stripe(payments),
        _alone(ours, bare),
        _tail(paced),
        _screen(screens),
        _memory(megabytes),
        *deliveries,
    ]


@contextmanager
def _sides(plan: Plan, say: Say) -> Iterator[Sides]:
    with ExitStack() as opened:

        def start(here: Place, app: str) -> Server:
            return opened.enter_context(server(here, app))

        say("starting two local Supabases")
        here, filled = opened.enter_context(place()), opened.enter_context(place())
        say(f"filling one inbox with {plan.inbox_rows:,} rows")
        ledger.fill(filled.db, plan.inbox_rows)
        yield Sides(
            ours=Side(here=here, server=start(here, OURS), tables=EVERYTHING),
            full=Side(here=filled, server=start(filled, OURS), tables=EVERYTHING, keep_inbox=True),
            answering=Side(here=here, server=start(here, ANSWERING), tables=()),
            table_by_table=Side(
                here=here, server=start(here, TABLE_BY_TABLE), tables=("messages", "stream")
            ),
        )


def _rates(sides: Sides, plan: Plan, say: Say) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in sides.named()}
    for side in sides.named().values():
        events_per_second(side, plan.warm_up_seconds)
    order = list(sides.named().items())
    for _ in range(plan.rounds):
        for name, side in order:
            rates[name].append(events_per_second(side, plan.load_seconds))
        order.reverse()  # who comes after whom makes a difference too
        say(", ".join(f"{name} {number(values[-1])}/s" for name, values in rates.items()))
    return rates


def _payments(side: Side, plan: Plan, say: Say) -> list[float]:
    payments_per_second(side, plan.warm_up_seconds)
    rates = [payments_per_second(side, plan.load_seconds) for _ in range(plan.rounds)]
    say(f"Stripe's events {number(median(rates))}/s")
    return rates


def _paced(side: Side, rate: float, plan: Plan, say: Say) -> tuple[float, float]:
    latencies = paced_latencies(side, rate, plan.paced_seconds)
    p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
    say(f"at {number(rate)}/s: p50 {number(p50)} ms, p99 {number(p99)} ms")
    return p50, p99


def _deliveries(here: Place, plan: Plan, say: Say) -> Iterator[Result]:
    with sink() as at, worker(here):
        deliveries_per_second(here, at, plan.deliveries // 10)
        rates = [
            deliveries_per_second(here, at, plan.deliveries) for _ in range(plan.delivery_rounds)
        ]
        say(f"deliveries {number(median(rates))}/s")
        yield _sent(rates)
        with healthy(here, at) as they:
            yield _unharmed([_beside_bad(they, plan, say) for _ in range(plan.beside_bad_rounds)])


def _beside_bad(they: Healthy, plan: Plan, say: Say) -> tuple[float, float]:
    alone = they.p99_alone(plan.beside_bad_seconds)
    beside = they.p99_beside_bad(plan.beside_bad_seconds)
    say(f"healthy endpoints, p99: {number(alone)} ms, beside bad ones {number(beside)} ms")
    return beside, alone


def _throughput(rates: dict[str, list[float]], plan: Plan) -> list[Result]:
    ours = tuple(rates["ours"])

    def against(name: str, mine: tuple[float, ...] = ours) -> Pair:
        return Pair(ours=mine, against=name, theirs=tuple(rates[name]), unit="/s")

    full = tuple(rates["ours, full inbox"])
    empty = Pair(ours=full, against="empty inbox", theirs=ours, unit="/s")
    return [
        compared(
            f"events/s stored, {CONNECTIONS} connections, against answering only",
            Goal(sign="≥", bound=0.5),
            against("answering only"),
        ),
        compared(
            "events/s stored, against writing table by table",
            Goal(sign="≥", bound=10),
            against("table by table"),
        ),
        compared(
            f"events/s stored with {plan.inbox_rows:,} inbox rows, against none",
            Goal(sign="≥", bound=0.9),
            empty,
        ),
    ]


def _stripe(rates: list[float]) -> Result:
    return Result(
        name="Stripe's events/s, verified, de-duplicated and stored",
        value=median(rates),
        unit="/s",
        goal=Goal(sign="≥", bound=2300),
    )


def _alone(ours: list[float], bare: list[float]) -> Result:
    pair = Pair(ours=(median(ours),), against="bare RPC", theirs=(median(bare),), unit="ms")
    return compared("one request alone, p50, against a bare RPC", Goal(sign="≤", bound=1.3), pair)


def _tail(paced: list[tuple[float, float]]) -> Result:
    medians, tails = zip(*paced, strict=True)
    pair = Pair(ours=tails, against="p50", theirs=medians, unit="ms")
    return compared("p99 at half of the top rate, against p50", Goal(sign="≤", bound=5), pair)


def _screen(latencies: list[float]) -> Result:
    return Result(
        name="callback sent until the browser has the row, p50",
        value=median(latencies),
        unit="ms",
        goal=Goal(sign="≤", bound=150),
    )


def _memory(megabytes: float) -> Result:
    return Result(
        name="resident memory of a gunicorn worker, after the load",
        value=megabytes,
        unit="MB",
        goal=Goal(sign="≤", bound=150),
    )


def _sent(rates: list[float]) -> Result:
    return Result(
        name="deliveries/s to a local receiver, one worker", value=median(rates), unit="/s"
    )


def _unharmed(p99s: list[tuple[float, float]]) -> Result:
    beside, alone = zip(*p99s, strict=True)
    return compared(
        f"healthy endpoints' p99 delay beside {HANGING + FAILING} bad ones",
        Goal(sign="≤", bound=2),
        Pair(ours=beside, against="alone", theirs=alone, unit="ms"),
    )
