"""Every page leads where it says: to files that are there, and to headings that they have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from services.local import checkout

ROOT = checkout.ROOT
SKIPPED = {"node_modules", ".venv", ".git", ".convohooks", ".pytest_cache", ".hypothesis", "dist"}
# No page, but what Tavus is given.
PROMPT = ROOT / "tavus" / "persona" / "system_prompt.md"
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if page != PROMPT and not SKIPPED & {*page.relative_to(ROOT).parts}
)
DECISIONS = ROOT / "docs" / "decisions"
# Where the code, the rules and the settings name a page.
NAMING = [
    *(ROOT / "services").rglob("*.py"),
    *(ROOT / "services" / "web" / "static" / "dashboard").rglob("*.js"),
    *(ROOT / "sql").glob("*.sql"),
    *(ROOT / "alerts").glob("*.yml"),
    ROOT / ".env.example",
    ROOT / "gunicorn.conf.py",
]


@cache
def text_of(page: Path) -> str:
    """Return a page without its blocks, whose lines are no headings and no links."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> set[str]:
    """Return the addresses of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w -]", "", shown).strip().lower().replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return {*found}


def links(page: Path) -> list[str]:
    """Return where a page leads within the project."""
    without_code = re.sub(r"`[^`\n]*`", "", text_of(page))
    every = re.findall(r"\]\(([^)\s]+)\)", without_code)
    return [link for link in every if not re.match(r"[a-z]+:", link)]


def is_dead(page: Path, link: str) -> bool:
    """Return whether a link leads nowhere."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    assert [link for link in links(page) if is_dead(page, link)] == []


def test_pages_that_the_code_names_are_there() -> None:
    named = {
        (str(file.relative_to(ROOT)), name, anchor)
        for file in NAMING
        for name, anchor in re.findall(
            r"(?<![/\w.])(docs/[\w/.-]+\.md)(?:#([\w-]+))?", file.read_text()
        )
    }

    assert len(named) > 10
    assert {
        (file, name, anchor)
        for file, name, anchor in named
        if is_dead(ROOT / "x", f"{name}#{anchor}")
    } == set()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]

    assert {*PAGES} - reached == set()


def test_every_picture_is_shown_and_small_and_can_be_taken_anew() -> None:
    taken = re.findall(r'keep\(\S+, "(\w+)"\)', (ROOT / "tests" / "pictures.py").read_text())
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}

    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture in shown
        assert picture.stat().st_size < 300_000
        assert picture.stem in taken


def test_every_decision_is_listed_by_its_title() -> None:
    index = (DECISIONS / "README.md").read_text()

    for page in DECISIONS.glob("2*.md"):
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert f"- [{title}]({page.name})" in index


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md", "docs/glossary.md"])
def test_files_that_a_page_for_developers_names_are_there(page: str) -> None:
    """Except those that it tells the reader to make."""
    made = {"services/tools/opening_hours.py", "supabase/released.sha256"}
    text = (ROOT / page).read_text()
    names = {
        name.rstrip("/.")
        for name in re.findall(
            r"(?<![\w/])(?:services|sql|tests|client|supabase|docs)/[\w./-]*", text
        )
        if "/acme" not in name
    } | set(re.findall(r"`(app\.py|\w+\.conf\.py|pyproject\.toml|Makefile)`", text))

    assert {name for name in names - made if not (ROOT / name).exists()} == set()


def test_every_part_of_the_service_is_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    parts = [p.name for p in (ROOT / "services").iterdir() if (p / "__init__.py").exists()]

    assert [name for name in parts if f"services/{name}/" not in page] == []
