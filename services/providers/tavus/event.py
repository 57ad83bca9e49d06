"""Any payload of Tavus as a model: tolerant of where a field is, strict about the few needed."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from services.errors import Malformed
from services.providers.tavus.fields import LONGEST_NAME, Moment, Name, Text
from services.providers.tavus.places import first, hoist, places_of

FOUND = {"missing": "nothing", "string_too_long": f"a text over {LONGEST_NAME} characters"}


class Event(BaseModel):
    """A payload, its fields found wherever this kind of event may carry them."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    places: ClassVar[dict[str, tuple[str, ...]]] = {}

    payload: dict[str, Any]
    timestamp: Moment = None
    seq: Text = None
    turn_idx: Text = None

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Work out once where each field is looked for."""
        fields = cls.model_fields.items()
        cls.places = {name: places_of(name, field.metadata) for name, field in fields}
        del cls.places["payload"]

    @model_validator(mode="wrap")
    @classmethod
    def read(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Find the fields, and say in a sentence which needed one is missing."""
        payload = data if isinstance(data, dict) else {}
        flat = hoist(payload)
        told = {name: first(flat, places) for name, places in cls.places.items()}
        given = {name: value for name, value in told.items() if value is not None}
        try:
            return validate({**given, "payload": payload})
        except ValidationError as error:
            raise Malformed(_sentence(cls, error)) from None


class ConversationEvent(Event):
    """An event of one conversation."""

    conversation_id: Name = Field(description="the id of the conversation")
    persona_id: Text = None
    replica_id: Text = None


def _sentence(model: type[Event], error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    name = str(problem["loc"][0]) if problem["loc"] else "the payload"
    wanted = model.model_fields[name].description if name in model.model_fields else None
    found = FOUND.get(problem["type"], "no text")
    return f"Field {name!r}: found {found}, wanted {wanted or 'something readable'}."
