"""What at Tavus must follow when the service's address changes: callback URLs, and tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from services.clients.tavus import TavusClient
from services.errors import ConvohooksError
from services.redaction import mask_sentence
from services.settings import Settings
from services.tavus_setup.callbacks import Callback, sync_callbacks
from services.tools.registration import PATH, Registered, register
from services.tools.registry import TOOLS

Json = Any
LONGEST = 1000


def follow(client: TavusClient, settings: Settings, url: str) -> dict[str, Json]:
    """Make callbacks and tools that led to us lead to an address.

    Returns how many callback URLs and tools had which outcome, and in `failed` why some could not
    follow, or None.
    """
    found: list[Callback] = []
    tools: list[Registered] = []
    failed: list[str] = []
    # What keeps the ones from following does not keep the others.
    try:
        found += sync_callbacks(client, settings, base_url=url)
    except ConvohooksError as error:
        failed.append(error.detail)
    try:
        tools += _move_tools(client, replace(settings, public_base_url=url))
    except ConvohooksError as error:
        failed.append(error.detail)
    failed += [callback.reason for callback in found if callback.outcome == "failed"]
    failed += [tool.error for tool in tools if tool.error]
    return {
        "counts": dict(Counter(callback.outcome for callback in found)),
        "tools": dict(Counter(tool.what for tool in tools)),
        "failed": mask_sentence("; ".join(failed), settings.tavus_webhook_tokens)[:LONGEST] or None,
    }


def _move_tools(client: TavusClient, settings: Settings) -> Iterator[Registered]:
    """Register those of our tools again that Tavus has, each signed or not as it was."""
    there = {row.get("name"): _api(row) for row in client.pages("/tools")}
    ours = {name: there[name] for name in TOOLS if _leads_to_us(there.get(name))}
    for signed in (True, False):
        tools = {name: TOOLS[name] for name in ours if _is_signed(ours[name]) is signed}
        if tools:
            yield from register(client, tools, settings, signed=signed)


def _api(row: dict[str, Json]) -> dict[str, Json]:
    delivery = row.get("delivery")
    api = delivery.get("api") if isinstance(delivery, dict) else None
    return api if isinstance(api, dict) else {}


def _leads_to_us(api: dict[str, Json] | None) -> bool:
    try:
        path = urlsplit(str((api or {}).get("url"))).path
    except ValueError:
        return False
    return path.endswith(PATH) or path.rpartition("/")[0].endswith(PATH)


def _is_signed(api: dict[str, Json]) -> bool:
    auth = api.get("auth")
    return isinstance(auth, dict) and auth.get("type") == "hmac"
