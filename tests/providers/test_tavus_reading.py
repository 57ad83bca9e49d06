"""What a body is, by the type it names, else by its shape and path."""

from __future__ import annotations

from typing import Any

import pytest
from tavus_samples import read, sample

from services.errors import Malformed

ENDING_PATH = "/functions/v1/tavus-webhook"
QUALIFICATION_PATH = "/api/webhook/qualification"


@pytest.mark.parametrize(
    ("told", "event_type"),
    [
        ("system.pal_joined", "system.replica_joined"),
        (" System.Shutdown ", "system.shutdown"),
        ("conversation.toolcall", "conversation.tool_call"),
        ("conversation.tool-call", "conversation.tool_call"),
        ("tool_call", "conversation.tool_call"),
        ("conversation.tool_called", "conversation.tool_called"),
        ("conversation_ended", "conversation.ended"),
        ("conversation.completed", "conversation.ended"),
        ("application.conversation_ended", "conversation.ended"),
        ("system.conversation_ended", "conversation.ended"),
        ("application.objective_completed", "conversation.objective.completed"),
        ("objective_completed", "conversation.objective.completed"),
        ("application.transcription", "application.transcription_ready"),
        ("conversation.perception-analysis", "application.perception_analysis"),
        ("conversation.perception_analysis", "application.perception_analysis"),
        ("application.perception_tool_call", "conversation.perception_tool_call"),
        ("conversation.guardrail", "conversation.guardrail.triggered"),
        ("Guardrails.Violated", "conversation.guardrail.triggered"),
        ("conversation.utterance.streaming", "conversation.utterance.streaming"),
        ("Something.New", "Something.New"),
    ],
)
def test_a_type_has_one_name(told: str, event_type: str) -> None:
    assert read({"event_type": told, "conversation_id": "c1"}).event_type == event_type


@pytest.mark.parametrize("field", ["event_type", "event", "type"])
def test_a_type_is_found_under_each_of_its_fields(field: str) -> None:
    assert read({field: "system.shutdown", "conversation_id": "c1"}).event_type == "system.shutdown"


@pytest.mark.parametrize("told", [None, "", "  ", 7, ["system.shutdown"], {}, "x" * 300])
def test_a_type_that_is_none_counts_as_untold(told: Any) -> None:
    assert read({"event_type": told, "conversation_id": "c1"}).event_type == "unknown"


@pytest.mark.parametrize(
    ("payload", "event_type"),
    [
        ({"replica_id": "r1", "status": "ready"}, "replica.ready"),
        ({"face_id": "r1", "status": "Error"}, "replica.error"),
        ({"video_id": "v1", "replica_id": "r1", "status": "ready"}, "video.ready"),
        ({"document_id": "d1", "status": "recrawling"}, "document.recrawling"),
        ({"document_id": "d1", "status": "novel"}, "document.novel"),
        ({"replica_id": "r1"}, "unknown"),
        ({"conversation_id": "c1", "status": "ended"}, "conversation.ended"),
        ({"conversation_id": "c1", "status": "failed", "replica_id": "r1"}, "conversation.ended"),
        ({"conversation_id": "c1", "transcript": []}, "conversation.ended"),
        ({"conversation_id": "c1", "status": "active"}, "conversation.updated"),
        ({"conversation_id": "c1", "objective_name": "o"}, "conversation.objective.completed"),
        (
            {"conversation_id": "c1", "data": {"objective_name": "o"}},
            "conversation.objective.completed",
        ),
        ({"conversation_id": "c1", "guardrail_name": "g"}, "conversation.guardrail.triggered"),
        (
            {"event_type": "odd", "properties": {"guardrail_name": "g"}},
            "conversation.guardrail.triggered",
        ),
        ({"conversation_id": "c1", "name": "t", "arguments": "{}"}, "conversation.tool_call"),
        ({"conversation_id": "c1", "tool_call": {"id": "1"}}, "conversation.tool_called"),
        ({"conversation_id": "c1", "type": "function"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_body_without_a_type_is_known_by_its_shape(
    payload: dict[str, Any], event_type: str
) -> None:
    assert read(payload).event_type == event_type


@pytest.mark.parametrize("missing", ["conversation_id", "status"])
def test_the_edge_functions_path_names_the_field_that_an_end_lacks(missing: str) -> None:
    payload = sample("conversation.ended-flat")
    del payload[missing], payload["transcript"]

    with pytest.raises(Malformed, match=missing):
        read(payload, ENDING_PATH)


def test_a_transcript_says_that_the_conversation_ended() -> None:
    payload = sample("conversation.ended-flat")
    del payload["status"]

    assert read(payload, ENDING_PATH).event_type == "conversation.ended"


def test_the_edge_functions_path_takes_typed_events_too() -> None:
    payload = sample("system.shutdown")

    assert read(payload, ENDING_PATH).event_type == "system.shutdown"


def test_an_untyped_end_keeps_its_fields_as_they_came() -> None:
    payload = sample("conversation.ended-flat")

    assert read(payload, ENDING_PATH).payload == payload


@pytest.mark.parametrize(
    "payload",
    [
        {"conversation_id": "c1", "output_variables": {"email": "a@b.test"}},
        {"conversation_id": "c1", "properties": {"email": "a@b.test"}},
    ],
)
def test_variables_on_the_qualification_path_are_a_completed_objective(
    payload: dict[str, Any],
) -> None:
    assert read(payload, QUALIFICATION_PATH).event_type == "conversation.objective.completed"
    assert read(payload).event_type == "unknown"


@pytest.mark.parametrize(
    "payload",
    [
        {"conversation_id": "42"},
        {"conversation_id": 42},
        {"conversation_id": [], "properties": {"conversation_id": " 42 "}},
        {"conversation_id": True, "data": {"conversation_id": 42}},
    ],
)
def test_a_conversation_is_found_wherever_it_is_named(payload: dict[str, Any]) -> None:
    assert read(payload).conversation_id == "42"


@pytest.mark.parametrize("told", [None, True, 1.5, [], {"id": "c1"}])
def test_what_cannot_name_a_conversation_names_none(told: Any) -> None:
    assert read({"event_type": "x.y", "conversation_id": told}).conversation_id is None


@pytest.mark.parametrize("told", ["", "   ", "c" * 256, 10**300])
def test_an_impossible_conversation_id_is_refused(told: Any) -> None:
    with pytest.raises(Malformed, match="conversation_id"):
        read({"event_type": "system.shutdown", "conversation_id": told})


def test_new_names_of_fields_become_the_old_ones() -> None:
    payload = {"event_type": "x.y", "pal_id": "p1", "properties": {"face_id": "r1"}}

    read_payload = read(payload).payload

    assert read_payload == {
        "event_type": "x.y", "persona_id": "p1", "properties": {"replica_id": "r1"}
    }  # fmt: skip


def test_a_renamed_field_never_overwrites_another() -> None:
    payload = {"event_type": "x.y", "pal_id": "p1", "persona_id": "p2", "face_id": "r1",
               "replica_id": None}  # fmt: skip

    read_payload = read(payload).payload

    assert (read_payload["persona_id"], read_payload["pal_id"]) == ("p2", "p1")
    assert read_payload["replica_id"] == "r1"
