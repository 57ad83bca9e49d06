"""Ask whether a package that we pin has a known weakness: `python -m checks.audit pip`, or `npm`.

Python's are looked up at OSV (https://osv.dev) by pip-audit, Node's at the npm registry by npm.
Where one does not answer nothing is known, and that is said: it is no good news.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.check import LEFT_OUT, PROGRAMS, ROOT
from services.local.toolchain import node_environ, npm_ci

OSV = "https://api.osv.dev/v1/query"
LOCK = ROOT / "requirements.lock"
NODE_PROJECTS = tuple(
    ROOT / folder
    for folder in ("client", "supabase/local", "checks/actionlint", "examples/receivers/express")
)
SECONDS = 15
ACCEPTED: Mapping[str, str] = {}
"""Weaknesses that do not concern us, by their id, and why."""


class NoAnswerError(Exception):
    """The advisory service said nothing that could be understood."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """A published weakness of a package that we pin."""

    package: str
    id: str
    words: str

    def __str__(self) -> str:
        """Return its line."""
        return f"{self.package}: {self.id} {self.words}".rstrip()


def main(arguments: Sequence[str]) -> int:
    """Audit one lock file; 1 for a weakness, LEFT_OUT where nobody could be asked."""
    audits: Mapping[str, Callable[[], list[Weakness]]] = {"pip": of_python, "npm": of_node}
    if len(arguments) != 1 or arguments[0] not in audits:
        print(f"One of {', '.join(audits)} is wanted.")
        return 2
    return report(audits[arguments[0]])


def report(audit: Callable[[], list[Weakness]]) -> int:
    """Print what an audit has found, or why it has not; return the exit code."""
    try:
        found = [weakness for weakness in audit() if weakness.id not in ACCEPTED]
    except NoAnswerError as reason:
        print(f"not audited: {reason}")
        return LEFT_OUT
    print("\n".join(map(str, found)) or "no known weakness")
    return 1 if found else 0


def of_python(lock: Path = LOCK, osv_url: str = OSV) -> list[Weakness]:
    """Return the weaknesses of what a lock file names. Raises NoAnswerError."""
    options = ("--disable-pip", "--no-deps", "--progress-spinner=off", "--format=json")
    service = ("--vulnerability-service=osv", f"--osv-url={osv_url}", f"--timeout={SECONDS}")
    told = _json([str(PROGRAMS / "pip-audit"), f"--requirement={lock}", *options, *service])
    packages = told.get("dependencies")
    if not packages:
        raise NoAnswerError(f"{osv_url} does not answer")
    found = [weakness for package in packages for weakness in _of_package(package)]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if unknown and not found:
        raise NoAnswerError(f"{osv_url} does not know {len(unknown)} of {len(packages)} packages")
    return found


def of_node(projects: Sequence[Path] = NODE_PROJECTS, registry: str = "") -> list[Weakness]:
    """Return the weaknesses of what the lock files name. Raises NoAnswerError."""
    return [weakness for project in projects for weakness in _of_project(project, registry)]


def _of_package(package: Mapping[str, Any]) -> Iterator[Weakness]:
    for told in package.get("vulns", ()):
        mended = ", ".join(told.get("fix_versions", ())) or "no version"
        name = f"{package['name']} {package['version']}"
        yield Weakness(name, told["id"], f"(mended in {mended})")


def _of_project(project: Path, registry: str) -> Iterator[Weakness]:
    node, npm, *_ = npm_ci()
    options = [
        "audit",
        "--json",
        "--package-lock-only",
        "--fetch-retries=0",
        "--no-update-notifier",
    ]
    where = [f"--registry={registry}"] if registry else []
    told = _json([node, npm, *options, *where], project)
    if "auditReportVersion" not in told:
        raise NoAnswerError(f"the npm registry gives no advisories ({_reason(told)})")
    for name, package in told["vulnerabilities"].items():
        for cause in package["via"]:
            # A text names another package of this list, which has the cause.
            if isinstance(cause, dict):
                yield Weakness(f"{name} {cause['range']}", cause["url"], cause["title"])


def _reason(told: Mapping[str, Any]) -> str:
    status = told.get("statusCode")
    return f"it answers {status}" if status else "it does not answer"


def _json(command: Sequence[str], folder: Path = ROOT) -> dict[str, Any]:
    """Return what a command prints as JSON; nothing where it prints something else."""
    environment = {**os.environ, **node_environ()}
    done = subprocess.run(  # noqa: S603 (pip-audit and npm, on our own files)
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
