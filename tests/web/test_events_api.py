"""/api/webhook-events and `convohooks events`: dead letters are seen, tried again, purged."""

from __future__ import annotations

import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.local.stack import LocalStack
from tests.command import convohooks
from tests.database.events import make_conversation, new_conversation_id, rows
from tests.database.test_phone_rows import until_blocked
from tests.web.caller import Caller, utterance
from tests.web.people import Account, make_admin, sign_up

URL = "/api/webhook-events"
NOBODY = "6d0b8a14-3c5e-4f7a-9b21-0c4d8e2f6a17"


@pytest.fixture(name="admin")
def _admin(stack: LocalStack, db: psycopg.Connection) -> Account:
    account = sign_up(stack)
    make_admin(db, account)
    return account


@pytest.fixture(name="conversation")
def _conversation(caller: Caller, db: psycopg.Connection) -> str:
    """A conversation with three events; the second one is dead."""
    conversation = new_conversation_id()
    make_conversation(db, conversation)
    for seq in (1, 2, 3):
        caller.send(utterance(conversation, seq, f"line {seq}"))
    db.execute(
        "update private.webhook_inbox set state = 'dead', attempts = 6, last_error = %s"
        " where conversation_id = %s and event_key like '%%seq:2'",
        ["Traceback …\nValueError: Odd Number", conversation],
    )
    db.execute(
        "insert into private.event_attempts (event_id, attempt, error)"
        " select id, 6, last_error from private.webhook_inbox"
        " where conversation_id = %s and state = 'dead'",
        [conversation],
    )
    return conversation


def states(db: psycopg.Connection, conversation: str) -> list[str]:
    found = rows(
        db,
        "select state from private.webhook_inbox where conversation_id = %s order by seq",
        conversation,
    )
    return [row["state"] for row in found]


def listed(caller: Caller, admin: Account, **query: Any) -> dict[str, Any]:
    answer = caller.http.get(URL, params=query, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", URL),
        ("GET", f"{URL}/{NOBODY}"),
        ("POST", f"{URL}/{NOBODY}/replay"),
        ("POST", f"{URL}/replay"),
        ("DELETE", URL),
    ],
)
def test_only_admins_come_in(stack: LocalStack, caller: Caller, method: str, path: str) -> None:
    stranger = caller.http.request(method, path)
    person = caller.http.request(method, path, headers=sign_up(stack).headers)

    assert (stranger.status_code, person.status_code) == (401, 403)


def test_events_are_found_by_every_part_of_the_filter(
    caller: Caller, admin: Account, conversation: str
) -> None:
    ours = {"conversation_id": conversation}

    assert len(listed(caller, admin, **ours)["data"]) == 3
    assert len(listed(caller, admin, **ours, state="dead")["data"]) == 1
    assert len(listed(caller, admin, **ours, error="odd number")["data"]) == 1
    assert len(listed(caller, admin, **ours, event_type="conversation.utterance")["data"]) == 3
    assert listed(caller, admin, **ours, source="other")["data"] == []
    assert listed(caller, admin, **ours, until="2020-01-01T00:00:00Z")["data"] == []
    assert len(listed(caller, admin, **ours, since="2020-01-01T00:00:00Z")["data"]) == 3


def test_pages_follow_each_other(caller: Caller, admin: Account, conversation: str) -> None:
    first = listed(caller, admin, conversation_id=conversation, limit=2)
    second = listed(caller, admin, conversation_id=conversation, limit=2, before=first["next"])

    seqs = [event["seq"] for event in first["data"] + second["data"]]
    assert len(seqs) == 3
    assert seqs == sorted(seqs, reverse=True)
    assert second["next"] is None


@pytest.mark.parametrize(
    "query",
    [{"state": "gone"}, {"limit": "0"}, {"before": "x"}, {"since": "now"}, {"sate": "dead"}],
)
def test_wrong_filter_is_400_and_named(
    caller: Caller, admin: Account, query: dict[str, str]
) -> None:
    answer = caller.http.get(URL, params=query, headers=admin.headers)

    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["detail"]


@pytest.mark.parametrize(
    "name", ["source", "event_type", "conversation_id", "error", "text", "state", "before", "ids"]
)
def test_sign_that_no_text_has_is_400_and_named(caller: Caller, admin: Account, name: str) -> None:
    found = caller.http.get(URL, params={name: "a\x00b"}, headers=admin.headers)
    purged = caller.http.delete(URL, params={name: "a\x00b"}, headers=admin.headers)

    for answer in (found, purged):
        assert answer.status_code == 400
        assert name in answer.json()["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "id", "ids", "state", "source", "event_type", "conversation_id", "since", "until", "error",
        "text",
    ],
)  # fmt: skip
def test_null_is_no_word_for_all(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str, name: str
) -> None:
    wanted = {"conversation_id": conversation, "state": "processed", name: None}

    answer = caller.http.post(f"{URL}/replay", json=wanted, headers=admin.headers)

    assert answer.status_code == 422
    assert f"{name}: " in answer.json()["detail"]
    assert states(db, conversation) == ["processed", "dead", "processed"]


def test_all_states_are_replayed_where_that_is_said(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    wanted = {"conversation_id": conversation, "state": "all"}

    answer = caller.http.post(f"{URL}/replay", json=wanted, headers=admin.headers)

    assert answer.json() == {"replayed": 3}
    assert states(db, conversation) == ["received"] * 3


def test_two_who_replay_at_once_replay_it_once(
    stack: LocalStack, db: psycopg.Connection, conversation: str
) -> None:
    for wanted, expected in ({"state": "dead"}, 1), ({}, 3):
        filter_ = Jsonb({"conversation_id": conversation, **wanted})
        with (
            psycopg.connect(stack.database_url) as first,
            psycopg.connect(stack.database_url, autocommit=True) as second,
            ThreadPoolExecutor(1) as pool,
        ):
            one = replay(first, filter_)
            late = pool.submit(replay, second, filter_)
            until_blocked(db, first.info.backend_pid)
            first.commit()

            assert (one, late.result()) == (expected, 0)


def replay(db: psycopg.Connection, filter_: Jsonb) -> int:
    [[replayed]] = db.execute("select public.replay_events(%s)", [filter_])
    return int(replayed)


def test_event_is_shown_with_its_body_and_what_went_wrong(
    caller: Caller, admin: Account, conversation: str
) -> None:
    [dead] = listed(caller, admin, conversation_id=conversation, state="dead")["data"]

    event = caller.http.get(f"{URL}/{dead['id']}", headers=admin.headers).json()

    assert json.loads(event["body"])["properties"]["speech"] == "line 2"
    assert [failure["attempt"] for failure in event["failures"]] == [6]
    assert "Odd Number" in event["failures"][0]["error"]
    assert caller.http.get(f"{URL}/{uuid.uuid4()}", headers=admin.headers).status_code == 404


def test_replayed_event_is_due_again_and_its_neighbours_are_not(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    wanted = {"conversation_id": conversation}

    answer = caller.http.post(f"{URL}/replay", json=wanted, headers=admin.headers)

    assert answer.json() == {"replayed": 1}
    assert states(db, conversation) == ["processed", "received", "processed"]


def test_one_event_is_replayed_by_its_id(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    right = listed(caller, admin, conversation_id=conversation, state="processed")["data"][0]

    answer = caller.http.post(f"{URL}/{right['id']}/replay", headers=admin.headers)

    assert answer.json() == {"replayed": 1}
    assert states(db, conversation) == ["processed", "dead", "received"]
    gone = caller.http.post(f"{URL}/{uuid.uuid4()}/replay", headers=admin.headers)
    assert gone.status_code == 404


def test_only_dead_events_can_be_purged(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    wanted = {"conversation_id": conversation, "state": "processed"}

    answer = caller.http.delete(URL, params=wanted, headers=admin.headers)

    assert answer.json() == {"purged": 1}
    assert states(db, conversation) == ["processed", "processed"]


def command(stack: LocalStack, *arguments: str) -> CompletedProcess[str]:
    env = {**os.environ, **stack.env(), "COLUMNS": "200"}
    return convohooks(*arguments, env=env)


def test_command_line_does_the_same(
    stack: LocalStack, db: psycopg.Connection, conversation: str
) -> None:
    listed = command(stack, "events", "list", "--conversation", conversation, "--json")
    told = json.loads(listed.stdout)
    table = command(stack, "events", "list", "--conversation", conversation).stdout
    shown = command(stack, "events", "show", told[0]["id"]).stdout
    replayed = command(stack, "replay", told[0]["id"], "--json").stdout

    assert [event["state"] for event in told] == ["dead"]
    assert "ValueError: Odd Number" in table
    assert "line 2" in shown
    assert json.loads(replayed) == {"replayed": 1}
    assert states(db, conversation) == ["processed", "received", "processed"]


def test_command_line_shows_programs_all_of_an_event(
    stack: LocalStack, db: psycopg.Connection, conversation: str
) -> None:
    [dead] = rows(
        db,
        "select id::text from private.webhook_inbox where conversation_id = %s and state = 'dead'",
        conversation,
    )

    told = json.loads(command(stack, "events", "show", dead["id"], "--json").stdout)

    assert (told["id"], told["state"], told["attempts"]) == (dead["id"], "dead", 6)
    assert json.loads(told["body"])["properties"]["speech"] == "line 2"
    assert [(one["attempt"], one["error"]) for one in told["failures"]] == [
        (6, "Traceback …\nValueError: Odd Number")
    ]


def test_command_line_purges_after_asking(
    stack: LocalStack, db: psycopg.Connection, conversation: str
) -> None:
    unconfirmed = command(stack, "events", "purge", "--conversation", conversation)
    confirmed = command(stack, "events", "purge", "--conversation", conversation, "--yes")

    assert unconfirmed.returncode == 1
    assert confirmed.stdout == "1 purged.\n"
    assert states(db, conversation) == ["processed", "processed"]


def test_command_line_says_what_is_wrong(stack: LocalStack) -> None:
    wrong = command(stack, "events", "list", "--state", "gone")
    unknown = command(stack, "events", "show", str(uuid.uuid4()))

    assert (wrong.returncode, unknown.returncode) == (2, 1)
    assert "state" in wrong.stderr
    assert "There is no event" in unknown.stderr


def test_text_is_searched_for_in_bodies_in_any_case(
    caller: Caller, admin: Account, conversation: str
) -> None:
    ours = {"conversation_id": conversation}

    found = listed(caller, admin, **ours, text="LINE 2")

    assert [event["state"] for event in found["data"]] == ["dead"]
    assert (found["next"], found["searched_to"]) == (None, None)
    assert listed(caller, admin, **ours, text="%")["data"] == []
    assert listed(caller, admin, **ours, text="line 9")["data"] == []


def test_text_is_found_in_a_body_that_is_no_utf8(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    db.execute(
        "update private.webhook_inbox set body = %s where conversation_id = %s and state = 'dead'",
        [b"\xff\xfe needle \x00", conversation],
    )

    found = listed(caller, admin, conversation_id=conversation, text="NEEDLE")

    assert len(found["data"]) == 1


def test_a_search_says_where_it_stopped_and_goes_on_from_there(
    caller: Caller, admin: Account, db: psycopg.Connection
) -> None:
    conversation = new_conversation_id()
    db.execute(
        "insert into private.webhook_inbox (source, event_key, event_type, conversation_id, body,"
        " body_sha256, state) select 'tavus', %s || n, 'x', %s,"
        " case n when 1 then 'needle'::bytea else 'hay'::bytea end, '', 'ignored'"
        " from generate_series(1, 20005) n",
        [conversation, conversation],
    )
    wanted = {"conversation_id": conversation, "text": "needle"}

    first = listed(caller, admin, **wanted)
    second = listed(caller, admin, **wanted, before=first["next"])

    assert (first["data"], first["searched_to"] is not None) == ([], True)
    assert [event["event_type"] for event in second["data"]] == ["x"]
    assert (second["next"], second["searched_to"]) == (None, None)


def test_several_events_are_named_by_their_ids(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    ids = [event["id"] for event in listed(caller, admin, conversation_id=conversation)["data"]]

    found = listed(caller, admin, ids=",".join(ids[:2]))
    replayed = caller.http.post(f"{URL}/replay", json={"ids": ids}, headers=admin.headers)
    purged = caller.http.delete(URL, params={"ids": ",".join(ids)}, headers=admin.headers)

    assert [event["id"] for event in found["data"]] == ids[:2]
    assert replayed.json() == {"replayed": 1}, "only what is dead, unless another state is named"
    assert purged.json() == {"purged": 0}
    assert states(db, conversation) == ["processed", "received", "processed"]


@pytest.mark.parametrize("ids", ["", "x", f"{NOBODY},", ",".join([NOBODY] * 101)])
def test_ids_that_are_none_are_refused(caller: Caller, admin: Account, ids: str) -> None:
    answer = caller.http.get(URL, params={"ids": ids}, headers=admin.headers)

    assert answer.status_code == 400
    assert "ids" in answer.json()["detail"]


def test_a_filter_by_position_cannot_be_smuggled_in(caller: Caller, admin: Account) -> None:
    answer = caller.http.get(URL, params={"from_seq": "1"}, headers=admin.headers)

    assert answer.status_code == 400


def test_shown_event_tells_what_its_handler_writes(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    [dead] = listed(caller, admin, conversation_id=conversation, state="dead")["data"]
    [before] = rows(db, "select count(*) from public.conversation_messages")

    event = caller.http.get(f"{URL}/{dead['id']}", headers=admin.headers).json()

    assert event["effects_error"] is None
    assert [message["content"] for message in event["effects"]["messages"]] == ["line 2"]
    [shown] = event["effects"]["projections"]
    assert shown["event_type"] == "conversation.utterance"
    assert event["projection"]["event_data"] == shown["event_data"]
    assert rows(db, "select count(*) from public.conversation_messages") == [before]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("body = '[]'", "object"),
        ("source = 'nobody'", "No provider"),
        ("body = '', pruned_at = now()", "removed"),
    ],
)
def test_why_an_event_has_no_effects_is_told(
    caller: Caller,
    admin: Account,
    db: psycopg.Connection,
    conversation: str,
    change: str,
    told: str,
) -> None:
    [dead] = listed(caller, admin, conversation_id=conversation, state="dead")["data"]
    db.execute(f"update private.webhook_inbox set {change} where id = %s", [dead["id"]])  # type: ignore[call-overload]

    event = caller.http.get(f"{URL}/{dead['id']}", headers=admin.headers).json()

    assert event["effects"] is None
    assert told in event["effects_error"]


def test_event_is_found_by_the_row_that_browsers_see(
    caller: Caller, admin: Account, db: psycopg.Connection, conversation: str
) -> None:
    shown = rows(
        db,
        "select id, event_data from public.processed_webhook_events where conversation_id = %s",
        conversation,
    )

    found = [caller.http.get(f"{URL}/{row['id']}", headers=admin.headers).json() for row in shown]

    assert len({event["id"] for event in found}) == 3
    for row, event in zip(shown, found, strict=True):
        assert event["projection"]["id"] == str(row["id"])
        assert json.loads(event["body"])["conversation_id"] == conversation
