"""The names under which one kind of event, or one field, has been met."""

from __future__ import annotations

from services.effects import Json

# Names that integrators and Tavus's own surfaces use for the same thing, lower case.
ALIASES = {
    "system.pal_joined": "system.replica_joined",
    "conversation_ended": "conversation.ended",
    "conversation.completed": "conversation.ended",
    "application.conversation_ended": "conversation.ended",
    "system.conversation_ended": "conversation.ended",
    "application.transcription": "application.transcription_ready",
    "conversation.perception_analysis": "application.perception_analysis",
    "conversation.perception-analysis": "application.perception_analysis",
    "objective.completed": "conversation.objective.completed",
    "conversation.objective_completed": "conversation.objective.completed",
    "objective_completed": "conversation.objective.completed",
    "application.objective_completed": "conversation.objective.completed",
    "tool_call": "conversation.tool_call",
    "conversation.toolcall": "conversation.tool_call",
    "conversation.tool-call": "conversation.tool_call",
    "tool_called": "conversation.tool_called",
    "tool_result": "conversation.tool_result",
    "conversation.toolresult": "conversation.tool_result",
    "conversation.tool-result": "conversation.tool_result",
    "application.perception_tool_call": "conversation.perception_tool_call",
    "conversation.perception-tool-call": "conversation.perception_tool_call",
}
GUARDRAIL = "conversation.guardrail.triggered"

# In 2026 Tavus renamed persona to PAL and replica to Face; a payload has one name or the other.
FIELDS = {"pal_id": "persona_id", "face_id": "replica_id"}


def canonical(told: str, known: frozenset[str]) -> str:
    """Return the one name of a type; one that is not known stays as it was told."""
    name = told.lower()
    name = ALIASES.get(name, name)
    if "guardrail" in name:  # Tavus does not publish the exact name.
        return GUARDRAIL
    return name if name in known else told


def rename_fields(part: dict[str, Json]) -> dict[str, Json]:
    """Return an object with the old names of its fields, and of the agent in them."""
    renamed = {
        old: part[new] for new, old in FIELDS.items() if new in part and part.get(old) is None
    }
    taken = {new for new, old in FIELDS.items() if old in renamed}
    if part.get("role") == "pal":
        renamed["role"] = "replica"
    return {name: value for name, value in part.items() if name not in taken} | renamed
