"""What was said, numbered as in the stored transcript, as far as it is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from services.effects import Message

MAX_CHARACTERS = 60_000
"""How much of the user's words is read: some two hours of talk; what scores it is not for free."""
MAX_LINE = 2_000
QUOTE = 80

OTHERS = frozenset({"assistant", "agent", "replica", "pal"})
# Scripts that put no space between words: two of their signs count as a word.
WORD = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]{1,2}|\w+(?:'\w+)*")
APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc", "'"))
SENTENCE_END = re.compile(r"[.!?]\s")

Search = Callable[[str], re.Match[str] | None]
Outcome = Literal["talk", "silent", "monologue"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the user. `number` is its place in the transcript, from 1."""

    number: int
    text: str
    plain: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Citation:
    """A line of the user, and where in it what is meant begins."""

    line: Line
    start: int = 0

    @property
    def quote(self) -> str:
        """Return the line, or of a long one the sentence that is meant, cut between words."""
        text = self.line.text
        if len(text) <= QUOTE:
            return text
        ends = [end.end() for end in SENTENCE_END.finditer(text, 0, self.start)]
        return _cut(text[ends[-1] if ends else 0 :], self.start - (ends[-1] if ends else 0))


@dataclass(frozen=True)
class Talk:
    """Who said how much, and the user's lines."""

    said: tuple[Line, ...]
    lines: int
    words_of_others: int
    is_cut: bool

    @cached_property
    def distinct(self) -> tuple[Line, ...]:
        """The user's lines without repeats: saying a thing twice is saying it once."""
        first = {line.words: line for line in reversed(self.said)}
        return tuple(sorted(first.values(), key=lambda line: line.number))

    @property
    def outcome(self) -> Outcome:
        """Whether both sides spoke, or the user did not, or nobody else did."""
        if not self.said:
            return "silent"
        return "talk" if self.words_of_others else "monologue"

    @cached_property
    def words(self) -> int:
        """How many words the user said, repeats left out."""
        return sum(len(line.words) for line in self.distinct)


def read(transcript: Sequence[Message]) -> Talk:
    """Return the talk of a transcript. Only user and agent count: a system prompt is no line."""
    said: list[Line] = []
    lines = others = 0
    left, is_cut = MAX_CHARACTERS, False
    for number, message in enumerate(transcript, start=1):
        role = message.role.strip().lower()
        if role == "user":
            lines += 1
            allowed = min(MAX_LINE, left)
            line = _line(number, message.content, allowed)
            is_cut = is_cut or len(message.content) > allowed
            left -= len(line.text)
            said += [line] if line.words else []
        elif role in OTHERS:
            lines += 1
            others += _count(message.content)
    return Talk(tuple(said), lines, others, is_cut)


def plain_of(text: str) -> str:
    """Return a text as phrases are looked for in it: small letters, one kind of apostrophe."""
    return " ".join(text.translate(APOSTROPHES).casefold().split())


def citations(lines: Iterable[Line], search: Search) -> tuple[Citation, ...]:
    """Return the lines in which something is found, each with the place where."""
    found = ((line, search(line.plain)) for line in lines)
    return tuple(Citation(line, match.start()) for line, match in found if match)


def cited(remark: str, places: Iterable[Citation]) -> str:
    """Return a remark with the lines it rests on."""
    told = "; ".join(f"line {place.line.number}: “{place.quote}”" for place in places)
    return f"{remark} ({told})" if told else remark


def _cut(sentence: str, start: int) -> str:
    """Return a sentence, or the part of it around `start`, without half words."""
    skipped = sentence.rfind(" ", 0, start - 20) + 1 if start > QUOTE // 2 else 0
    part = sentence[skipped:]
    if len(part) > QUOTE:
        head = part[:QUOTE]
        part = (head.rsplit(" ", 1)[0] if " " in head else head) + "…"
    return ("…" if skipped else "") + part


def _line(number: int, content: str, allowed: int) -> Line:
    text = " ".join(content[:allowed].split())
    plain = plain_of(text)
    return Line(number, text, plain, tuple(WORD.findall(plain)))


def _count(content: str) -> int:
    return sum(1 for _ in WORD.finditer(content))
