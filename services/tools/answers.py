"""What a call of a tool is answered: JSON, with a sentence in it that the agent may speak."""

from __future__ import annotations

import json

import structlog

from services.effects import Json
from services.tools.tool import Tool, ToolResult

AWAY = ToolResult(error="It cannot be done at the moment; nothing was changed")
TOO_SLOW = ToolResult(error="It takes too long at the moment")
DEFECT = ToolResult(error="Something went wrong here")
NO_SUCH_CONVERSATION = ToolResult(error="This conversation is not known here")
STILL_RUNNING = ToolResult(error="It is still being done, and how it ends is not known yet")
NOT_KNOWN = ToolResult(error="It was begun before, and it is not known whether it was done")
DONE = "Done."

log = structlog.get_logger()


def answer(outcome: ToolResult, tool: Tool | None) -> str:
    """Return the body of an answer: the same outcome gives the same bytes."""
    told: dict[str, Json] = {"success": outcome.success, "message": _spoken(outcome, tool)}
    told |= {"result": outcome.result} if outcome.success else {"error": outcome.error}
    return json.dumps(told, sort_keys=True)


def _spoken(outcome: ToolResult, tool: Tool | None) -> str:
    if not outcome.success:
        return f"Sorry, that did not work. {outcome.error}."
    try:
        return tool.say(outcome.result or {}) if tool else DONE
    except Exception:  # another told the outcome, say; it counts without our sentence too
        log.exception("tool has no sentence", tool=tool and tool.description)
        return DONE
