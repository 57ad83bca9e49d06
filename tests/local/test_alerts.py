"""Alerts by workers as processes of their own, and by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from services.local.stack import LocalStack
from services.notifier.thresholds import NAMES
from tests.command import convohooks
from tests.receivers import Call, Receiver, Reply, receiving

CONVOHOOKS = str(Path(sys.executable).with_name("convohooks"))
PATIENCE = 40.0
SECRET = "whsec_b2YgdGhlIGFsZXJ0cywgbG9jYWxseSB0ZXN0ZWQu"
"""Two turns of a worker on a busy machine."""
OFF = ",".join(f"{name}=0" for name in NAMES if name != "dead_letters")

Start = Callable[[Receiver], subprocess.Popen[bytes]]


@pytest.fixture(autouse=True)
def _nothing_is_wrong(db: psycopg.Connection) -> Iterator[None]:
    db.execute("delete from private.incidents")
    db.execute("delete from private.alert_signs")
    yield
    db.execute("delete from private.webhook_inbox where state = 'dead'")
    db.execute("delete from private.incidents")


@pytest.fixture(name="env")
def _env(stack: LocalStack) -> dict[str, str]:
    settings = {"PUBLIC_BASE_URL": "https://hooks.example.test", "ALERT_THRESHOLDS": OFF}
    return {**stack.env(), **settings}


@pytest.fixture(name="start")
def _start(env: dict[str, str]) -> Iterator[Start]:
    """Start workers that tell a receiver; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(receiver: Receiver) -> subprocess.Popen[bytes]:
        settings = {"ALERT_WEBHOOK_URL": receiver.url, "ALERT_WEBHOOK_SECRET": SECRET}
        process = subprocess.Popen(
            [CONVOHOOKS, "worker"],
            env={**os.environ, **env, **settings},
            stdout=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def make_dead_letter(db: psycopg.Connection) -> None:
    db.execute(
        "insert into private.webhook_inbox"
        " (source, event_key, event_type, body, body_sha256, state)"
        " values ('tavus', gen_random_uuid()::text, 't', 'x', '', 'dead')"
    )


def types(receiver: Receiver) -> list[str]:
    return [call.payload["type"] for call in receiver.calls]


def test_several_workers_tell_of_a_dead_letter_once_and_when_it_is_gone(
    db: psycopg.Connection, start: Start
) -> None:
    make_dead_letter(db)
    with receiving(SECRET) as receiver:
        for _ in range(3):
            start(receiver)
        receiver.wait_for_calls(1, PATIENCE)
        db.execute("delete from private.webhook_inbox where state = 'dead'")
        receiver.wait_for_calls(2, PATIENCE)

        assert types(receiver) == ["incident.began", "incident.ended"]
        assert receiver.calls[0].payload["data"]["name"] == "dead_letters"
        assert receiver.forged == []


def test_a_worker_that_is_killed_while_it_tells_is_followed_by_another(
    db: psycopg.Connection, start: Start
) -> None:
    make_dead_letter(db)

    def slowly_at_first(call: Call) -> Reply:
        return Reply(after=5.0 if len(receiver.calls) == 1 else 0.0)

    with receiving(SECRET, answer=slowly_at_first) as receiver:
        first = start(receiver)
        receiver.wait_for_calls(1, PATIENCE)
        first.send_signal(signal.SIGKILL)
        first.wait()
        db.execute("update private.incident_notices set due_at = now()")
        start(receiver)
        receiver.wait_for_calls(2, PATIENCE)

        assert len(set(receiver.ids)) == 1
        assert receiver.calls[0].payload["id"] == receiver.ids[0]


def test_a_test_message_shows_whether_alerts_arrive(env: dict[str, str]) -> None:
    with receiving(SECRET) as receiver:
        told = {**env, "ALERT_WEBHOOK_URL": receiver.url, "ALERT_WEBHOOK_SECRET": SECRET}
        sent = convohooks("alerts", "test", env=told)
        wrong = {**told, "ALERT_WEBHOOK_SECRET": "whsec_" + "d3Jvbmch" * 4}
        refused = convohooks("alerts", "test", "--json", env=wrong)

    assert (sent.returncode, sent.stdout) == (0, "webhook: sent\n")
    assert types(receiver) == ["incident.test"]
    assert refused.returncode == 1
    assert json.loads(refused.stdout) == [
        {"target": "webhook", "error": "It answered 401; 2xx was wanted."}
    ]


def test_without_an_address_nobody_is_told(env: dict[str, str]) -> None:
    done = convohooks("alerts", "test", env=env)

    assert done.returncode == 1
    assert "ALERT_WEBHOOK_URL" in done.stderr


def test_incidents_are_listed_with_what_was_told(
    db: psycopg.Connection, env: dict[str, str]
) -> None:
    nothing = convohooks("alerts", "list", env=env)
    db.execute(
        "with made as (insert into private.incidents (name, severity, title, detail, began_at)"
        " values ('silence:tavus', 'critical', 'tavus has not called', '[bold]x\x1b[2J', now())"
        " returning id)"
        " insert into private.incident_notices (incident_id, target, kind, last_error)"
        " select id, 'slack', 'began', 'It answered 500.' from made"
    )

    shown = convohooks("alerts", "list", env={**env, "COLUMNS": "200"})
    told = json.loads(convohooks("alerts", "list", "--json", env=env).stdout)

    assert nothing.stdout == "Nothing is wrong, and nothing was.\n"
    assert "tavus has not called" in shown.stdout
    assert "[bold]x\\x1b[2J" in shown.stdout
    assert "slack began: waits: It answered 500." in " ".join(shown.stdout.split())
    assert [(one["name"], one["ended_at"]) for one in told] == [("silence:tavus", None)]


def test_list_says_what_arrived_and_what_was_given_up(
    db: psycopg.Connection, env: dict[str, str]
) -> None:
    db.execute(
        "with made as (insert into private.incidents"
        " (name, severity, title, detail, began_at, ended_at)"
        " values ('dead_letters', 'critical', 'Dead letters', 'x', now(), now()) returning id)"
        " insert into private.incident_notices"
        " (incident_id, target, kind, sent_at, given_up_at, last_error)"
        " select id, told.* from made, (values"
        " ('slack', 'began', now(), null::timestamptz, 'It answered 500.'),"
        " ('slack', 'ended', null, null, null),"
        " ('webhook', 'began', null, now(), 'It answered \x1b[2J410.')) told"
    )

    shown = convohooks("alerts", "list", env={**env, "COLUMNS": "300"}).stdout

    [row] = [line for line in shown.splitlines() if "Dead letters" in line]
    assert row.startswith("│ over ")
    told = {notice.strip() for notice in row.rpartition(" │ ")[2].strip("│ ").split(",")}
    assert told == {
        "slack began: sent",
        "slack ended: waits",
        r"webhook began: given up: It answered \x1b[2J410.",
    }


def test_while_supabase_is_away_there_is_no_list(env: dict[str, str]) -> None:
    done = convohooks("alerts", "list", env={**env, "SUPABASE_URL": "http://127.0.0.1:9"})

    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
