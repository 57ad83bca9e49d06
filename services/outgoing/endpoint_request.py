"""What a person may ask of an endpoint, and of the webhook of a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from services.egress.wire import TOKEN
from services.validation import Moment, storable

MAX_HEADERS = 20
MAX_HEADERS_SIZE = 4096
LONGEST_OVERLAP = 7 * 86400
LONGEST_WAIT = 7 * 86400

EventType = Literal[
    "message.created",
    "message.processed",
    "conversation.completed",
    "qualification.updated",
    "feedback.created",
    "call.completed",
    "booking.created",
    "endpoint.disabled",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

# What describes the message, the connection or the sender is ours to say.
RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
RESERVED_PREFIXES = ("proxy-", "webhook-")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


def check_headers(headers: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Return the headers. Raises ValueError for what no request of ours may carry."""
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a name is there twice")
    if sum(len(name) + len(value or "") for name, value in headers.items()) > MAX_HEADERS_SIZE:
        raise ValueError(f"more than {MAX_HEADERS_SIZE} characters in all")
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            raise ValueError("a name is none that a header may have")
        if name.lower() in RESERVED or name.lower().startswith(RESERVED_PREFIXES):
            raise ValueError(f"{name} is set by this service")
        if not _VALUE.fullmatch(value or ""):
            raise ValueError(f"the value of {name} has more than visible ASCII, spaces and tabs")
    return headers


def _check_unique(values: list[EventType]) -> list[EventType]:
    if len(set(values)) < len(values):
        raise ValueError("an event type is there twice")
    return values


Types = Annotated[list[EventType], Field(min_length=1), AfterValidator(_check_unique)]
Headers = Annotated[dict[str, str], Field(max_length=MAX_HEADERS), AfterValidator(check_headers)]
KeptHeaders = Annotated[
    dict[str, str | None], Field(max_length=MAX_HEADERS), AfterValidator(check_headers)
]
Wait = Annotated[StrictInt, Field(ge=1, le=LONGEST_WAIT)]
Text = Annotated[str, AfterValidator(storable)]


class EndpointFields(BaseModel):
    """What a person may say of an endpoint besides its URL; null stands for the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_types: Types | None = None
    description: Annotated[Text, Field(max_length=1000)] | None = None
    disabled: StrictBool = False
    rate_per_minute: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None
    concurrency: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    ordered: StrictBool = False
    retry_schedule: Annotated[list[Wait], Field(max_length=20)] | None = None


class NewEndpoint(EndpointFields):
    """An endpoint as its owner wants it."""

    url: str
    headers: Headers = Field(default_factory=dict)


class EndpointChange(EndpointFields):
    """The fields that are to change: those that were sent. A header with null stays as it is."""

    url: str = ""
    headers: KeptHeaders = Field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return self.model_dump(exclude_unset=True)


class Rotation(BaseModel):
    """How long the older secrets sign beside the new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=LONGEST_OVERLAP)] = 86400


class SampleWanted(BaseModel):
    """Of which type the test event is to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: EventType | None = None


class ResendFailed(BaseModel):
    """Since when what failed is to be sent again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Moment


class WorkflowConfig(BaseModel):
    """Where the messages of a conversation go, and for which workflow of the receiver's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow_id: Annotated[Text, StringConstraints(min_length=1, max_length=255)] | None = None
    callback_url: str


class ConversationWebhook(BaseModel):
    """The webhook of one conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Literal["API", "WHATSAPP", "SMS"] = "API"
    usecase: Literal["WORKFLOW_EXECUTION"] = "WORKFLOW_EXECUTION"
    config: WorkflowConfig

    def workflow(self) -> dict[str, str | None]:
        """Return what its endpoint keeps besides the URL."""
        workflow_id = self.config.workflow_id
        return {"channel": self.channel, "usecase": self.usecase, "workflow_id": workflow_id}
