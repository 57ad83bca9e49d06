"""`convohooks erase`, where somebody made the rows that it finds so as to mislead it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from services.chores.storage import Storage
from services.cli import app
from services.database import Database
from services.erasure import subject as subjects
from services.erasure.removal import Erasure
from services.local.stack import LocalStack
from services.settings import Settings, load_settings
from tests.command import convohooks
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows
from tests.database.traces import traces
from tests.web.caller import SETTINGS
from tests.web.people import sign_up

Run = Callable[..., CompletedProcess[str]]

OWN = "desk"
"""A source of one's own."""
START: dict[str, Any] | None = {"place": 1, "after": None}
FIRST = "00000000-0000-4000-8000-00000000000"
"""With it begin ids that are looked at before all others."""


@pytest.fixture(autouse=True, scope="module")
def _leave_no_marks(stack: LocalStack) -> Iterator[None]:
    """The samples of other tests name the same people."""
    yield
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        db.execute("delete from private.erased")


@pytest.fixture(name="environment")
def _environment(stack: LocalStack) -> dict[str, str]:
    return {**os.environ, **stack.env(), **SETTINGS, "COLUMNS": "200"}


@pytest.fixture(name="run")
def _run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str) -> CompletedProcess[str]:
        return convohooks("erase", *arguments, env=environment, cwd=tmp_path)

    return run


@pytest.fixture(name="erasure")
def _erasure(environment: dict[str, str]) -> Any:
    settings = load_settings(environment)
    erasure = Erasure(database=Late(settings), storage=Storage(settings))
    yield erasure
    erasure.database.close()
    erasure.storage.close()


class Late(Database):
    """A database into which something comes when the first table has been looked through."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.coming: list[Callable[[], Any]] = []

    def call(self, function: str, arguments: Any) -> Any:
        answer = super().call(function, arguments)
        while function == "search_rows" and self.coming:
            self.coming.pop()()
        return answer


def address() -> str:
    return f"zoe.{secrets.token_hex(6)}@example.test"


def told(payload: object, **more: Any) -> dict[str, Any]:
    """Return an event with a body, of a source of one's own where nothing else is said."""
    body = json.dumps(payload, ensure_ascii=more.pop("ascii", True)).encode()
    wanted = {"source": OWN, "event_key": secrets.token_hex(8), **more}
    made = event(wanted.pop("conversation_id", None), "note", **wanted)
    return {
        **made,
        "projections": wanted.get(
            "projections", [{"event_type": made["event_type"], "event_data": payload}]
        ),
        "body": base64.b64encode(body).decode(),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }


def record(table: str, key: dict[str, str], **values: Any) -> dict[str, Any]:
    return {"records": [{"table": table, "key": key, "values": values, "rank": 1}]}


def booking(key: str, email: str, request: str) -> dict[str, Any]:
    made = record("bookings", {"booking_key": key}, invitee_email=email, request_key=request)
    payload = {"email": email, "uri": key, "utm_term": request}
    return told(payload, source="calendly", event_key=key, effects=made)


def invitee() -> str:
    return f"https://api.calendly.com/invitees/{uuid.uuid4()}"


def removed(done: CompletedProcess[str]) -> dict[str, int]:
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)["removed"]
    return counts


def bookings(db: psycopg.Connection, *keys: str) -> set[str]:
    found = rows(
        db, "select booking_key from public.bookings where booking_key = any(%s)", list(keys)
    )
    return {row["booking_key"] for row in found}


def put(db: psycopg.Connection, event_id: str, body: bytes) -> None:
    db.execute(
        "insert into private.webhook_inbox (id, source, event_key, event_type, body, body_sha256,"
        " state) values (%s, %s, gen_random_uuid(), 'x', %s, '', 'processed')",
        [event_id, OWN, body],
    )


def look(
    db: psycopg.Connection, text: str, at: dict[str, Any] | None
) -> tuple[list[str], dict[str, Any] | None]:
    """Return the ids that one call of the search finds, and where the next goes on."""
    assert at is not None
    asked = [text, at["place"], Jsonb(at["after"]), 600]
    answer = db.execute("select public.search_rows(%s, %s, %s, %s)", asked).fetchone()
    assert answer is not None
    return [one["row"]["id"] for one in answer[0]["rows"]], answer[0]["next"]


def test_who_books_with_another_s_request_takes_nothing_of_theirs_along(
    db: psycopg.Connection, run: Run
) -> None:
    request, hers, his, later = f"request:{uuid.uuid4()}", invitee(), invitee(), invitee()
    her_address, his_address = address(), address()
    db.execute(
        "insert into public.bookings (booking_key, status, invitee_email)"
        " values (%s, 'requested', %s)",
        [request, her_address],
    )
    receive(db, booking(hers, her_address, request), booking(his, his_address, request))

    removed(run("--email", his_address, "--yes", "--json"))
    [next_one] = receive(db, booking(later, her_address, request))

    assert bookings(db, request, hers, his, later) == {request, hers, later}
    assert next_one["state"] == "processed"
    assert traces(db, his_address) == {}

    removed(run("--email", her_address, "--yes", "--json"))

    assert bookings(db, request, hers, later) == set()


def test_a_person_s_own_booking_and_request_do_not_take_another_s_booking_along(
    db: psycopg.Connection, run: Run
) -> None:
    request, hers, his = f"request:{uuid.uuid4()}", invitee(), invitee()
    her_address, his_address = address(), address()
    receive(db, booking(hers, her_address, request), booking(his, his_address, request))

    removed(run("--email", her_address, "--yes", "--json"))

    assert bookings(db, hers, his) == {his}
    assert traces(db, his_address) != {}


def test_a_customer_of_two_people_is_forgotten_for_one_of_them(
    db: psycopg.Connection, run: Run
) -> None:
    customer = "cus_" + secrets.token_hex(8)
    people = {address(): "cs_" + secrets.token_hex(10) for _ in range(2)}
    subscription = "sub_" + secrets.token_hex(10)
    paid = [
        told(
            {"customer": customer, "email": email, "id": key},
            source="stripe",
            effects=record("payments", {"stripe_id": key}, customer=customer, customer_email=email),
        )
        for email, key in people.items()
    ]
    nameless = record("payments", {"stripe_id": subscription}, customer=customer)
    receive(db, *paid, told({"customer": customer}, source="stripe", effects=nameless))
    [gone, _] = people

    removed(run("--email", gone, "--yes", "--json"))

    left = rows(db, "select stripe_id from public.payments where customer = %s", customer)
    assert [row["stripe_id"] for row in left] == [key for who, key in people.items() if who != gone]


@pytest.mark.parametrize("source", ["tavus", OWN])
def test_a_conversation_called_by_a_word_takes_nothing_that_says_the_word(
    db: psycopg.Connection, run: Run, source: str
) -> None:
    word, mail = f"word{secrets.token_hex(2)}", address()
    receive(db, *(told({"text": f"Pay the {word}", "n": n}) for n in range(3)))
    [other] = receive(db, told({"text": "mine"}, conversation_id=word, source="others"))
    receive(db, told({"text": f"I am {mail}"}, conversation_id=word, source=source))

    counts = removed(run("--email", mail, "--yes", "--json"))
    [late, elsewhere] = receive(
        db,
        told({"text": "late"}, conversation_id=word, source=source),
        told({"text": "late"}, conversation_id=word, source="others"),
    )

    assert traces(db, mail) == {}
    assert late["state"] == "ignored"
    said = rows(
        db, "select 1 from public.processed_webhook_events where event_data->>'text' = %s",
        f"Pay the {word}",
    )  # fmt: skip
    assert len(said) == 3
    if source == OWN:
        assert counts == {"private.webhook_inbox": 1, "public.processed_webhook_events": 1}
        assert elsewhere["state"] == other["state"]
        assert elsewhere["state"] != "ignored"


def test_the_preview_says_which_conversations_go_and_whose_they_are(
    db: psycopg.Connection, run: Run, stack: LocalStack
) -> None:
    mail, account, mine = address(), sign_up(stack), new_conversation_id()
    ref = make_conversation(db, mine, user_id=account.id)
    receive(db, told({"text": mail}, conversation_id=mine, source="tavus"))
    receive(db, told({"text": mail}, conversation_id="lobby", source=OWN))

    done = run("--email", mail, "--dry-run", "--json")
    shown = run("--email", mail, "--dry-run").stdout

    assert json.loads(done.stdout)["conversations"] == [
        {"conversation_id": mine, "ref": ref, "user_id": account.id},
        {"conversation_id": "lobby", "source": OWN, "user_id": None},
    ]
    assert account.id in shown
    assert "lobby" in shown


def test_a_mark_can_be_lifted(db: psycopg.Connection, run: Run) -> None:
    name = new_conversation_id()
    receive(db, told({"text": "before"}, conversation_id=name))
    removed(run("--conversation", name, "--yes", "--json"))
    late = told({"text": "late"}, conversation_id=name, event_key=f"{name}:late")
    assert receive(db, late)[0]["state"] == "ignored"

    done = run("--lift", name)

    assert done.returncode == 0
    assert receive(db, late)[0]["state"] == "unmatched"
    assert run("--lift", name).returncode == 1
    assert run("--lift", name, "--email", address()).returncode == 2


def test_programs_are_told_how_many_marks_were_lifted(run: Run) -> None:
    name = new_conversation_id()
    removed(run("--conversation", name, "--yes", "--json"))

    done = run("--lift", name, "--json")

    assert json.loads(done.stdout) == {"lifted": 1}


def test_what_source_named_a_conversation_can_be_lifted_too(
    db: psycopg.Connection, run: Run
) -> None:
    mail, word = address(), f"word{secrets.token_hex(2)}"
    receive(db, told({"text": mail}, conversation_id=word))
    removed(run("--email", mail, "--yes", "--json"))

    assert run("--lift", word).returncode == 0
    assert receive(db, told({"text": "late"}, conversation_id=word))[0]["state"] == "unmatched"


def test_what_is_old_and_has_lost_its_body_is_found_by_its_key_and_its_error(
    db: psycopg.Connection, run: Run
) -> None:
    mail = address()
    old = {"received_at": "2020-01-01T00:00:00+00:00"}
    receive(db, told({"n": 1}, event_key=f"user:{mail}", **old))
    [other] = receive(db, told({"n": 2}, **old))
    db.execute(
        "update private.webhook_inbox set last_error = %s where id = %s", [mail, other["id"]]
    )
    db.execute("select public.prune(90, 365, 10000)")
    assert set(traces(db, mail)) == {"private.webhook_inbox.event_key"}
    db.execute(
        "update private.webhook_inbox set last_error = %s where id = %s", [mail, other["id"]]
    )

    counts = removed(run("--email", mail, "--yes", "--json"))

    assert counts["private.webhook_inbox"] == 2
    assert traces(db, mail) == {}


def test_an_erased_row_whose_key_names_somebody_else_is_found_for_them(
    db: psycopg.Connection, run: Run
) -> None:
    name, mail = new_conversation_id(), address()
    receive(db, told({"n": 1}, event_key=f"user:{mail}", conversation_id=name))
    removed(run("--conversation", name, "--yes", "--json"))
    assert traces(db, mail) != {}

    removed(run("--email", mail, "--yes", "--json"))

    assert traces(db, mail) == {}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_address_of_another_alphabet_is_found_in_the_inbox(
    db: psycopg.Connection, run: Run, ascii_only: bool
) -> None:
    mail = f"ада.лавлейс{secrets.token_hex(3)}ñéü@example.test"
    receive(db, told({"email": mail}, projections=[], ascii=ascii_only))

    assert removed(run("--email", mail, "--yes", "--json"))["private.webhook_inbox"] == 1


def test_a_number_that_is_a_json_number_is_found_in_the_inbox(
    db: psycopg.Connection, run: Run
) -> None:
    digits = f"1555{secrets.randbelow(10**7):07}"
    receive(db, told({"phone": int(digits)}))

    removed(run("--phone", f"+{digits}", "--yes", "--json"))

    assert traces(db, digits) == {}


def test_large_bodies_are_given_out_few_at_a_time(db: psycopg.Connection) -> None:
    mail, answers, at = address(), [], START
    large = b"".join((b'{"who": "', mail.encode(), b'", "x": "', 3_000_000 * b"x", b'"}'))
    for n in range(6):
        put(db, f"{FIRST}{n}", large)

    while at and at["place"] == 1:
        found, at = look(db, mail, at)
        answers.append(len(found))

    db.execute("delete from private.webhook_inbox where id::text like %s", [f"{FIRST}%"])
    assert sum(answers) == 6
    assert max(answers) <= 2


def test_the_time_is_looked_at_after_each_large_body(db: psycopg.Connection) -> None:
    for n in range(3):
        put(db, f"{FIRST}{n}", 1_500_000 * b"x")

    [step] = db.execute(
        "select private.search_query('private.webhook_inbox', null)"
    ).fetchone() or [""]
    [looked] = db.execute(step.replace("$1", "'nobody'")).fetchone() or [None]

    db.execute("delete from private.webhook_inbox where id::text like %s", [f"{FIRST}%"])
    assert looked == {"rows": [], "last": [f"{FIRST}0"]}


def test_a_row_that_is_rewritten_while_it_is_looked_for_is_found(db: psycopg.Connection) -> None:
    mail, large, moved = address(), f"{FIRST}0", "ffffffff-ffff-4fff-8fff-ffffffffffff"
    put(db, large, mail.encode() + os.urandom(2_500_000).hex().encode())
    put(db, moved, mail.encode())
    first, at = look(db, mail, START)

    db.execute("delete from private.webhook_inbox where id = %s", [large])
    db.execute("vacuum private.webhook_inbox")
    db.execute("update private.webhook_inbox set attempts = 7 where id = %s", [moved])
    second, _ = look(db, mail, at)

    db.execute("delete from private.webhook_inbox where id = %s", [moved])
    assert (first, second) == ([large], [moved])


def test_it_looks_again_where_it_found_nothing(db: psycopg.Connection, erasure: Erasure) -> None:
    mail = address()
    come = told({"email": mail}, projections=[])
    assert isinstance(erasure.database, Late)
    erasure.database.coming = [lambda: receive(db, come)]

    plan, found = erasure.look(subjects.email(mail))

    assert found.counts == {"private.webhook_inbox": 1}
    assert len(plan.items) == 1


def test_a_type_a_path_and_a_late_key_that_name_somebody_are_overwritten(
    db: psycopg.Connection, run: Run
) -> None:
    mail, name = address(), f"room-{secrets.token_hex(8)}"
    receive(db, told({"n": 1}, event_type=f"contact:{mail}", projections=[]))
    receive(db, told({"n": 2}, path=f"/api/webhooks/{mail}", projections=[]))
    receive(db, told({"email": mail}, conversation_id=name))
    removed(run("--email", mail, "--yes", "--json"))
    late = told({"n": 3}, event_key=f"user:{mail}", event_type=f"note:{mail}", conversation_id=name)

    first, second = receive(db, late)[0], receive(db, late)[0]

    assert (first["state"], second["outcome"]) == ("ignored", "duplicate")
    assert traces(db, mail) == {}


def test_who_is_named_in_no_conversation_is_told_of_without_one(
    db: psycopg.Connection, run: Run
) -> None:
    mail = address()
    receive(db, told({"email": mail}, projections=[]))

    found = run("--email", mail, "--dry-run").stdout
    gone = run("--email", mail, "--yes").stdout
    nothing = run("--email", mail, "--dry-run").stdout

    assert found.startswith("This would be removed.\n")
    assert "This was removed.\n" in gone
    assert f"Nothing of {mail} is kept here.\n" in nothing
    for shown in (found, gone):
        assert "private.webhook_inbox" in shown
        assert "our row" not in shown
    once_more = "What is on its way this moment: run this once more in a minute."
    assert [once_more in shown for shown in (found, gone, nothing)] == [False, True, False]


def test_folders_that_are_left_are_told_of(
    db: psycopg.Connection, run: Run, environment: dict[str, str]
) -> None:
    name = new_conversation_id()
    make_conversation(db, name)
    db.execute(
        "insert into private.recording_copies (conversation_id, source_url, tries, claim_id)"
        " values (%s, 'https://example.test/1.mp4', 1, gen_random_uuid())",
        [name],
    )

    shown = run("--conversation", name, "--yes").stdout

    db.execute("delete from private.erased_files")
    assert "- Folders of Storage (1): a worker empties them as soon as it can.\n" in shown


def test_endpoints_that_name_somebody_are_told_of(
    db: psycopg.Connection, run: Run, stack: LocalStack
) -> None:
    mail, account = address(), sign_up(stack)
    [made] = rows(
        db,
        "insert into public.webhook_endpoints (user_id, url, description)"
        " values (%s, 'https://hear.example.test', %s) returning id",
        account.id,
        f"for {mail}",
    )

    done = run("--email", mail, "--dry-run", "--json")

    assert any(str(made["id"]) in line for line in json.loads(done.stdout)["unreached"])


def test_an_unknown_conversation_is_marked_only_after_a_yes(
    db: psycopg.Connection, environment: dict[str, str]
) -> None:
    name = new_conversation_id()
    arguments = ["erase", "--conversation", name]

    refused = CliRunner().invoke(app, arguments, env=environment, input="n\n")
    [before] = receive(db, told({"n": 1}, conversation_id=name))

    assert refused.exit_code == 1
    assert f"Nothing of {name} is kept here." in refused.stdout
    assert "ignored for ever" in refused.stdout
    assert before["state"] == "unmatched"


def test_ids_cannot_steer_the_terminal(db: psycopg.Connection, run: Run) -> None:
    mail, name = address(), "c\x1b]0;PWNED\x07\x9b2J\u202e" + secrets.token_hex(4)
    receive(db, told({"text": mail}, conversation_id=name))

    shown = run("--email", mail, "--dry-run").stdout

    assert not set(shown) & set("\x1b\x07\x9b\u202e")
    assert r"c\x1b]0;PWNED\x07\x9b2J\u202e" in shown
