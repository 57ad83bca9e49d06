"""Build the image into a folder: `python -m checks.image FOLDER`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from checks.check import LEFT_OUT, ROOT
from checks.image import sandbox
from checks.image.build import Builder, BuildError, Image

CACHE = "/root/.cache/pip"


def main(arguments: Sequence[str]) -> int:
    """Print each step with its seconds; return the exit code."""
    if reason := sandbox.obstacle():
        print(f"No image can be built here: {reason}.")
        return LEFT_OUT
    try:
        image = build(Path(arguments[0]), report=_print)
    except BuildError as error:
        print(error)
        return 1
    print(f"{image.root} runs {image.command} as {image.user}")
    return 0


def build(folder: Path, context: Path = ROOT, **options: object) -> Image:
    """Build the image into a folder, with pip's cache of this machine as the builder's cache."""
    caches = {CACHE: pip_cache()}
    return Builder(context=context, folder=folder, caches=caches, **options).build()  # type: ignore[arg-type]


def pip_cache() -> Path:
    """Return the folder in which pip keeps what it has downloaded."""
    told = subprocess.check_output((sys.executable, "-m", "pip", "cache", "dir"), text=True)
    return Path(told.strip())


def _print(text: str, seconds: float) -> None:
    print(f"{seconds:6.1f} s  {' '.join(text.split())[:100]}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
