"""Hold the branches that the tests take to what is promised: `python -m checks.branches`.

The total of `coverage report` is of lines and branches together, and lines are many more: they
would hide branches that nobody takes.
"""

from __future__ import annotations

import json
import subprocess
import sys

from checks.check import PROGRAMS, ROOT

PROMISED = 95


def main(promised: float = PROMISED) -> int:
    """Print how many branches are covered; 1 when it is less than so many of a hundred."""
    command = (str(PROGRAMS / "coverage"), "json", "--quiet", "-o", "-")
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 (our own)
    if told.returncode:
        print(told.stdout.strip())
        return 1
    totals = json.loads(told.stdout)["totals"]
    share = 100 * totals["covered_branches"] / totals["num_branches"]
    taken = f"{totals['covered_branches']:,} of {totals['num_branches']:,} branches taken"
    print(f"{taken}: {share:.1f} %; {promised} % are promised")
    return 1 if share < promised else 0


if __name__ == "__main__":
    sys.exit(main())
