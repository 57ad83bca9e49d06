"""Which function each method of `Database` calls, and by which names it gives what it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

EVENT_ID = UUID("22222222-2222-4222-8222-222222222222")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a method, and the call of a function that it becomes."""

    given: tuple[Any, ...] = ()
    arguments: dict[str, Any]
    function: str = ""
    """Where it is not called like the method."""
    answer: Any = field(default_factory=lambda: {"answer": 1})
    """What the function answers, and the method returns."""


_PAGE = {"filter": {"state": "dead"}, "before": 9, "most": 5}
_CLAIM = {"claim": "c", "most": 5, "lease_seconds": 60.5}

CALLS = {
    "receive_events": Call(
        given=([{"n": 1}],), arguments={"batch": [{"n": 1}]}, answer=[{"answer": 1}]
    ),
    "claim_tool_run": Call(given=({"n": 1},), arguments={"call": {"n": 1}}),
    "finish_tool_run": Call(
        given=({"n": 1}, {"n": 2}), arguments={"run": {"n": 1}, "event": {"n": 2}}
    ),
    "claim_events": Call(
        given=("c", 5, 60.5),
        arguments={"claim": "c", "max_events": 5, "lease_seconds": 60.5},
        answer=[{"answer": 1}],
    ),
    "extend_claim": Call(
        given=("c", 60.5), arguments={"claim": "c", "lease_seconds": 60.5}, answer=None
    ),
    "finish_events": Call(
        given=("c", [{"n": 1}]),
        arguments={"claim": "c", "batch": [{"n": 1}]},
        answer=[{"answer": 1}],
    ),
    "list_events": Call(given=({"state": "dead"}, 9, 5), arguments=_PAGE, answer=[{"answer": 1}]),
    "search_end": Call(given=({"state": "dead"}, 9, 5), arguments=_PAGE),
    "show_event": Call(given=(EVENT_ID,), arguments={"event_id": str(EVENT_ID)}),
    "replay_events": Call(
        given=({"state": "dead"},), arguments={"filter": {"state": "dead"}}, answer=7
    ),
    "purge_events": Call(
        given=({"state": "dead"},), arguments={"filter": {"state": "dead"}}, answer=7
    ),
    "prune": Call(given=(30, 60, 100), arguments={"days": 30, "dead_days": 60, "most": 100}),
    "begin_conversation": Call(
        given=({"n": 1}, "key", "hash", 2.5),
        arguments={
            "conversation": {"n": 1},
            "request_key": "key",
            "request_hash": "hash",
            "patience_seconds": 2.5,
        },
    ),
    "place_conversation": Call(
        given=("r", "c", "https://x.example.test"),
        arguments={
            "ref": "r",
            "conversation_id": "c",
            "conversation_url": "https://x.example.test",
        },
    ),
    "fail_conversation": Call(
        given=("r", "why", 2.5),
        arguments={"ref": "r", "reason": "why", "look_seconds": 2.5},
        answer=None,
    ),
    "claim_lost_conversations": Call(
        given=(5, 60.5), arguments={"most": 5, "lease_seconds": 60.5}, answer=[{"answer": 1}]
    ),
    "finish_look": Call(given=("r", 2.5), arguments={"ref": "r", "look_seconds": 2.5}, answer=None),
    "note_end": Call(given=("c",), arguments={"conversation_id": "c"}, answer=None),
    "claim_reconciliation": Call(given=({"n": 1},), arguments={"wanted": {"n": 1}}),
    "finish_reconciliation": Call(
        given=({"n": 1},), arguments={"look": {"n": 1}}, answer="waiting"
    ),
    "claim_recording": Call(given=("c", 60.5), arguments={"claim": "c", "lease_seconds": 60.5}),
    "extend_recording": Call(
        given=("c", 60.5), arguments={"claim": "c", "lease_seconds": 60.5}, answer=True
    ),
    "finish_recording": Call(given=({"n": 1},), arguments={"copy": {"n": 1}}, answer="waiting"),
    "claim_analyses": Call(given=("c", 5, 60.5), arguments=_CLAIM, answer=[{"answer": 1}]),
    "finish_analysis": Call(
        given=("c", "row", {"n": 1}),
        arguments={"claim": "c", "conversation": "row", "feedback": {"n": 1}},
        answer="waiting",
    ),
    "fail_analysis": Call(
        given=("c", "row", "why", 2.5),
        arguments={"claim": "c", "conversation": "row", "error": "why", "retry_seconds": 2.5},
        answer="waiting",
    ),
    "report_process": Call(given=({"n": 1},), arguments={"report": {"n": 1}}, answer=None),
    "operations": Call(arguments={}),
    "totals": Call(arguments={}, function="webhook_totals"),
    "backlog": Call(arguments={}, function="inbox_backlog"),
    "describe_schema": Call(arguments={}),
    "check_readiness": Call(arguments={}, answer=None),
}
