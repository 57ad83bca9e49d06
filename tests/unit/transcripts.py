"""The labelled talks of data/transcripts: five topics, each talked well, fairly and poorly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.effects import Message

FOLDER = Path(__file__).parent / "data" / "transcripts"
TIERS = ("good", "fair", "poor")


def _read(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return told


def _messages(lines: list[dict[str, str]]) -> list[Message]:
    return [Message(role=line["role"], content=line["content"]) for line in lines]


TOPICS = tuple(sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "special"))
LABELLED = {
    (topic, tier): _messages(_read(topic)["tiers"][tier]) for topic in TOPICS for tier in TIERS
}
SPECIAL = {name: _messages(lines) for name, lines in _read("special")["talks"].items()}
