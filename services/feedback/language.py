"""Whether a text is English: counted by words that only English uses often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Language = Literal["en", "other", "unknown"]

FEWEST = 8
"""Words below which nobody can tell."""
SHARE = 0.15
"""English talk has a third and more of these words; other languages next to none."""

# Words that are common elsewhere too (in, die, no, me, do, to, so, a, an, was, will) are left out.
COMMON = frozenset(
    """the and is are you your that this it it's i i'm i'll of we we're we'll for with have has had
    not be been can can't could would should what what's how why when where which who but they them
    their there if about because just know think my our from at on don't didn't doesn't isn't
    that's let's yes please thank thanks like want need get make more any some than then out up his
    her she as or by did does were am going really very good time one all right""".split()  # noqa: SIM905
)


def language(words: Iterable[str]) -> Language:
    """Return whether words, in small letters, are English."""
    heard = list(words)
    if len(heard) < FEWEST:
        return "unknown"
    return "en" if sum(word in COMMON for word in heard) >= SHARE * len(heard) else "other"
