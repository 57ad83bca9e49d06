"""Look for what would hurt a database in use: squawk's rules, over every migration.

https://squawkhq.com/docs/rules
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from checks.check import PROGRAMS, ROOT

MIGRATIONS = ROOT / "supabase" / "migrations"
FITTING_NONE: Mapping[str, str] = {
    "prefer-bigint-over-int": "what is int counts tries, seconds, positions and scores; keys are"
    " uuids, and sequences bigint",
}
"""Rules that fit no migration of ours, and why."""
UNFIT_FOR_FIRST: Mapping[str, str] = {
    "require-lock-timeout": "it makes the tables, or adopts those of an app that is being set up",
    "require-statement-timeout": "as above: nobody waits for it",
    "adding-field-with-default": "the tables are new, or small ones of an app's beginning",
    "adding-foreign-key-constraint": "as above: there are no rows yet whose check would take long",
    "adding-required-field": "the column has a default, or its table has just been made",
    "ban-drop-not-null": "tables of these names from elsewhere want what we leave open: our code"
    " is the first to read them",
    "ban-drop-function": "what it drops was in no release; later the code of the release before"
    " still calls it",
}
"""Rules that the first migration, which meets no code and hardly a row, need not keep, and why."""


def main(folder: Path = MIGRATIONS) -> int:
    """Print what squawk says of the first migration, then of those after it; 1 when it objects."""
    first, *later = sorted(folder.glob("*.sql"))
    codes = [_squawk([first], {**FITTING_NONE, **UNFIT_FOR_FIRST})]
    if later:
        codes.append(_squawk(later, FITTING_NONE))
    return int(any(codes))


def _squawk(files: list[Path], excluded: Mapping[str, str]) -> int:
    """Run it as `supabase db push` runs the files: each in a transaction of its own."""
    done = subprocess.run(  # noqa: S603 (squawk, on our own files)
        [
            PROGRAMS / "squawk",
            "--assume-in-transaction",
            "--pg-version=17",
            f"--exclude={','.join(excluded)}",
            "--reporter=gcc",
            *files,
        ],
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
