"""Run checks side by side, print a line for each; 1 when one failed, 2 for an unknown name."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from checks.check import Check, Finding, Verdict
from checks.table import CHECKS

AT_A_TIME = 3


def main(names: Sequence[str], table: Iterable[Check] = CHECKS) -> int:
    """Run the named checks, or all; return the exit code."""
    known = {check.name: check for check in table}
    if unknown := [name for name in names if name not in known]:
        print(f"No such check: {', '.join(unknown)}. There are: {', '.join(known)}.")
        return 2
    began, failed = time.monotonic(), 0
    for finding in _run([known[name] for name in names or known]):
        print(finding, flush=True)
        failed += finding.verdict is Verdict.FAILED
    print(f"{failed or 'no'} failed, {time.monotonic() - began:.1f} s", flush=True)
    return 1 if failed else 0


def _run(checks: Sequence[Check]) -> Iterator[Finding]:
    """Yield each check's finding as soon as it is there."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in as_completed([pool.submit(check.run) for check in checks]):
            yield done.result()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
