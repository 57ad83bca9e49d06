"""`make mutation`: break the code; fail on what no test noticed and no page explains."""

from __future__ import annotations

import argparse
import sys

from mutation import explained
from mutation.mutants import MutationError, Outcome, try_part
from mutation.parts import PARTS
from mutation.sql_run import breaks, noticed_by, running_stack


def main() -> int:
    """Try the parts, or the SQL; return 1 when something is neither noticed nor explained."""
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts, or SQL functions; all where none is named")
    parser.add_argument("--sql", action="store_true", help="break the SQL functions instead")
    asked = parser.parse_args()
    try:
        return _try_sql(asked.names) if asked.sql else _try_parts(asked.names or list(PARTS))
    except MutationError as error:
        print(error, file=sys.stderr)
        return 1


def _try_parts(names: list[str]) -> int:
    if unknown := [name for name in names if name not in PARTS]:
        raise MutationError(f"No part is named {unknown[0]}; there are {', '.join(PARTS)}.")
    outcomes = {}
    for name in names:
        outcomes[name] = try_part(name, PARTS[name])
        _tell(name, outcomes[name])
    page = explained.PAGE.read_text()
    explained.PAGE.write_text(explained.with_figures(page, outcomes))
    survivors = [one for outcome in outcomes.values() for one in outcome.survivors]
    missing = explained.unexplained(survivors, page)
    for survivor in missing:
        print(explained.row(survivor))
    stale = explained.outlived(survivors, [PARTS[name] for name in names], page)
    for line in stale:
        print(f"explained, but noticed now: {line}")
    return 1 if missing or stale else 0


def _tell(name: str, outcome: Outcome) -> None:
    survive = f"{len(outcome.survivors)} survive"
    print(f"{name}: {outcome.noticed} of {outcome.mutants} mutants noticed, {survive}", flush=True)


def _try_sql(names: list[str]) -> int:
    chosen = [one for one in breaks() if not names or one.function in names]
    missed = 0
    with running_stack() as stack:
        for one in chosen:
            failed = noticed_by(stack, one)
            missed += not failed
            told = failed[0] if failed else "NOT NOTICED"
            print(f"{one.function}: {' '.join(one.was.split())!r}: {told}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} breaks noticed")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
