"""Where a security rule of ruff's does not hold, its line says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDERS = ("services", "checks", "bench")
SOURCES = [
    Path("app.py"),
    Path("gunicorn.conf.py"),
    *sorted(path for folder in FOLDERS for path in Path(folder).rglob("*.py")),
]
RULED_OUT = re.compile(r"noqa: (?:[A-Z]+\d+, ?)*S\d+\b(?! \(\w[^)]{2,}\))")


def test_every_security_rule_that_is_left_out_has_its_reason() -> None:
    assert len(SOURCES) > 200
    found = [
        f"{path}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if RULED_OUT.search(line)
    ]

    assert found == []


@pytest.mark.parametrize(
    "line", ["x()  # noqa: S603", "x()  # noqa: S603 ()", "x()  # noqa: E501, S603"]
)
def test_reason_is_wanted(line: str) -> None:
    assert RULED_OUT.search(line)


def test_rules_are_on_but_for_the_tests() -> None:
    told = Path("pyproject.toml").read_text()

    assert re.search(r'^select = \[.*"S".*\]$', told, re.MULTILINE)
    assert re.search(r'per-file-ignores\]\n"tests/\*\*" = \["S"\]\n\n', told)
    assert not re.search(r'^ignore = .*"S\d', told, re.MULTILINE)
