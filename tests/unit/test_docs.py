"""The pages say what the code does."""

from __future__ import annotations

from pathlib import Path

from services.providers import PROVIDERS
from services.providers.tavus import TAVUS
from services.providers.tavus.assets import ASSET_TYPES
from services.providers.tavus.names import ALIASES
from services.tools.registry import TOOLS

EVENTS = Path("docs/events.md").read_text()
README = Path("README.md").read_text()


def test_every_event_and_tool_has_its_line() -> None:
    for name in {*TAVUS.events} - {*ASSET_TYPES} | {*TOOLS}:
        assert f"| `{name}` |" in EVENTS


def test_every_event_named_is_one() -> None:
    named = {line.split("`")[1] for line in EVENTS.splitlines() if line.startswith("| `")}

    assert named <= {*TOOLS}.union(*(provider.events for provider in PROVIDERS))
    assert {alias for alias in ALIASES.values()} <= {*TAVUS.events}


def test_every_address_is_in_the_readme() -> None:
    for path in TAVUS.paths:
        assert f"`POST {path}`" in README
