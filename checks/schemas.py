"""Hold what other programs read to the schemas they publish: `python -m checks.schemas`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from checks.check import PROGRAMS, ROOT

SCHEMAS: Mapping[str, Sequence[str]] = {
    "vendor.compose-spec": ("compose.yaml",),
    "vendor.dependabot": (".github/dependabot.yml",),
    "vendor.github-workflows": (".github/workflows/*.yml",),
    "custom.github-workflows-require-timeout": (".github/workflows/*.yml",),
}
"""The schemas come with check-jsonschema: nothing is downloaded."""


def main(root: Path = ROOT) -> int:
    """Check every file of the table below a folder; 1 when one does not fit or is not there."""
    return int(any([_misfits(root, schema, globs) for schema, globs in SCHEMAS.items()]))


def _misfits(root: Path, schema: str, globs: Sequence[str]) -> bool:
    files = [str(file) for glob in globs for file in sorted(root.glob(glob))]
    if not files:
        print(f"{', '.join(globs)}: no such file", flush=True)
        return True
    command = (str(PROGRAMS / "check-jsonschema"), "--builtin-schema", schema, *files)
    return subprocess.run(command, check=False).returncode != 0  # noqa: S603 (our own)


if __name__ == "__main__":
    sys.exit(main())
