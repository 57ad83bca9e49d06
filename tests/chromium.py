"""The browser of the browser tests: one that is here, else one that can be had.

The fixture is imported by conftest.py: `browser` for the whole run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

# Without windows to draw it opens a page in a third of the time that the whole browser takes.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    f"The browser tests need Chromium. Install it (Debian: apt-get install {SHELL}) "
    "or set CHROMIUM to the path of one."
)


ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@pytest.fixture(name="browser", scope="session")
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


def chromium() -> str | None:
    """Return the path of a Chromium, installing one where there is none.

    None stands for Playwright's own. Raises RuntimeError saying what to do when none can be had.
    """
    if not _is_best() and _can_use_apt():
        _install_with_apt()
    path = _installed()
    if path is None and not _install_with_playwright():
        raise RuntimeError(MISSING)
    return path


def _installed() -> str | None:
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def _is_best() -> bool:
    return bool(os.environ.get("CHROMIUM") or shutil.which(SHELL))


def _can_use_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install_with_apt() -> None:
    # Another process of this run may be at it.
    install = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y")
    wanted = (*install, "--no-install-recommends", SHELL)
    if not _succeeds(*wanted) and _installed() is None:
        # The package lists may be missing or older than the packages.
        _succeeds("apt-get", "update")
        if not _succeeds(*wanted):
            _succeeds(*install, "--no-install-recommends", "chromium")


def _install_with_playwright() -> bool:
    return _succeeds(sys.executable, "-m", "playwright", "install", "chromium")


def _succeeds(*command: str) -> bool:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0
