"""`make bench`: measure every pair, print the table, write it down. `--quick` only prints."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bench import capacity, machine, page, picture, results
from bench.ledger import MismatchError
from bench.load import LoadError, generator
from bench.plan import FULL, QUICK
from bench.run import measure
from services.local.errors import LocalStackError

FOLDER = Path(__file__).parent


def main() -> int:
    """Run the benchmark; return 1 when it could not be run or something was lost."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute; writes nothing")
    quick = parser.parse_args().quick
    # However it is stopped, the stacks are taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    described = machine.describe(generator())
    print(described, flush=True)
    try:
        rows = measure(QUICK if quick else FULL, _say)
    except (LocalStackError, LoadError, MismatchError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(results.to_text(rows))
    if not quick:
        (FOLDER / "results.json").write_text(results.to_json(rows))
        (FOLDER / "results.svg").write_text(picture.to_svg(rows, described))
        page.update(rows, described)
        capacity.update()
    return 0


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
