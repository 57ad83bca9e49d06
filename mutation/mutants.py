"""Make the mutants of a part with mutmut, and try its tests on each of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from mutation.parts import Part
from services.local.checkout import ROOT, STATE

WORK = STATE / "mutation"
NEEDED = ("services", "tests", "pyproject.toml", ".env.example")
# Without the plugin that collects garbage twice at the end of each run.
QUICK = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")
NOTICED = ("killed", "timeout", "segfault")

# mutmut's name of a mutant: module, then `x_function` or `xǁClassǁmethod`, then its number.
_NAME = re.compile(r"(?P<module>.+)\.x(?:_|ǁ(?P<kind>\w+)ǁ)(?P<function>\w+)__mutmut_\d+")


class MutationError(Exception):
    """mutmut could not run, or the tests fail without any mutant."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Survivor:
    """A mutant that no test noticed: a function, its lines as they stood and as they became."""

    function: str
    was: str
    became: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a part's mutants."""

    mutants: int
    noticed: int
    survivors: tuple[Survivor, ...]


def try_part(name: str, part: Part) -> Outcome:
    """Return what became of a part's mutants. Raises MutationError when they cannot be tried."""
    folder = WORK / name
    _prepare(folder, part)
    ran = _mutmut(folder, "run", "--max-children", "1", *part.mutants)
    told = _mutmut(folder, "results", "--all", "True").stdout
    fates = _fates(told, part.mutants or ("*",))
    if not fates or {*fates.values()} & {"not checked", "check was interrupted by user"}:
        raise MutationError(f"{name}: mutmut did not finish.\n{ran.stdout[-3000:]}{ran.stderr}")
    missed = [mutant for mutant, fate in fates.items() if fate not in NOTICED]
    survivors = tuple(sorted(_survivor(folder, mutant) for mutant in missed))
    return Outcome(mutants=len(fates), noticed=len(fates) - len(survivors), survivors=survivors)


def _fates(told: str, patterns: Sequence[str]) -> dict[str, str]:
    fates = dict(line.strip().split(": ", 1) for line in told.splitlines() if ": " in line)
    return {
        name: fate
        for name, fate in fates.items()
        if any(fnmatch(name, pattern) for pattern in patterns)
    }


def _prepare(folder: Path, part: Part) -> None:
    """Make a folder of links, so that mutmut's copy of the tree and its notes lie apart from it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for needed in NEEDED:
        (folder / needed).symlink_to(ROOT / needed)
    (folder / "setup.cfg").write_text(_config(part))


def _config(part: Part) -> str:
    options = {
        "source_paths": ["services"],
        "only_mutate": part.sources,
        "pytest_add_cli_args_test_selection": part.tests,
        # The same examples each time: who survives must not be a matter of luck.
        "pytest_add_cli_args": ["--hypothesis-seed=0", *QUICK],
    }
    lines = [f"{name}=\n    " + "\n    ".join(values) for name, values in options.items()]
    return "[mutmut]\n" + "\n".join(lines) + "\n"


def _mutmut(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("mutmut")
    return subprocess.run(  # noqa: S603 - mutmut, by its path
        [str(command), *arguments],
        cwd=folder,
        # Whatever is set here would be another configuration than the tests'.
        env={name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )


def _survivor(folder: Path, mutant: str) -> Survivor:
    lines = _mutmut(folder, "show", mutant).stdout.splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and line[:3] != "---"]
    became = [line[1:].strip() for line in lines if line.startswith("+") and line[:3] != "+++"]
    told = " ".join(became) or f"nothing, instead of {' '.join(was)}"
    return Survivor(function=readable(mutant), was=" ".join(was), became=told)


def readable(mutant: str) -> str:
    """Return the function that a mutant is of, as it is called: `limits.Limit._spend`."""
    found = _NAME.fullmatch(mutant)
    if found is None:
        raise MutationError(f"mutmut names a mutant {mutant!r}; that cannot be read.")
    parts = [found["module"].removeprefix("services."), found["kind"], found["function"]]
    return ".".join(part for part in parts if part)
