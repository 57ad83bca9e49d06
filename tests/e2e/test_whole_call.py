"""A whole call, however its parts arrive: the rows are those of a call where nothing went wrong.

Two processes serve each call in turn, and its person is an anonymous one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.local.stack import LocalStack
from tests.stack import start_service
from tests.web.people import sign_up
from tests.whole_call.books import books
from tests.whole_call.call import SETTINGS, Call
from tests.whole_call.story import (
    CALLBACKS,
    GREETING,
    HEARD,
    MOVES,
    PROMPT,
    SHOWING,
    THANKS,
    VIDEO,
    WISH,
)
from tests.whole_call.vendor import ENDED_BY_CALL, Room, Vendor, vendor

CONVOHOOKS = Path(sys.executable).with_name("convohooks")
LATEST = 20.0
"""Seconds that the worker has to heal what was lost."""

Books = dict[str, Any]
Start = Callable[[], Call]


@pytest.fixture(name="tavus", scope="module")
def _tavus() -> Iterator[Vendor]:
    with vendor() as tavus:
        yield tavus


@pytest.fixture(name="env", scope="module")
def _env(stack: LocalStack, tavus: Vendor) -> dict[str, str]:
    return {**os.environ, **stack.env(), **SETTINGS, **tavus.settings()}


@pytest.fixture(name="urls", scope="module")
def _urls(stack: LocalStack, tavus: Vendor) -> Iterator[list[str]]:
    services = [start_service(stack, **SETTINGS, **tavus.settings()) for _ in range(2)]
    yield [service.url for service in services]
    for service in services:
        service.kill()


@pytest.fixture(name="start", scope="module")
def _start(stack: LocalStack, tavus: Vendor, urls: list[str]) -> Iterator[Start]:
    """Start a call of somebody new."""
    with httpx.Client(timeout=60) as http:

        def start() -> Call:
            call = Call(urls, tavus, sign_up(stack, anonymous=True).headers, http)
            call.start()
            return call

        yield start


@pytest.fixture(name="video", scope="module")
def _video(stack: LocalStack) -> Iterator[None]:
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        db.execute(
            "insert into public.demo_videos (title, storage_url, duration_seconds)"
            " values (%s, 'https://videos.example.test/overview.mp4', 60)",
            [VIDEO],
        )
        yield
        db.execute("delete from public.demo_videos where title = %s", [VIDEO])


@pytest.fixture(name="smooth", scope="module")
def _smooth(stack: LocalStack, start: Start, video: None) -> Books:
    """What a call leaves where nothing went wrong."""
    call = start()
    for move in MOVES:
        call.move(move)
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        return books(db, call.id)


def without(*lost: str) -> list[str]:
    return [move for move in MOVES if move not in lost]


def test_a_smooth_call_leaves_what_happened_in_it(smooth: Books) -> None:
    [row] = smooth["public.conversations"]
    assert (row["status"], row["end_reason"]) == ("completed", "participant_left_timeout")
    assert (row["duration_seconds"], row["recording_url"]) == (170, "s3://calls/1.mp4")
    assert row["perception_analysis"] == "They smiled."
    lines = sorted(smooth["public.conversation_messages"], key=lambda line: line["position"])
    assert [line["content"] for line in lines] == [GREETING, WISH, SHOWING, THANKS]
    assert [tool["success"] for tool in smooth["public.tool_calls"]] == [True, True]
    [found] = smooth["public.qualification_data"]
    assert (found["email"], found["position"]) == ("ada@example.test", "engineer")
    [feedback] = smooth["public.feedback_sessions"]
    assert (feedback["score"] > 0, feedback["duration"]) == (True, 170)
    assert PROMPT not in json.dumps(smooth)


def test_everything_twice_is_everything_once(
    db: psycopg.Connection, start: Start, smooth: Books
) -> None:
    call = start()

    for move in MOVES:
        call.move(move)
        call.move(move, turned=True)

    assert books(db, call.id) == smooth


@pytest.mark.parametrize("seed", range(3))
def test_the_order_does_not_matter(
    db: psycopg.Connection, start: Start, smooth: Books, seed: int
) -> None:
    call, luck = start(), random.Random(seed)
    moves = [*MOVES, *MOVES]
    luck.shuffle(moves)

    for move in moves if seed else MOVES[::-1]:
        call.move(move, turned=luck.random() < 0.5)

    assert books(db, call.id) == smooth


def test_everything_may_come_at_once(db: psycopg.Connection, start: Start, smooth: Books) -> None:
    call = start()

    with ThreadPoolExecutor(12) as everybody:
        list(everybody.map(call.move, MOVES * 3))

    assert books(db, call.id) == smooth


def test_callbacks_may_come_before_the_call_is_answered(
    db: psycopg.Connection, tavus: Vendor, start: Start, smooth: Books, urls: list[str]
) -> None:
    def call_back(room: Room) -> None:
        with httpx.Client() as http:
            early = Call(urls, tavus, {}, http, row={"conversation_id": room.id})
            for move in ("joined", "shutdown", "transcript"):
                early.move(move)

    tavus.born = call_back
    try:
        call = start()
    finally:
        tavus.born = lambda room: None
    for move in MOVES:
        call.move(move)

    assert call.row["conversation_url"] == f"https://rooms.example.test/{call.id}"
    assert books(db, call.id) == smooth


def test_what_is_said_is_one_list_without_a_transcript_too(
    db: psycopg.Connection, start: Start
) -> None:
    smooth, rough = start(), start()
    messages = [message for name in HEARD for message in rough.messages(name)] * 2
    random.Random(1).shuffle(messages)

    for move in without("transcript"):
        smooth.move(move)
    for message in messages:
        rough.relay([message])
    for move in without("transcript", *HEARD):
        rough.move(move)

    assert books(db, rough.id) == books(db, smooth.id)
    lines = rough.http.get(
        f"{rough.services[0]}/api/conversations/{rough.id}", headers=rough.headers
    ).json()["messages"]
    assert [line["content"] for line in lines] == [GREETING, WISH, SHOWING, THANKS]


def test_a_tool_that_is_called_again_at_once_answers_the_same(start: Start, video: None) -> None:
    call = start()

    with ThreadPoolExecutor(8) as agents:
        answers = set(agents.map(lambda _: call.call_tool(), range(8)))

    [answer] = answers
    assert json.loads(answer)["result"]["title"] == VIDEO


def test_the_command_heals_calls_without_an_end_or_a_transcript(
    db: psycopg.Connection, start: Start, smooth: Books, env: dict[str, str], tmp_path: Path
) -> None:
    losses = [("shutdown",), ("transcript",), CALLBACKS]
    calls = [start() for _ in losses]
    for call, lost in zip(calls, losses, strict=True):
        for move in without(*lost):
            call.move(move)
    told_less = calls[-1].room
    told_less.events = [
        {name: event[name] for name in ("event_type", "timestamp", "properties")}
        for event in told_less.events
    ]
    time.sleep(1)  # RECONCILE_AFTER

    run = subprocess.run(
        [CONVOHOOKS, "reconcile", "--json"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    for call in calls:
        assert books(db, call.id) == smooth
        for late in CALLBACKS:
            call.move(late, turned=True)
        assert books(db, call.id) == smooth


def test_the_worker_heals_whichever_callback_was_lost(
    db: psycopg.Connection, start: Start, smooth: Books, env: dict[str, str], tmp_path: Path
) -> None:
    calls = {lost: start() for lost in CALLBACKS}
    for lost, call in calls.items():
        for move in without(lost):
            call.move(move)
    db.execute(
        "delete from private.reconciliations where conversation_id <> all(%s)",
        [[call.id for call in calls.values()]],
    )

    worker = subprocess.Popen(
        [CONVOHOOKS, "worker"], env=env, cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        latest = time.monotonic() + LATEST
        while time.monotonic() < latest and unhealed(db, calls, smooth):
            time.sleep(0.2)
    finally:
        worker.terminate()
        worker.wait(20)

    assert unhealed(db, calls, smooth) == []


def unhealed(db: psycopg.Connection, calls: dict[str, Call], smooth: Books) -> list[str]:
    return [lost for lost, call in calls.items() if books(db, call.id) != smooth]


@pytest.mark.parametrize(
    "order",
    [
        ("end", "end", "shutdown", "end", "transcript"),
        ("shutdown", "end", "transcript"),
        ("transcript", "end", "shutdown", "shutdown"),
    ],
)
def test_ending_a_call_is_told_by_its_sender(
    db: psycopg.Connection, start: Start, order: tuple[str, ...]
) -> None:
    calls = [start(), start()]
    for call, steps in zip(calls, [("end", "shutdown", "transcript"), order], strict=True):
        call.room.status = "active"
        [shutdown] = call.events("shutdown")
        call.move("joined")
        for step in steps:
            if step == "end":
                call.end()
            elif step == "shutdown":
                call.room.status = "ended"
                call.callback({**shutdown, "properties": {"shutdown_reason": ENDED_BY_CALL}})
            else:
                call.move(step)

    smooth, rough = (books(db, call.id) for call in calls)
    assert rough == smooth
    assert rough["public.conversations"][0]["end_reason"] == ENDED_BY_CALL
