"""What a person said, as it is written: e-mail addresses, and the ways of saying nothing."""

from __future__ import annotations

import re

AROUND_MARK = re.compile(r"\s*([@._+-])\s*")
ADDRESS = re.compile(r"(?!\.|.*\.\.)[^\s@<>(),;:\"\[\]\\]+(?<!\.)@(?:[\w-]+\.)+[\w-]{2,}")
LONGEST_ADDRESS = 320
NOTHING_SAID = frozenset({"", "-", "null", "none", "nil", "n/a", "na", "unknown", "undefined"})

# The longer phrases first: "at the rate of" would else leave its tail behind.
SPOKEN_MARKS = (
    (re.compile(r"\bat the rate(?: of)?\b|\bat (?:sign|symbol)\b"), "@"),
    (re.compile(r"[\[({]\s*(?:at)\s*[\])}]|\bat\b(?!\s*@)"), "@"),
    (re.compile(r"[\[({]\s*(?:dot)\s*[\])}]|\b(?:dot|period|point)\b"), "."),
    (re.compile(r"\bunder\s?score\b"), "_"),
    (re.compile(r"\b(?:dash|hyphen|minus)\b"), "-"),
    (re.compile(r"\bplus\b"), "+"),
)
LEAD_IN = re.compile(
    r"^(?:(?:my|the|it|it's|its|that's|is|e-?mail|address|sure|yes|so|um|uh)[\s,:]+)+"
)
LEAD_OUT = re.compile(r"(?:[\s,.]+(?:thanks?(?:\s+you)?|please|okay|ok|yes|yeah))+$")
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
        return _tidy(bare)
    spelled = bare.lower()
    told = LEAD_OUT.sub("", LEAD_IN.sub("", spelled))
    return _written(spelled) or _written(told) or _only_address(bare) or said


def _written(said: str) -> str | None:
    for spoken, mark in SPOKEN_MARKS:
        said = spoken.sub(mark, said)
    tokens = AROUND_MARK.sub(r"\1", said).split()
    joined = "".join(tokens)
    is_sentence = SENTENCE_WORDS.intersection(tokens) or _runs_on(tokens)
    return joined if not is_sentence and ADDRESS.fullmatch(joined) else None


def _runs_on(tokens: list[str]) -> bool:
    """Tell whether words follow the domain; only spelled letters belong together ("t e s t")."""
    last = re.split(r"[@.]", " ".join(tokens))[-1].split()
    return len(last) > 1 and any(len(word) > 1 for word in last)


def _only_address(said: str) -> str | None:
    """Return the one address that is written out in a sentence ("Ada <ada@example.test>")."""
    found = [word for word in re.split(r"[\s<>(),;:\"]+", said) if "@" in word]
    address = found[0].rstrip(".") if len(found) == 1 else ""
    return _tidy(address) if ADDRESS.fullmatch(address) else None


def _tidy(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"
