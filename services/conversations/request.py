"""What a person may ask of a new conversation."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

MAX_PROPERTIES_BYTES = 16_000
MAX_PROPERTIES_DEPTH = 5

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


class NewConversation(BaseModel):
    """A conversation as its person wants it; `properties` go to Tavus as they are.

    https://docs.tavus.io/api-reference/conversations/create-conversation
    """

    # Where callbacks go is not theirs to say: an unknown field is refused.
    model_config = ConfigDict(extra="forbid", frozen=True)

    persona_id: Name | None = None
    replica_id: Name | None = None
    scenario_id: UUID | None = None
    demo_id: Name | None = None
    conversation_name: Name | None = None
    custom_greeting: str | None = Field(default=None, max_length=2_000)
    conversational_context: str | None = Field(default=None, max_length=20_000)
    properties: dict[str, Any] | None = None

    @field_validator("properties")
    @classmethod
    def _bound_properties(cls, properties: dict[str, Any] | None) -> dict[str, Any] | None:
        if properties is None:
            return None
        if "callback_url" in properties:
            raise ValueError("callback_url is set by this service")
        if len(json.dumps(properties)) > MAX_PROPERTIES_BYTES:
            raise ValueError(f"more than {MAX_PROPERTIES_BYTES} bytes of JSON")
        if _depth(properties) > MAX_PROPERTIES_DEPTH:
            raise ValueError(f"nested deeper than {MAX_PROPERTIES_DEPTH} levels")
        return properties

    @model_validator(mode="after")
    def _require_somebody(self) -> Self:
        if self.persona_id is None and self.replica_id is None:
            raise ValueError("persona_id or replica_id is wanted")
        return self

    def for_tavus(self) -> dict[str, Any]:
        """Return the fields that Tavus takes."""
        return self.model_dump(exclude_none=True, exclude={"scenario_id", "demo_id"})

    def for_row(self) -> dict[str, Any]:
        """Return the fields that our row takes."""
        names = {"persona_id", "replica_id", "scenario_id", "demo_id", "conversation_name"}
        return self.model_dump(mode="json", exclude_none=True, include=names)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
