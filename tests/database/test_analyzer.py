"""The second reading of a transcript: once, by one worker, never worse than the rules' alone."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
import responses

from services.chores.analysis import WAITS, Analysis
from services.clients.openai import ChatClient
from services.database import Database
from services.effects import Effects, Feedback, Message, to_json
from services.errors import BadGateway
from services.feedback import score
from services.feedback.llm import LlmAnalyzer
from services.local.stack import LocalStack
from services.provider import Scenario
from services.settings import load_settings
from services.wiring.worker import wire_worker
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows
from tests.database.personas import acting, sign_up

SHORT = [
    Message(role="assistant", content="How are you?"),
    Message(role="user", content="I am fine, thank you. How are you?"),
]
LONG = [*SHORT, Message(role="user", content="What if we met tomorrow?")]


@dataclass
class Judge:
    """An analyzer that remembers what it read, and gives what it is told to."""

    value: int = 91
    errors: list[Exception] = field(default_factory=list)
    read: list[tuple[int, Any]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    name: str = "llm:judge-1"

    def analyze(self, transcript: Sequence[Message], scenario: Scenario | None) -> Feedback | None:
        self.read.append((len(transcript), scenario.metrics if scenario else None))
        self.meanwhile()
        if self.errors:
            raise self.errors.pop(0)
        analysis = {"overallScore": self.value, "outcome": "talk"}
        return Feedback(score=self.value, analysis=analysis, analyzer=self.name)


@pytest.fixture(name="database")
def _database(stack: LocalStack) -> Iterator[Database]:
    database = Database(load_settings(stack.env()))
    yield database
    database.close()


@pytest.fixture(autouse=True)
def _nothing_due(db: psycopg.Connection) -> None:
    """Take away what other tests left to be read."""
    db.execute("delete from private.feedback_analyses")


@pytest.fixture(name="conversation")
def _conversation(db: psycopg.Connection) -> str:
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    return conversation


def told(
    conversation: str, messages: list[Message], fact: str = "transcript", at: str | None = None
) -> dict[str, Any]:
    """Return the event of a transcript, scored by rules as its handler does it."""
    effects = to_json(Effects(transcript=tuple(messages), feedback=score(messages, None)))
    for line in effects["transcript"]:
        line["timestamp"] = at
    return event(conversation, fact, effects=effects)


def analysis(database: Database, judge: Any, lease: float = 60) -> Analysis:
    return Analysis(database=database, analyzer=judge, lease=lease)


def session(db: psycopg.Connection, conversation: str) -> dict[str, Any]:
    [row] = rows(
        db,
        "select f.score, f.analyzer, f.version, f.analysis, jsonb_array_length(f.transcript::jsonb)"
        " as lines from public.feedback_sessions f join public.conversations c"
        " on c.id = f.conversation_id where c.conversation_id = %s",
        conversation,
    )
    return row


def job(db: psycopg.Connection, conversation: str) -> dict[str, Any]:
    [row] = rows(
        db,
        "select a.state, a.attempts, a.last_error, a.claim_id, extract(epoch from"
        " a.next_attempt_at - now())::float as due from private.feedback_analyses a"
        " join public.conversations c on c.id = a.conversation_id where c.conversation_id = %s",
        conversation,
    )
    return row


def shown(db: psycopg.Connection, conversation: str) -> list[dict[str, Any]]:
    return rows(
        db,
        "select source, event_data from public.processed_webhook_events"
        " where conversation_id = %s and event_type = 'feedback.updated'",
        conversation,
    )


def make_due(db: psycopg.Connection) -> None:
    db.execute("update private.feedback_analyses set next_attempt_at = now()")


def test_rules_at_once_the_model_later(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    receive(db, told(conversation, SHORT))
    at_once = session(db, conversation)

    assert analysis(database, Judge()).analyze() is True

    later = session(db, conversation)
    assert at_once["analyzer"] == "rules-2"
    assert at_once["score"] > 0
    assert (later["score"], later["analyzer"]) == (91, "llm:judge-1")
    assert later["version"] == at_once["version"] + 1
    assert job(db, conversation)["state"] == "done"
    assert shown(db, conversation) == [
        {"source": "convohooks", "event_data": {"score": 91, "analyzer": "llm:judge-1"}}
    ]


def test_nothing_waiting_is_nothing_done(database: Database) -> None:
    assert analysis(database, Judge()).analyze() is False


def test_the_owner_sees_the_update(db: psycopg.Connection, database: Database) -> None:
    owner, conversation = sign_up(db), new_conversation_id()
    make_conversation(db, conversation, user_id=owner.id)
    receive(db, told(conversation, SHORT))

    analysis(database, Judge()).analyze()

    with acting(db, owner):
        assert shown(db, conversation)
        assert session(db, conversation)["score"] == 91


def test_replays_and_repeats_change_nothing(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    judge = Judge()
    receive(db, told(conversation, SHORT))
    analysis(database, judge).analyze()
    before = session(db, conversation)

    receive(db, told(conversation, SHORT))
    # The same words once more, in an event whose lines have times and whose key wins.
    receive(db, told(conversation, SHORT, "again", at="2026-03-01T06:46:00Z"))

    assert analysis(database, judge).analyze() is False
    after = session(db, conversation)
    assert (after["score"], after["analyzer"]) == (before["score"], before["analyzer"])
    assert len(judge.read) == 1
    assert len(shown(db, conversation)) == 1


def test_a_longer_transcript_is_read_again_and_a_shorter_one_is_not(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    judge = Judge()
    receive(db, told(conversation, SHORT))
    analysis(database, judge).analyze()

    receive(db, told(conversation, LONG, "longer"))
    assert session(db, conversation)["analyzer"] == "rules-2"
    analysis(database, judge).analyze()
    receive(db, told(conversation, SHORT, "shorter"))

    assert analysis(database, judge).analyze() is False
    assert [lines for lines, _ in judge.read] == [2, 3]
    assert session(db, conversation)["lines"] == 3
    assert session(db, conversation)["analyzer"] == "llm:judge-1"
    assert len(shown(db, conversation)) == 2


def test_a_transcript_that_grew_meanwhile_is_not_scored_by_the_old_reading(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    receive(db, told(conversation, SHORT))
    grow = Judge(7, meanwhile=lambda: receive(db, told(conversation, LONG, "longer")))

    analysis(database, grow).analyze()
    assert session(db, conversation)["analyzer"] == "rules-2"
    assert shown(db, conversation) == []
    analysis(database, Judge(92)).analyze()

    assert session(db, conversation)["score"] == 92


def test_transcripts_in_any_order_end_with_the_reading_of_the_longest(
    db: psycopg.Connection, database: Database
) -> None:
    class ByLength(Judge):
        def analyze(self, transcript: Sequence[Message], scenario: Scenario | None) -> Feedback:
            return Feedback(
                score=len(transcript),
                analysis={"outcome": "talk"},
                analyzer=self.name,
            )

    for seed in range(20):
        chance, conversation = random.Random(seed), new_conversation_id()
        make_conversation(db, conversation)
        steps = ["short", "short again", "long", "long again", "read", "read", "read"] * 2
        chance.shuffle(steps)
        for step in [*steps, "read"]:
            if step == "read":
                analysis(database, ByLength()).analyze()
            else:
                talk = LONG if step.startswith("long") else SHORT
                receive(db, told(conversation, talk, step))

        ended = session(db, conversation)
        assert (ended["score"], ended["lines"], ended["analyzer"]) == (3, 3, "llm:judge-1")


@pytest.mark.parametrize("talk", [SHORT[:1], SHORT[1:]], ids=["silent", "monologue"])
def test_one_sided_talks_wait_for_nobody(
    db: psycopg.Connection, database: Database, conversation: str, talk: list[Message]
) -> None:
    receive(db, told(conversation, talk))

    assert analysis(database, Judge()).analyze() is False
    assert session(db, conversation)["analyzer"] == "rules-2"


def test_the_model_is_told_the_scenario(db: psycopg.Connection, database: Database) -> None:
    judge, conversation = Judge(), new_conversation_id()
    [scenario] = rows(
        db,
        "insert into public.scenarios (title, metrics) values ('A talk', '[\"empathy\"]')"
        " returning id",
    )
    make_conversation(db, conversation, scenario_id=scenario["id"])
    receive(db, told(conversation, SHORT))

    analysis(database, judge).analyze()

    assert judge.read == [(2, ["empathy"])]


def test_failures_are_tried_again_later_and_then_the_rules_stay(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    judge = Judge(errors=[BadGateway("The model is away.")] * 4 + [ZeroDivisionError("ours")])
    receive(db, told(conversation, SHORT))

    for wait in WAITS:
        analysis(database, judge).analyze()
        waiting = job(db, conversation)
        assert (waiting["state"], waiting["last_error"]) == ("waiting", "The model is away.")
        assert wait - 10 < waiting["due"] <= wait
        assert analysis(database, judge).analyze() is False
        make_due(db)
    analysis(database, judge).analyze()
    make_due(db)

    ended = job(db, conversation)
    assert (ended["state"], ended["last_error"]) == ("given_up", "ZeroDivisionError")
    assert analysis(database, judge).analyze() is False
    assert session(db, conversation)["analyzer"] == "rules-2"
    assert shown(db, conversation) == []


def test_a_failure_that_passes_costs_nothing(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    judge = Judge(errors=[BadGateway("The model is away.")])
    receive(db, told(conversation, SHORT))

    analysis(database, judge).analyze()
    make_due(db)
    analysis(database, judge).analyze()

    assert session(db, conversation)["score"] == 91
    assert job(db, conversation)["last_error"] is None


def test_readings_that_never_end_are_counted(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    receive(db, told(conversation, SHORT))
    for _ in range(5):
        assert database.claim_analyses(str(uuid.uuid4()), 1, 0)

    analysis(database, Judge()).analyze()

    assert job(db, conversation)["state"] == "given_up"
    assert session(db, conversation)["analyzer"] == "rules-2"


def test_a_claim_whose_lease_ended_finishes_nothing(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    receive(db, told(conversation, SHORT))
    slow, quick = str(uuid.uuid4()), str(uuid.uuid4())
    [claimed] = database.claim_analyses(slow, 1, 0)
    [again] = database.claim_analyses(quick, 1, 60)
    feedback = {"score": 1, "analysis": {}, "analyzer": "llm:slow"}

    assert claimed["id"] == again["id"]
    assert database.finish_analysis(slow, claimed["id"], feedback) == "lost"
    assert database.fail_analysis(slow, claimed["id"], "late", None) == "lost"
    assert session(db, conversation)["analyzer"] == "rules-2"
    assert database.finish_analysis(quick, claimed["id"], feedback) == "done"
    assert database.finish_analysis(quick, claimed["id"], feedback) == "lost"


def test_what_is_claimed_is_given_to_nobody_else(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    receive(db, told(conversation, SHORT))

    assert database.claim_analyses(str(uuid.uuid4()), 1, 60)
    assert database.claim_analyses(str(uuid.uuid4()), 1, 60) == []


def test_many_workers_read_each_transcript_once(db: psycopg.Connection, database: Database) -> None:
    conversations = [new_conversation_id() for _ in range(40)]
    for conversation in conversations:
        make_conversation(db, conversation)
    receive(db, *(told(conversation, SHORT) for conversation in conversations))
    judge = Judge()

    def work() -> None:
        while analysis(database, judge).analyze():
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(judge.read) == 40
    assert all(len(shown(db, conversation)) == 1 for conversation in conversations)
    assert {session(db, conversation)["score"] for conversation in conversations} == {91}


def test_what_waited_a_week_is_left(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    """A key that is set one day does not send the talks of years to a model."""
    receive(db, told(conversation, SHORT))
    db.execute("update private.feedback_analyses set next_attempt_at = now() - interval '8 days'")

    assert analysis(database, Judge()).analyze() is False


def test_a_session_that_was_deleted_is_not_brought_back(
    db: psycopg.Connection, database: Database, conversation: str
) -> None:
    receive(db, told(conversation, SHORT))
    db.execute(
        "delete from public.feedback_sessions f using public.conversations c"
        " where c.id = f.conversation_id and c.conversation_id = %s",
        [conversation],
    )

    analysis(
        database, LlmAnalyzer(ChatClient(load_settings({**ENV, "OPENAI_API_KEY": "sk-x"})))
    ).analyze()

    assert job(db, conversation)["state"] == "given_up"
    assert shown(db, conversation) == []


ENV = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
}


def test_the_worker_asks_the_model_of_the_settings(
    db: psycopg.Connection, stack: LocalStack, conversation: str
) -> None:
    """Through HTTP: settings, chore, client, verdict, row."""
    receive(db, told(conversation, SHORT))
    remark = {"remark": "Asked back", "citations": [{"line": 2, "quote": "How are you?"}]}
    verdict = {
        "communication_score": 60, "empathy_score": 70, "problem_solving_score": 80,
        "strengths": [remark], "areas_for_improvement": [], "key_insights": [], "metrics": [],
    }  # fmt: skip
    settings = load_settings(
        {**stack.env(), "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "https://m.example.test/v1"}
    )
    worker = wire_worker(settings)
    [chore] = [chore for chore in worker.chores if chore.name == "feedback"]

    with responses.RequestsMock() as net:
        choice = {"message": {"content": json.dumps(verdict)}, "finish_reason": "stop"}
        net.post("https://m.example.test/v1/chat/completions", json={"choices": [choice]})
        assert chore.work() is True
    worker.database.close()

    ended = session(db, conversation)
    assert (ended["score"], ended["analyzer"]) == (70, "llm:gpt-4o-mini")
    assert ended["analysis"]["strengths"] == ["Asked back (line 2: “How are you”)"]


def test_without_a_key_no_worker_asks(stack: LocalStack) -> None:
    chores = wire_worker(load_settings(stack.env())).chores

    assert "feedback" not in {chore.name for chore in chores}


def test_nobody_else_may_finish(db: psycopg.Connection) -> None:
    person = sign_up(db)

    for call in ("claim_analyses(gen_random_uuid(), 1, 1)",
                 "finish_analysis(gen_random_uuid(), gen_random_uuid(), '{}')",
                 "fail_analysis(gen_random_uuid(), gen_random_uuid(), '', 1)"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(db, person):
            db.execute(f"select public.{call}")
