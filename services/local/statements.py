"""The statements of a SQL text: which of them other texts already hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# A string, a dollar-quoted body or a comment is one piece, whatever semicolons it has in it.
_PIECE = re.compile(
    r"""\$(\w*)\$.*?\$\1\$ | '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | . """,
    re.DOTALL | re.VERBOSE,
)
_COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*|/\*.*?\*/)+", re.DOTALL)
_REPLACING = re.compile(r"create or replace \w+ [^()]*(?:\([^)]*\))?", re.IGNORECASE)


def split(text: str) -> Iterator[str]:
    """Yield each statement with its semicolon and the comments before it."""
    start = 0
    for piece in _PIECE.finditer(text):
        if piece.group() == ";":
            yield text[start : piece.end()].strip()
            start = piece.end()
    rest = text[start:].strip()
    if bare(rest):
        yield rest


def bare(statement: str) -> str:
    """Return a statement without the comments before it."""
    return _COMMENTS.sub("", statement)


def missing(wanted: str, applied: Iterable[str]) -> list[str]:
    """Return the statements of a text that leave something to do after these texts, in order.

    What replaces (`create or replace`) counts in its last form alone.
    """
    known: set[str] = set()
    last: dict[str, str] = {}
    for statement in (bare(one) for text in applied for one in split(text)):
        known.add(statement)
        last[_subject(statement)] = statement
    return [
        one
        for one in split(wanted)
        if bare(one) not in known or last.get(_subject(bare(one)), bare(one)) != bare(one)
    ]


def _subject(statement: str) -> str:
    """Return what a replacing statement replaces; of every other, itself."""
    found = _REPLACING.match(statement)
    return found.group() if found else statement
