"""Makes Tavus know our tools: created or changed by name, then attached to a persona.

https://docs.tavus.io: POST /v2/tools, PATCH /v2/tools/{id}, POST /v2/pals/{id}/tools/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.clients.api import ApiRefused
from services.clients.tavus import TavusClient
from services.effects import Json
from services.errors import ConvohooksError, SettingsError
from services.reach.public_url import public_url
from services.settings import Settings
from services.tools.tool import Tool, schema

PATH = "/api/tavus/tools"
TIMEOUT = 10
"""Seconds that Tavus waits for a tool; we answer within eight."""
OTHER_FORM = frozenset({400, 415, 422})

What = Literal["created", "changed", "unchanged", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What became of a tool; `attached` is None where no persona was named."""

    name: str
    what: What
    tool_id: str | None = None
    attached: Literal["attached", "was attached", "failed"] | None = None
    error: str | None = None


def inline(tools: Mapping[str, Tool]) -> list[Json]:
    """Return the tools in the older form, which stands in a persona at `layers.llm.tools`."""
    return [{"type": "function", "function": schema(name, tool)} for name, tool in tools.items()]


def wanted(name: str, tool: Tool, settings: Settings, *, signed: bool) -> dict[str, Json]:
    """Return a tool as Tavus is to have it. Raises SettingsError where it cannot call us.

    A signed call comes in an envelope that names its conversation; an unsigned one has the
    arguments alone.
    """
    base = public_url(settings)
    if not base.startswith("https://"):
        raise SettingsError("Tavus calls https addresses only: PUBLIC_BASE_URL is none.")
    if not settings.tavus_tool_secrets:
        raise SettingsError("TAVUS_TOOL_SECRET or TAVUS_WEBHOOK_SECRET is missing.")
    address, secret = base + PATH, settings.tavus_tool_secrets[0]
    api: dict[str, Json] = {"method": "POST", "timeout": TIMEOUT}
    if signed:
        api |= {"url": address, "auth": {"type": "hmac", "secret": secret}}
    else:
        api |= {"url": f"{address}/{name}", "auth": {"type": "bearer", "token": secret}}
    return {
        **schema(name, tool),
        "origin": "llm",
        # By default the agent never hears what a tool has answered.
        "on_resolve": "generate_response",
        "delivery": {"api": api},
    }


def register(
    client: TavusClient,
    tools: Mapping[str, Tool],
    settings: Settings,
    *,
    persona: str | None = None,
    signed: bool = True,
    force: bool = False,
) -> Iterator[Registered]:
    """Create or change each tool by its name and attach it; tell what became of each.

    Doing it again changes nothing. Tavus tells no secret, so a new one is only sent with `force`.
    One tool's failure ends with it. Raises SettingsError, and what the lists' requests raise.
    """
    bodies = {name: wanted(name, tool, settings, signed=signed) for name, tool in tools.items()}
    there = {row.get("name"): row for row in client.pages("/tools")}
    attached = _attached(client, persona) if persona else []
    for name, body in bodies.items():
        try:
            what, tool_id = _put(client, there.get(name), body, force=force)
        except ConvohooksError as error:
            yield Registered(name=name, what="failed", error=error.detail)
            continue
        yield _attach(client, persona, attached, name, what, tool_id)


def _put(
    client: TavusClient, there: Mapping[str, Json] | None, body: dict[str, Json], *, force: bool
) -> tuple[What, str]:
    if there is None:
        return "created", _id(client.post("/tools", body))
    tool_id = _id(there)
    shown = _without_secret(body)
    changed = {name: body[name] for name in body if not _same(there.get(name), shown[name])}
    if not changed and not force:
        return "unchanged", tool_id
    # A delivery is sent whole, with its secret: Tavus refuses the mask that it shows of it.
    changes = {"delivery": body["delivery"], **changed}
    _patch(client, tool_id, {name: value for name, value in changes.items() if name != "name"})
    return "changed", tool_id


def _patch(client: TavusClient, tool_id: str, changes: dict[str, Json]) -> None:
    """Change a tool. Tavus's own command line sends the fields, its pages show a JSON Patch."""
    try:
        client.patch(f"/tools/{tool_id}", changes)
    except ApiRefused as refusal:
        if refusal.vendor_status not in OTHER_FORM:
            raise
        operations = [
            {"op": "add", "path": f"/{name}", "value": value} for name, value in changes.items()
        ]
        client.patch(f"/tools/{tool_id}", operations)


def _attached(client: TavusClient, persona: str) -> list[str]:
    answer = client.get(f"/pals/{persona}/tools/")
    rows = answer.get("data") if isinstance(answer, dict) else answer
    return [_id(row) for row in rows or [] if isinstance(row, dict)]


def _attach(
    client: TavusClient,
    persona: str | None,
    attached: Sequence[str],
    name: str,
    what: What,
    tool_id: str,
) -> Registered:
    if persona is None:
        return Registered(name=name, what=what, tool_id=tool_id)
    if tool_id in attached:
        return Registered(name=name, what=what, tool_id=tool_id, attached="was attached")
    try:
        client.post(f"/pals/{persona}/tools/", {"tool_ids": [tool_id]})
    except ConvohooksError as error:
        return Registered(
            name=name, what=what, tool_id=tool_id, attached="failed", error=error.detail
        )
    return Registered(name=name, what=what, tool_id=tool_id, attached="attached")


def _without_secret(body: dict[str, Json]) -> dict[str, Json]:
    """Return a tool as Tavus shows it: what proves a call is never told."""
    api = body["delivery"]["api"]
    auth = {"type": api["auth"]["type"]}
    return {**body, "delivery": {"api": {**api, "auth": auth}}}


def _same(there: Any, body: Any) -> bool:
    """Tell whether Tavus has what is wanted; fields that it adds do not matter."""
    if isinstance(body, dict):
        return isinstance(there, dict) and all(
            _same(there.get(name), value) for name, value in body.items()
        )
    return bool(there == body)


def _id(tool: Any) -> str:
    told = tool if isinstance(tool, dict) else {}
    found = next((told[name] for name in ("tool_id", "uuid", "id") if told.get(name)), None)
    if found is None:
        raise ApiRefused("Tavus answered a tool without an id.", 200)
    return str(found)
