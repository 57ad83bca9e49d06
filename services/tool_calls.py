"""The tools that an agent may call, run here: what they do is what the screen then shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.effects import Json
from services.provider import Lookups
from services.tools.registry import TOOLS
from services.tools.tool import Tool, ToolResult, parse_arguments

LONGEST_ECHO = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookToolCallService:
    """Runs the tools of a table, `TOOLS` unless told otherwise."""

    lookups: Lookups
    tools: Mapping[str, Tool] = field(default_factory=lambda: TOOLS)

    def run(self, name: str, arguments: Json, conversation_id: str) -> ToolResult:
        """Run a tool with arguments as they came: an object, or its JSON as a text."""
        tool = self.tools.get(name)
        if tool is None:
            return ToolResult(error=f"Unknown tool: {name[:LONGEST_ECHO]}")
        parsed = parse_arguments(arguments)
        if parsed is None:
            return ToolResult(error=f"Arguments of {name} are not a JSON object")
        return tool.run(parsed, conversation_id, self.lookups)
