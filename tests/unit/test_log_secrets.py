"""A traceback in the log tells where, and nothing of what the variables held."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from services.telemetry import logs

HUSH = "hush-of-a-local-variable"


@pytest.fixture(name="reset", autouse=True)
def _reset() -> Iterator[None]:
    yield
    logs.reset()


@pytest.mark.parametrize("is_terminal", [False, True], ids=["a file", "a terminal"])
@pytest.mark.parametrize(
    "configure",
    [lambda: logs.configure("debug"), logs.configure_command],
    ids=["service", "command"],
)
def test_traceback_shows_no_variable(
    configure: Callable[[], None],
    is_terminal: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: is_terminal, raising=False)
    configure()

    try:
        _stumble(HUSH)
    except ValueError as error:
        structlog.get_logger().error("unforeseen", exc_info=error)

    told = "".join(capsys.readouterr())
    assert "in _stumble" in told
    assert "it stumbled" in told
    assert HUSH not in told


def _stumble(secret: str) -> None:
    kept = {"secret": secret}
    assert kept
    raise ValueError("it stumbled")
