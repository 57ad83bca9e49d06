"""The tool that shows a button."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from services.effects import Json
from services.provider import Lookups
from services.tools.tool import Tool, ToolResult, text_of, texts

LONGEST_URL = 2048
URL_SCHEMES = ("http", "https")
# Browsers read a backslash as a slash and drop line breaks, so neither may hide a host.
FORBIDDEN_IN_URL = re.compile(r"[\s\x00-\x20\x7f-\xa0\\<>\"]")


def display_cta(arguments: dict[str, Json], conversation_id: str, lookups: Lookups) -> ToolResult:
    """Show a button that opens a page."""
    label, url = text_of(arguments, "text"), text_of(arguments, "url")
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


DISPLAY_CTA = Tool(
    description="Display a call-to-action button with custom text and URL",
    parameters=texts(text="Button text to display", url="URL to navigate to when clicked"),
    run=display_cta,
    say=lambda button: f"The button {button.get('text')} is on the screen now.",
)
