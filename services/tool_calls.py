"""The tools that an agent may call, run here: what they do is what the screen then shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from services.effects import Json
from services.embedded import parse_embedded
from services.provider import Lookups, Video
from services.titles import best_match

LONGEST_URL = 2048
LONGEST_ECHO = 200
URL_SCHEMES = ("http", "https")
# Browsers read a backslash as a slash and drop line breaks, so neither may hide a host.
FORBIDDEN_IN_URL = re.compile(r"[\s\x00-\x20\x7f-\xa0\\<>\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came of a tool: a result, or the sentence that says why there is none."""

    result: dict[str, Json] | None = None
    error: str | None = None

    @property
    def success(self) -> bool:
        """Tell whether the tool did what it was asked."""
        return self.error is None

    @property
    def content(self) -> Json:
        """Return the result, or the error in its place."""
        return self.result if self.success else {"error": self.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: what the agent is told of it, and what it does."""

    description: str
    parameters: dict[str, Json]
    run: Callable[[dict[str, Json], str, Lookups], ToolResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookToolCallService:
    """Runs the tools of the table `TOOLS`."""

    lookups: Lookups

    def run(self, name: str, arguments: Json, conversation_id: str) -> ToolResult:
        """Run a tool with arguments as they came: an object, or its JSON as a text."""
        tool = TOOLS.get(name)
        if tool is None:
            return ToolResult(error=f"Unknown tool: {name[:LONGEST_ECHO]}")
        parsed = parse_arguments(arguments)
        if parsed is None:
            return ToolResult(error=f"Arguments of {name} are not a JSON object")
        return tool.run(parsed, conversation_id, self.lookups)


def parse_arguments(told: Any) -> dict[str, Json] | None:
    """Return the arguments of a call as an object, or None; absent ones are an empty object."""
    if told is None or told == "":
        return {}
    parsed = parse_embedded(told) if isinstance(told, str) else told
    return parsed if isinstance(parsed, dict) else None


def fetch_video(arguments: dict[str, Json], conversation_id: str, lookups: Lookups) -> ToolResult:
    """Find the video whose title is most like the one asked for."""
    title = _text(arguments, "video_title", "title")
    if title is None:
        return ToolResult(error="fetch_video needs a video_title")
    # A video that was added a moment ago must not be denied, so a miss is looked up once more.
    video = best_match(title, lookups.videos(conversation_id)) or best_match(
        title, lookups.videos(conversation_id, fresh=True)
    )
    if video is None:
        return ToolResult(error=f"No video found matching: {title[:LONGEST_ECHO]}")
    return ToolResult(result=_video(video))


def display_cta(arguments: dict[str, Json], conversation_id: str, lookups: Lookups) -> ToolResult:
    """Show a button that opens a page."""
    label, url = _text(arguments, "text"), _text(arguments, "url")
    if label is None:
        return ToolResult(error="display_cta needs a text")
    if url is None or not is_web_address(url):
        return ToolResult(error="display_cta needs a url that starts with http:// or https://")
    return ToolResult(result={"text": label, "url": url})


def is_web_address(url: str) -> bool:
    """Return whether a browser may open this: http or https, a host, no user, nothing hidden."""
    if len(url) > LONGEST_URL or FORBIDDEN_IN_URL.search(url):
        return False
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_web = parts.scheme in URL_SCHEMES and bool(parts.hostname)
    return is_web and port_is_valid and "@" not in parts.netloc


def _text(arguments: dict[str, Json], *names: str) -> str | None:
    values = (arguments.get(name) for name in names)
    return next(
        (value.strip() for value in values if isinstance(value, str) and value.strip()), None
    )


def _video(video: Video) -> dict[str, Json]:
    return {
        "video_id": video.id,
        "video_url": video.storage_url,
        "title": video.title,
        "duration": video.duration_seconds,
    }


def _parameters(**descriptions: str) -> dict[str, Json]:
    fields = {
        name: {"type": "string", "description": description}
        for name, description in descriptions.items()
    }
    return {"type": "object", "properties": fields, "required": list(fields)}


TOOLS = {
    "fetch_video": Tool(
        description="Play a specific video segment based on title or content",
        parameters=_parameters(video_title="Title or description of the video to play"),
        run=fetch_video,
    ),
    "display_cta": Tool(
        description="Display a call-to-action button with custom text and URL",
        parameters=_parameters(
            text="Button text to display", url="URL to navigate to when clicked"
        ),
        run=display_cta,
    ),
}
