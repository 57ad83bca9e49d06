"""Every event of Tavus that does something: its model, what it does, what names it."""

from __future__ import annotations

from services.provider import EventType
from services.providers.tavus.assets import ASSET_TYPES, asset_key
from services.providers.tavus.conversations import (
    begin_conversation,
    end_conversation,
    ending_key,
    shut_down_conversation,
    update_conversation,
)
from services.providers.tavus.event import ConversationEvent
from services.providers.tavus.keys import once, repeatable
from services.providers.tavus.messages import (
    message_key,
    store_message,
    store_utterance,
    utterance_key,
)
from services.providers.tavus.metadata import keep_as, keep_perception, note, post_call_key
from services.providers.tavus.models import (
    Asset,
    Ending,
    Guardrail,
    Objective,
    Perception,
    PostCallAction,
    Recording,
    Shutdown,
    SpokenMessage,
    ToolCalled,
    ToolReported,
    Transcription,
    Update,
    Utterance,
)
from services.providers.tavus.names import GUARDRAIL
from services.providers.tavus.objectives import objective_key, qualify
from services.providers.tavus.recordings import keep_recording, recording_key
from services.providers.tavus.tools import (
    call_perception_tool,
    call_tool,
    report_tool,
    tool_call_key,
    tool_result_key,
)
from services.providers.tavus.transcripts import store_transcript, transcript_key

CONVERSATIONS = {
    "system.replica_joined": EventType(
        model=ConversationEvent, handler=begin_conversation, key=once("joined")
    ),
    "system.shutdown": EventType(
        model=Shutdown, handler=shut_down_conversation, key=once("shutdown")
    ),
    "conversation.updated": EventType(
        model=Update, handler=update_conversation, key=repeatable("updated")
    ),
    "conversation.ended": EventType(model=Ending, handler=end_conversation, key=ending_key),
}

AFTERWARDS = {
    "application.transcription_ready": EventType(
        model=Transcription, handler=store_transcript, key=transcript_key
    ),
    "application.recording_ready": EventType(
        model=Recording, handler=keep_recording, key=recording_key
    ),
    "application.recording_copy_failed": EventType(
        model=ConversationEvent,
        handler=keep_as("application.recording_copy_failed"),
        key=once("recording_copy_failed"),
    ),
    "application.perception_analysis": EventType(
        model=Perception, handler=keep_perception, key=once("perception")
    ),
    "application.perception_unavailable": EventType(
        model=ConversationEvent,
        handler=keep_as("application.perception_unavailable"),
        key=once("perception_unavailable"),
    ),
    "application.post_call_action_executed": EventType(
        model=PostCallAction,
        handler=keep_as("application.post_call_action_executed"),
        key=post_call_key,
    ),
}

DURING = {
    "canvas.interaction": EventType(
        model=ConversationEvent, handler=keep_as("canvas.interaction"), key=repeatable("canvas")
    ),
    "conversation.objective.completed": EventType(
        model=Objective, handler=qualify, key=objective_key
    ),
    GUARDRAIL: EventType(model=Guardrail, handler=note, key=repeatable("guardrail")),
    "conversation.message": EventType(model=SpokenMessage, handler=store_message, key=message_key),
    "conversation.utterance": EventType(
        model=Utterance, handler=store_utterance, key=utterance_key
    ),
}

CALLED = EventType(model=ToolCalled, handler=call_tool, key=tool_call_key)
TOOL_CALLS = {
    "conversation.tool_called": CALLED,
    "conversation.tool_call": CALLED,
    "conversation.perception_tool_call": EventType(
        model=ToolCalled, handler=call_perception_tool, key=tool_call_key
    ),
    "conversation.tool_result": EventType(
        model=ToolReported, handler=report_tool, key=tool_result_key
    ),
}

ASSETS = {
    name: EventType(model=Asset, handler=note, key=asset_key(name.partition(".")[0]))
    for name in ASSET_TYPES
}

EVENTS: dict[str, EventType] = CONVERSATIONS | AFTERWARDS | DURING | TOOL_CALLS | ASSETS
