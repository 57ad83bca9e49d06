"""What a person may ask of a message."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from services.validation import storable

LONGEST_CONTENT = 100_000
MAX_METADATA_BYTES = 16 * 1024

Content = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_CONTENT),
    AfterValidator(storable),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(storable)]


class NewMessage(BaseModel):
    """A message as its sender has it; a medium may have the name of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Content
    content_type: Literal["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "AUDIO"] = "TEXT"
    type: Literal["USER_INPUT", "SYSTEM", "BOT"] = "USER_INPUT"
    channel: Literal["API", "WHATSAPP", "SMS"] = "API"
    status: Literal["RECEIVED", "PROCESSED", "FAILED"] = "RECEIVED"
    filename: Name | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_by: Name | None = None

    @field_validator("metadata")
    @classmethod
    def _bound_metadata(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        if (
            len(json.dumps(metadata, ensure_ascii=False).encode("utf-8", "surrogatepass"))
            > MAX_METADATA_BYTES
        ):
            raise ValueError(f"more than {MAX_METADATA_BYTES} bytes of JSON")
        return metadata

    @field_validator("filename")
    @classmethod
    def _require_medium(cls, filename: str | None, info: ValidationInfo) -> str | None:
        if filename is not None and info.data.get("content_type") == "TEXT":
            raise ValueError("only content of type IMAGE, VIDEO, DOCUMENT or AUDIO has one")
        return filename


class MessageChange(BaseModel):
    """What became of a message."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["PROCESSED", "FAILED"]
