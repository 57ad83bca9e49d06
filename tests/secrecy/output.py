"""What a test has printed and logged in its own process: the net below that, too.

Loaded as a plugin by tests/conftest.py.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

import pytest

from tests.secrecy.forms import forms
from tests.secrecy.known import KNOWN, Known
from tests.web.caller import SETTINGS

UNSET = (
    "it logs as structlog does that nobody has set up, with the locals of each frame; the service"
    " has it set up before all else (tests/unit/test_log_secrets.py)"
)
MEANT: Mapping[str, str] = {
    "tests/unit/test_attempt.py::test_what_cannot_be_sent_is_told_and_not_raised[spoiled2]": UNSET,
    "tests/unit/test_debug_view.py::test_defect_of_the_view_changes_no_answer": UNSET,
    "tests/unit/test_tracing.py::test_defect_is_an_error_without_its_words": UNSET,
}
"""Tests that show a secret all the same, and why."""

Section = tuple[str, str]
"""A title, and what was captured under it."""


def pytest_sessionstart() -> None:
    """Know from the start what most tests give to a service, whichever of them comes first."""
    KNOWN.note(SETTINGS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    """Fail a test that passed but has shown a secret."""
    report: pytest.TestReport = yield
    is_over = report.when == "teardown" and report.passed and item.nodeid not in MEANT
    if is_over and (told := shown(report.sections)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} shows secrets:\n" + "\n".join(told)
    return report


def shown(sections: Iterable[Section], known: Known = KNOWN) -> list[str]:
    """Return a line for each known secret in each section, by its name and form."""
    return [
        f"{title}: {name}, {called}"
        for title, text in sections
        for secret, name in known.names.items()
        for needle, called in forms(secret).items()
        if needle in text
    ]
