"""`make bench-compare base=REF`: is this tree slower than another one?

Both run side by side, each against a Supabase with its own schema, and are measured in turns. 1
says that this one is slower beyond doubt, 2 that they could not be compared.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import ledger, machine, trees
from bench.ledger import MismatchError
from bench.load import LoadError, generator
from bench.measures import Side, callback_latencies, events_per_second
from bench.payments import payments_per_second
from bench.place import OURS, STATES, place, server
from bench.results import table
from bench.verdict import HEADINGS, Measured
from services.local import checkout
from services.local.errors import LocalStackError
from services.local.stack import discard_idle

WARM_UP_SECONDS = 1.0
LOAD_SECONDS = 2.5
LONE_REQUESTS = 60

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two trees at work."""

    now: Side
    base: Side

    def in_turn(self, measure: Callable[[Side], float], *, base_first: bool) -> Pair:
        """Measure both, one after the other; return this tree's figure, then the base's."""
        if base_first:
            base = measure(self.base)
            return measure(self.now), base
        return measure(self.now), measure(self.base)


def main() -> int:
    """Compare with the tree that is named; return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-compare", description=__doc__)
    parser.add_argument("base", help="a commit, branch or tag, or the folder of a tree")
    parser.add_argument("--rounds", type=int, default=10, help="six at least say anything")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(machine.describe(generator()), flush=True)
    try:
        with trees.tree(options.base) as folder:
            found = compare(folder, options.rounds, _say)
    except (LocalStackError, LoadError, MismatchError, trees.TreeError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(table([HEADINGS, *(measured.cells() for measured in found)]))
    return int(any(measured.word == "slower" for measured in found))


def compare(folder: Path, rounds: int, say: Callable[[str], None]) -> list[Measured]:
    """Measure this tree and that of a folder, in so many rounds.

    Raises LocalStackError, LoadError, MismatchError, TreeError.
    """
    discard_idle(STATES)
    with _sides(folder, say) as sides:
        for side in (sides.now, sides.base):
            events_per_second(side, WARM_UP_SECONDS)
        done = [_round(sides, number, say) for number in range(rounds)]
    events, payments, lone = zip(*done, strict=True)
    return [
        _measured("events/s stored, 64 connections", "/s", events, more_is_better=True),
        _measured("Stripe's events/s", "/s", payments, more_is_better=True),
        _measured("one request alone, p50", "ms", lone, more_is_better=False),
    ]


@contextmanager
def _sides(folder: Path, say: Callable[[str], None]) -> Iterator[Sides]:
    say("starting two local Supabases")
    with ExitStack() as opened:

        def side(tree: Path, python: str) -> Side:
            here = opened.enter_context(place(tree))
            run = opened.enter_context(server(here, OURS, tree, python))
            return Side(here=here, server=run, tables=ledger.EVERY_TABLE)

        base = side(folder, trees.python_of(folder))
        yield Sides(now=side(checkout.ROOT, sys.executable), base=base)


def _round(sides: Sides, number: int, say: Callable[[str], None]) -> tuple[Pair, Pair, Pair]:
    # Who comes after whom makes a difference too.
    base_first = number % 2 == 0
    events = sides.in_turn(lambda it: events_per_second(it, LOAD_SECONDS), base_first=base_first)
    payments = sides.in_turn(
        lambda it: payments_per_second(it, LOAD_SECONDS), base_first=base_first
    )
    now, base = callback_latencies((sides.now, sides.base), LONE_REQUESTS)
    lone = median(now), median(base)
    say(
        f"this tree : base  {_said(events)} /s, Stripe {_said(payments)} /s, alone {_said(lone)} ms"
    )
    return events, payments, lone


def _said(pair: Pair) -> str:
    return f"{pair[0]:,.1f} : {pair[1]:,.1f}"


def _measured(name: str, unit: str, pairs: Sequence[Pair], *, more_is_better: bool) -> Measured:
    now, base = zip(*pairs, strict=True)
    return Measured(name=name, unit=unit, now=now, base=base, more_is_better=more_is_better)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
