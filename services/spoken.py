"""What a person said, as it is written: e-mail addresses, and the ways of saying nothing."""

from __future__ import annotations

import re

AROUND_MARK = re.compile(r"\s*([@._+-])\s*")
ADDRESS = re.compile(r"(?!\.|.*\.\.)[^\s@<>(),;:\"\[\]\\]+(?<!\.)@(?:[\w-]+\.)+[\w-]{2,}")
LONGEST_ADDRESS = 320
NOTHING_SAID = frozenset({"", "-", "null", "none", "nil", "n/a", "na", "unknown", "undefined"})

# The longer phrases first: "at the rate of" would else leave its tail behind.
SPOKEN_MARKS = (
    (re.compile(r"\bat the rate(?: of)?\b"), "@"),
    (re.compile(r"[\[({]\s*(?:at)\s*[\])}]|\bat\b(?!\s*@)"), "@"),
    (re.compile(r"[\[({]\s*(?:dot)\s*[\])}]|\b(?:dot|period|point)\b"), "."),
    (re.compile(r"\bunder\s?score\b"), "_"),
    (re.compile(r"\b(?:dash|hyphen|minus)\b"), "-"),
    (re.compile(r"\bplus\b"), "+"),
)
LEAD_IN = re.compile(
    r"^(?:(?:my|the|it|it's|its|that's|is|e-?mail|address|sure|yes|so|um|uh)[\s,:]+)+"
)
# Spaces inside an address come from speech; one of these words says that it was a sentence.
SENTENCE_WORDS = frozenset(
    {"address", "and", "email", "is", "it", "it's", "its", "me", "my", "or", "so", "sure"}
    | {"that's", "the", "um", "yes", "you"}
)


def said_nothing(value: str) -> bool:
    """Return whether a text only says that there is nothing to say ("null", "n/a")."""
    return value.strip().lower() in NOTHING_SAID


def spoken_email(value: str) -> str:
    """Return an address as it is written; what does not become one comes back trimmed, as said.

    "ada at example dot test" is ada@example.test. A written address keeps the case of its local
    part, since that may matter to its owner's server.
    """
    said = value.strip()
    bare = said.strip("<>\"' ").removeprefix("mailto:").rstrip(".,; ")
    if len(bare) > LONGEST_ADDRESS:
        return said
    if ADDRESS.fullmatch(bare):
        local, _, domain = bare.rpartition("@")
        return f"{local}@{domain.lower()}"
    spelled = bare.lower()
    return _written(spelled) or _written(LEAD_IN.sub("", spelled)) or said


def _written(said: str) -> str | None:
    for spoken, mark in SPOKEN_MARKS:
        said = spoken.sub(mark, said)
    tokens = AROUND_MARK.sub(r"\1", said).split()
    joined = "".join(tokens)
    is_sentence = SENTENCE_WORDS.intersection(tokens)
    return joined if not is_sentence and ADDRESS.fullmatch(joined) else None
