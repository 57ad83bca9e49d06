"""The payloads of Tavus, one model for each kind, and where their fields are found."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from services.providers.tavus.event import ConversationEvent, Event
from services.providers.tavus.fields import (
    Measure,
    Moment,
    Name,
    Prose,
    Seconds,
    Share,
    Text,
    Words,
)
from services.providers.tavus.places import At


class Shutdown(ConversationEvent):
    """The room was shut down."""

    reason: Annotated[Text, At("shutdown_reason", "end_reason", "reason")] = None


class Ending(ConversationEvent):
    """The end of a conversation in the seeds' flat shapes; it may bring the transcript along."""

    status: Text = None
    reason: Annotated[Text, At("end_reason", "shutdown_reason", "reason")] = None
    started_at: Moment = None
    ended_at: Annotated[Moment, At("ended_at", "participant_left_at")] = None
    duration: Annotated[Seconds, At("duration", "duration_seconds")] = None
    conversation_name: Text = None
    recording: Annotated[Text, At("recording_url", "storage_uri")] = None
    transcript: Any = None


class Update(ConversationEvent):
    """A change of a conversation's status."""

    status: Text = None
    reason: Annotated[Text, At("end_reason", "shutdown_reason", "reason")] = None
    created_at: Moment = None
    updated_at: Moment = None
    ended_at: Moment = None
    duration: Annotated[Seconds, At("duration", "duration_seconds")] = None
    demo_id: Annotated[Text, At("metadata.demo_id", "demo_id")] = None
    conversation_name: Text = None


class Transcription(ConversationEvent):
    """The whole chat history."""

    transcript: Any = None


class Recording(ConversationEvent):
    """A recording, durably written to the customer's storage."""

    uri: Annotated[Text, At("storage_uri", "recording_url")] = None
    bucket: Annotated[Text, At("bucket_name", "bucket")] = None
    storage_key: Annotated[Text, At("s3_key", "key")] = None


class Perception(ConversationEvent):
    """What was seen in the call, summed up in prose."""

    analysis: Prose = None


class PostCallAction(ConversationEvent):
    """A tool that ran after the call."""

    tool_id: Annotated[Text, At("tool_id", "tool_name")] = None
    request: Any = None


class Guardrail(ConversationEvent):
    """A guardrail that was touched. Its callback is unpublished, so even the name may be absent."""

    name: Annotated[Text, At("guardrail_name", "guardrail.name")] = None


class Objective(ConversationEvent):
    """A completed objective."""

    objective_name: Name = Field(description="the name of the objective")
    output_variables: Any = None


class Utterance(ConversationEvent):
    """Something that was said, as the browser heard it."""

    role: Name = Field(description="who spoke: user, replica or pal")
    speech: Words = Field(description="what was said")
    inference_id: Text = None


class SpokenMessage(ConversationEvent):
    """A message of the conversation, in the seeds' shape."""

    role: Annotated[Name, At("message.role", "role")] = Field(
        description="who spoke: user or assistant"
    )
    content: Annotated[Words, At("message.content", "content")] = Field(
        description="the content of the message"
    )
    message_id: Annotated[Text, At("message.id", "message.message_id", "message_id")] = None
    said_at: Annotated[Moment, At("message.timestamp", "timestamp")] = None
    sentiment: Annotated[Text, At("metadata.sentiment", "message.sentiment", "sentiment")] = None
    intent: Annotated[Text, At("metadata.intent", "message.intent", "intent")] = None
    confidence: Annotated[Share, At("metadata.confidence", "message.confidence", "confidence")] = (
        None
    )


class ToolCalled(ConversationEvent):
    """A call of a tool, whichever way it came."""

    name: Annotated[
        Name, At("tool_call.function.name", "tool_call.name", "name", "function.name", "tool_name")
    ] = Field(description="the name of the tool")
    arguments: Annotated[
        Any,
        At(
            "tool_call.function.arguments",
            "tool_call.function.args",
            "tool_call.arguments",
            "tool_call.args",
            "arguments",
            "args",
            "function.arguments",
            "function.args",
        ),
    ] = None
    tool_call_id: Annotated[Text, At("tool_call.id", "tool_call.tool_call_id", "tool_call_id")] = (
        None
    )
    inference_id: Text = None


class DeliveredCall(ToolCalled):
    """A call of a tool over HTTP; its caller may not say in which conversation."""

    conversation_id: Text = None  # type: ignore[assignment]  # optional only here


class ToolReported(ConversationEvent):
    """The outcome of a tool call, told by whoever ran it."""

    tool_call_id: Annotated[Name, At("tool_call_id", "tool_call.id")] = Field(
        description="the id of the tool call"
    )
    name: Annotated[Text, At("name", "tool_name", "function.name")] = None
    result: Annotated[Any, At("result", "output")] = None
    error: Annotated[Prose, At("error", "result.error")] = None
    status: Text = None
    success: Annotated[Any, At("result.success", "success")] = None
    execution_time_ms: Measure = None


class Asset(Event):
    """A replica, video or document that Tavus has made, or could not make."""

    asset_id: Annotated[Name, At("video_id", "document_id", "replica_id", "uuid")] = Field(
        description="the id of the replica, video or document"
    )
    status: Text = None
    updated_at: Annotated[Moment, At("updated_at", "timestamp")] = None
