"""Which video is meant: an agent says a title from memory, and seldom to the letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from rapidfuzz import fuzz

from services.provider import Video

LONGEST = 200
SHORTEST_START = 3
WORD_IS_SAME = 80
"""How alike two words are, of 100, when one is taken for a misspelling of the other."""
TITLE_IS_MEANT = 2 / 3
"""How much of what was asked for a title has to hold, counted in letters."""
EXACT, CONTAINED, MENTIONED = 3.0, 2.0, 0.7

# Words of any request or title: to share them says nothing.
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "at",
        "by",
        "can",
        "clip",
        "could",
        "do",
        "for",
        "from",
        "give",
        "how",
        "i",
        "in",
        "is",
        "it",
        "let",
        "me",
        "my",
        "of",
        "on",
        "one",
        "our",
        "play",
        "please",
        "see",
        "show",
        "some",
        "that",
        "the",
        "this",
        "to",
        "us",
        "video",
        "videos",
        "watch",
        "we",
        "what",
        "with",
        "you",
        "your",
    ]
)


def best_match(title: str, videos: Iterable[Video]) -> Video | None:
    """Return the video whose title is most like `title`, or None when none is like it.

    The same title comes before one that holds the other, and that before a similar one; of equals,
    the first by title, then by id.
    """
    asked = _plain(title[:LONGEST])
    ranked = [(likeness(asked, _plain(video.title[:LONGEST])), video) for video in videos]
    found = [(rank, video) for rank, video in ranked if rank > 0]
    best = min(found, key=lambda pair: (-pair[0], pair[1].title, pair[1].id), default=None)
    return best[1] if best else None


def likeness(asked: str, title: str) -> float:
    """Return how much a title is meant: 3 the same, from 2 the start of it or a part, below 1 like.

    0 says that it is not meant at all.
    """
    if asked and asked == title:
        return EXACT
    wanted, offered = _telling(asked), _telling(title)
    if not wanted or not offered:
        return 0.0
    closeness = fuzz.ratio(" ".join(wanted), " ".join(offered)) / 100
    if wanted == offered or _holds(title, " ".join(wanted)):
        return CONTAINED + closeness / 2
    mentioned = MENTIONED if _holds(asked, " ".join(offered)) else 0.0
    return max(mentioned, _similarity(wanted, offered, closeness))


def _plain(title: str) -> str:
    folded = unicodedata.normalize("NFKC", title).casefold()
    return " ".join(re.findall(r"\w+", folded))


def _telling(plain: str) -> list[str]:
    return [word for word in plain.split() if word not in STOP_WORDS]


def _holds(whole: str, part: str) -> bool:
    # From the start of a word: "pric" is in "our pricing", "art" is not in "start".
    return len(part) >= SHORTEST_START and f" {part}" in f" {whole}"


def _similarity(wanted: list[str], offered: list[str], closeness: float) -> float:
    misspelt = closeness if closeness >= WORD_IS_SAME / 100 else 0.0
    covered = _coverage(wanted, offered)
    return max(misspelt, covered * closeness if covered >= TITLE_IS_MEANT else 0.0)


def _coverage(wanted: list[str], offered: list[str]) -> float:
    held = sum(len(word) for word in wanted if _is_held(word, offered))
    return held / sum(map(len, wanted))


def _is_held(word: str, offered: list[str]) -> bool:
    return any(fuzz.ratio(word, other) >= WORD_IS_SAME for other in offered)
