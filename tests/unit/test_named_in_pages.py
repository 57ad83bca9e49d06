"""What the pages tell people to type, to set or to watch is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from services.local import checkout
from tests.unit.test_alert_rules import told
from tests.unit.test_command_line import EVERY
from tests.unit.test_links import PAGES

ENV = (checkout.ROOT / ".env.example").read_text()
TARGETS = set(
    re.findall(r"^([a-z-]+):.*## ", (checkout.ROOT / "Makefile").read_text(), re.MULTILINE)
)
# Names in capitals that are no settings: older ones, other programs', of tests, of examples.
OTHERS = {
    "ACME_WEBHOOK_SECRET",
    "CONVOHOOKS_TEST_PROJECT",
    "NAME_FILE",
    "NO_COLOR",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "SCHEMATHESIS_SECONDS",
    "SUPABASE_ANON_KEY",
    "SUPABASE_JWT_SECRET",
    "SUPABASE_SERVICE_ROLE_KEY",
    "WEBHOOK_SECRET",
}


def code(page: Path) -> Iterator[str]:
    """Give the lines of a page's blocks, and what stands between backticks."""
    text = page.read_text()
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.S | re.M))


def typed(page: Path) -> Iterator[list[str]]:
    """Give what follows `convohooks` wherever it is called."""
    for line in code(page):
        for call in re.findall(r"^(?:\S*/)?convohooks ([a-z][^#|;&]*)", line):
            yield call.split()


def command(words: list[str]) -> tuple[str, ...] | None:
    """Return the longest command that the words begin with."""
    return next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in EVERY), None)


def test_every_command_can_be_typed() -> None:
    groups = {words[0] for words in EVERY if len(words) > 1}
    wrong = []
    for page in PAGES:
        for words in typed(page):
            found = command(words)
            if found is None and words[0] in groups and len(words) == 1:
                continue
            known = {o for p in EVERY[found].params for o in p.opts} if found else set()
            options = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
            if found is None or not options <= known | {"--help"}:
                wrong.append(f"{page.relative_to(checkout.ROOT)}: convohooks {' '.join(words)}")

    assert wrong == []


def test_every_target_of_make_is_there() -> None:
    named = {
        (page.name, target)
        for page in PAGES
        for line in code(page)
        for target in re.findall(r"^make ([a-z-]+)", line)
    }

    assert len(named) > 5
    assert {(page, target) for page, target in named if target not in TARGETS} == set()


def test_every_setting_is_one() -> None:
    settings = set(re.findall(r"^([A-Z][A-Z0-9_]+)=", ENV, re.MULTILINE))
    named = {
        (page.name, name)
        for page in PAGES
        for line in code(page)
        for name in re.findall(r"^([A-Z]+_[A-Z0-9_]+)(?:=|$)", line)
    }

    assert len(named) > 100
    assert {
        (page, name)
        for page, name in named
        if name not in settings | OTHERS and name.removesuffix("_FILE") not in settings
    } == set()


def test_every_metric_is_told() -> None:
    page = (checkout.ROOT / "docs" / "operations" / "metrics.md").read_text()
    named = set(re.findall(r"`(convohooks_[a-z0-9_]+)", page))
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in told()}

    assert named
    assert named <= families | told()
