"""`convohooks erase`: a person of every sender is removed, and nothing brings them back."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import CompletedProcess
from threading import Event
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from services.chores.storage import Storage
from services.cli import app
from services.database import Database
from services.erasure import subject as erasure_subject
from services.erasure.places import PLACES
from services.erasure.removal import Erasure
from services.local.stack import LocalStack
from services.outage import mounts
from services.outage.spool import Spool
from services.provider import Call, Provider
from services.providers import providers
from services.sending import call_of, renewed, sample, sample_names
from services.settings import Settings, load_settings
from services.wiring.worker import wire_worker
from tests.command import convohooks
from tests.database.events import event, make_conversation, new_conversation_id, receive, rows
from tests.database.traces import columns, everything, traces
from tests.storage_fake import FakeStorage, Stored, fake_storage
from tests.web.caller import SETTINGS
from tests.web.people import sign_up

Run = Callable[..., CompletedProcess[str]]

OURS = "+15550000001"
"""The number that is called in the samples."""
UNTOUCHED = (
    "private.erased",
    "private.erasures",
    "private.process_reports",
    "private.webhook_minutes",
    "private.readiness",
)


@dataclass(slots=True)
class Person:
    """Somebody made up, and every call that senders made about them."""

    name: str = field(default_factory=lambda: "Zoe" + secrets.token_hex(4))
    email: str = field(default_factory=lambda: f"zoe.{secrets.token_hex(4)}+calls@example.test")
    phone: str = field(default_factory=lambda: f"+1555{secrets.randbelow(10**7):07}")
    calls: list[Call] = field(default_factory=list)
    conversation: str = ""
    row_id: str = ""

    @property
    def strings(self) -> tuple[str, ...]:
        return (self.name, self.email, self.phone, self.phone[1:])

    def about(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return a sample's payload as one about this person."""
        text = json.dumps(payload)
        for old, new in {
            "ada@example.test": self.email,
            "+15550000002": self.phone,
            "Ada": self.name,
        }.items():
            text = text.replace(old, new)
        told: dict[str, Any] = json.loads(text)
        return told


@pytest.fixture(autouse=True, scope="module")
def _leave_no_marks(stack: LocalStack) -> Iterator[None]:
    """The samples of other tests name the same people."""
    yield
    with psycopg.connect(stack.database_url, autocommit=True) as db:
        db.execute("delete from private.erased")


@pytest.fixture(name="environment")
def _environment(stack: LocalStack) -> dict[str, str]:
    return {**os.environ, **stack.env(), **SETTINGS, "COLUMNS": "200"}


@pytest.fixture(name="settings")
def _settings(environment: dict[str, str]) -> Settings:
    return load_settings(environment)


@pytest.fixture(name="run")
def _run(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: str, **more: str) -> CompletedProcess[str]:
        return convohooks("erase", *arguments, env={**environment, **more}, cwd=tmp_path)

    return run


@pytest.fixture(name="send")
def _send(service_url: str) -> Iterator[Callable[[Call], httpx.Response]]:
    """Make a call at the service of these tests, which is signed for its public address."""
    with httpx.Client(timeout=30) as http:

        def send(call: Call) -> httpx.Response:
            url = call.url.replace(SETTINGS["PUBLIC_BASE_URL"], service_url)
            answer = http.post(url, content=call.body, headers=dict(call.headers))
            assert answer.status_code == 200, answer.text
            return answer

        yield send


def sender(settings: Settings, name: str) -> Provider:
    return next(provider for provider in providers(settings) if provider.name == name)


def told(settings: Settings, person: Person, name: str, samples: list[str]) -> None:
    """Note a sender's calls about a person, all of one story: they share their new ids."""
    provider = sender(settings, name)
    payloads = [sample(provider, one) for one in samples]
    fresh = renewed(provider, {"all": payloads})  # type: ignore[dict-item]
    for one, payload in zip(samples, fresh["all"], strict=True):  # type: ignore[arg-type]
        call = call_of(provider, one, person.about(payload), settings)  # type: ignore[arg-type]
        person.calls.append(call)


@pytest.fixture(name="person")
def _person(
    stack: LocalStack, db: psycopg.Connection, settings: Settings, send: Callable[[Call], Any]
) -> Person:
    """A whole person: a call with every sender, a signed-in account, deliveries to a customer."""
    person = Person()
    account = sign_up(stack)
    db.execute(
        "insert into public.webhook_endpoints (user_id, url) values (%s, 'https://hear.example.test')",
        [account.id],
    )
    everything_of_tavus = [
        name
        for name in sample_names(sender(settings, "tavus"))
        if name.startswith(("application", "conversation", "canvas", "system"))
    ]
    told(settings, person, "tavus", everything_of_tavus)
    person.conversation = json.loads(person.calls[0].body)["conversation_id"]
    person.row_id = make_conversation(
        db, person.conversation, user_id=account.id, conversation_name=f"With {person.name}"
    )
    for name in ("twilio", "calendly", "stripe", "messages"):
        # Two of them name a person by the name alone, which finds nobody.
        named = [one for one in sample_names(sender(settings, name)) if "-phone_id" not in one]
        told(settings, person, name, named)
    for call in person.calls:
        send(call)
    return person


def removed(done: CompletedProcess[str]) -> dict[str, int]:
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)["removed"]
    return counts


def test_a_person_of_every_sender_is_gone_and_stays_away(
    db: psycopg.Connection, run: Run, person: Person, send: Callable[[Call], Any]
) -> None:
    assert len(traces(db, *person.strings)) > 15

    by_mail = removed(run("--email", person.email.upper(), "--yes", "--json"))
    by_phone = removed(run("--phone", f"whatsapp:{person.phone}", "--yes", "--json"))
    by_id = removed(run("--conversation", person.conversation, "--yes", "--json"))

    assert {"public.bookings", "public.payments", "public.qualification_data"} <= by_mail.keys()
    assert {"public.calls", "public.sms_messages", "public.call_recordings"} <= by_phone.keys()
    assert {"public.conversations", "public.webhook_deliveries"} <= by_id.keys()
    assert traces(db, *person.strings) == {}
    for call in person.calls:
        send(call)
    assert traces(db, *person.strings) == {}
    # Keys stay: by them a repeat is known.
    assert traces(db, person.conversation).keys() <= {"private.webhook_inbox.event_key"}
    assert traces(db, person.row_id) == {}


def test_what_is_new_of_an_erased_conversation_is_ignored_without_its_body(
    db: psycopg.Connection, run: Run, environment: dict[str, str]
) -> None:
    conversation_id, word = new_conversation_id(), "Zoe" + secrets.token_hex(4)
    make_conversation(db, conversation_id)
    receive(db, said(conversation_id, "before", word))
    removed(run("--conversation", conversation_id, "--yes", "--json"))

    late = said(conversation_id, "late", word)
    deferred = said(conversation_id, "deferred", word, state="received")
    failed = said(conversation_id, "failed", word, state="failed", error=f"for {word}")
    answers = receive(db, late, deferred, failed)
    # Somebody makes the conversation's row anew: nothing waits to be adopted.
    make_conversation(db, conversation_id)

    assert [answer["state"] for answer in answers] == ["ignored"] * 3
    assert receive(db, late)[0]["outcome"] == "duplicate"
    assert traces(db, word) == {}
    assert rows(
        db,
        "select count(*) n from public.conversation_messages where conversation_id = %s",
        conversation_id,
    ) == [{"n": 0}]


def test_what_a_worker_has_in_hand_meanwhile_brings_nothing_back(
    db: psycopg.Connection, run: Run, settings: Settings
) -> None:
    conversation_id, word = new_conversation_id(), "Zoe" + secrets.token_hex(4)
    make_conversation(db, conversation_id)
    stored = receive(db, said(conversation_id, "retried", word, state="failed", error=word))[0]
    claim = "11111111-1111-4111-8111-111111111111"
    db.execute(
        "update private.webhook_inbox set claim_id = %s where id = %s",
        [claim, stored["id"]],
    )

    removed(run("--conversation", conversation_id, "--yes", "--json"))
    done = db.execute(
        "select public.finish_events(%s, %s)",
        [claim, Jsonb([{"id": stored["id"], "state": "processed", "effects": message(word)}])],
    ).fetchone()

    assert done is not None
    assert done[0][0]["outcome"] == "lost"
    assert traces(db, word) == {}


def test_records_of_an_erased_call_that_only_a_worker_understands_stay_away(
    db: psycopg.Connection, run: Run
) -> None:
    number, sid = Person().phone, "CA" + secrets.token_hex(16)
    receive(db, call_of_phone(sid, number))
    removed(run("--phone", number, "--yes", "--json"))

    later = {"source": "twilio", "event_key": f"{sid}:transcription"}
    text = record(
        "call_transcriptions", {"transcription_key": "TR" + sid}, {"call_sid": sid, "text": number}
    )
    [deferred] = receive(
        db, event(None, "transcription", **later, state="received", projections=[])
    )
    claim = "22222222-2222-4222-8222-222222222222"
    db.execute(
        "update private.webhook_inbox set claim_id = %s where id = %s", [claim, deferred["id"]]
    )
    done = db.execute(
        "select public.finish_events(%s, %s)",
        [
            claim,
            Jsonb([{"id": deferred["id"], "state": "processed", "effects": {"records": [text]}}]),
        ],
    ).fetchone()

    assert done is not None
    assert done[0][0]["outcome"] == "ignored"
    assert traces(db, number) == {}
    assert rows(db, "select call_sid from public.calls where call_sid = %s", sid) == []


def test_a_tool_that_is_called_late_leaves_no_answer(db: psycopg.Connection, run: Run) -> None:
    conversation_id, word = new_conversation_id(), "Zoe" + secrets.token_hex(4)
    make_conversation(db, conversation_id)
    call = {"conversation_id": conversation_id, "tool_call_id": "t1", "claim": str(uuid.uuid4())}
    wanted = {
        **call,
        "acts_outside": False,
        "lease_seconds": 5,
        "source": "tavus",
        "event_key": "k",
    }
    db.execute("select public.claim_tool_run(%s)", [Jsonb(wanted)])

    removed(run("--conversation", conversation_id, "--yes", "--json"))
    done = db.execute(
        "select public.finish_tool_run(%s, %s)",
        [Jsonb({**call, "answer": f"Hello {word}"}), Jsonb(said(conversation_id, "tool", word))],
    ).fetchone()

    assert done is not None
    assert done[0]["answer"] == f"Hello {word}"
    assert traces(db, word) == {}
    assert (
        rows(db, "select 1 from private.tool_runs where conversation_id = %s", conversation_id)
        == []
    )


def test_events_that_come_while_it_is_erased_are_gone_too(
    db: psycopg.Connection, stack: LocalStack, run: Run
) -> None:
    conversation_id, word, stop = new_conversation_id(), "Zoe" + secrets.token_hex(4), Event()
    make_conversation(db, conversation_id)

    def talk() -> int:
        sent = 0
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            while not stop.is_set():
                receive(connection, said(conversation_id, secrets.token_hex(6), word))
                sent += 1
        return sent

    with ThreadPoolExecutor(3) as talkers:
        talking = [talkers.submit(talk) for _ in range(3)]
        try:
            removed(run("--conversation", conversation_id, "--yes", "--json"))
        finally:
            stop.set()

    assert min(future.result() for future in talking) > 1
    assert traces(db, word) == {}


def test_what_arrives_between_search_and_erasing_is_found_by_the_names_of_what_went(
    db: psycopg.Connection, settings: Settings
) -> None:
    number, sid = Person().phone, "CA" + secrets.token_hex(16)
    receive(db, call_of_phone(sid, number))
    with fake_storage(settings.supabase_secret_key) as storage:
        erasure = erasure_at(storage, settings)
        subject = erasure_subject.phone(number)
        plan, _ = erasure.preview(subject)
        # It names the call, and nobody.
        text = record("call_transcriptions", {"transcription_key": "T" + sid}, {"call_sid": sid})
        receive(
            db, event(None, f"t:{sid}", source="twilio", event_key=sid, effects={"records": [text]})
        )

        report = erasure.erase(subject, plan)
        close(erasure)

    assert report.counts["public.call_transcriptions"] == 1
    assert set(traces(db, sid)) <= {"private.webhook_inbox.event_key"}


def test_look_alikes_stay_untouched(db: psycopg.Connection, run: Run) -> None:
    base = f"1555{secrets.randbelow(10**5):05}"
    address = f"{secrets.token_hex(4)}@example.test"
    others = [f"+{base}2", f"+{base}20", f"+9{base}", f"+{base[:-1]}", f"{base}7"]
    like = [
        f"x.{address}",
        f"{address}.evil.test",
        address.replace("@", "+tag@"),
        f"o'{address}",
        f"{address}er",
    ]
    for number in others:
        receive(db, call_of_phone("CA" + secrets.token_hex(16), number))
    for other in like:
        conversation_id = new_conversation_id()
        make_conversation(db, conversation_id)
        receive(db, said(conversation_id, "line", f"Write to {other}, please."))
    before = everything(db, *UNTOUCHED)

    nobody = run("--phone", f"+{base}", "--yes", "--json")
    no_one = run("--email", address, "--yes", "--json")

    assert removed(nobody) == removed(no_one) == {}
    assert everything(db, *UNTOUCHED) == before


@pytest.mark.parametrize(
    "written",
    [
        "Call +1 (555) {a}-{b}.",
        "tel:+1-555-{a}-{b}",
        "001 555 {a} {b}",
        '{{"nested": "{{\\"phone\\": \\"+1555{a}{b}\\"}}"}}',
        "https://x.example.test/?From=%2B1555{a}{b}&x=1",
        "1555{a}{b}",
        "line\n+1555{a}{b}\n",
    ],
)
def test_a_number_is_found_however_it_is_written(
    db: psycopg.Connection, run: Run, written: str
) -> None:
    a, b = f"{secrets.randbelow(1000):03}", f"{secrets.randbelow(10**4):04}"
    conversation_id = new_conversation_id()
    make_conversation(db, conversation_id)
    receive(db, said(conversation_id, "line", written.format(a=a, b=b)))

    counts = removed(run("--phone", f"+1555{a}{b}", "--yes", "--json"))

    assert counts["public.conversations"] == 1
    assert (
        rows(db, "select 1 from public.conversations where conversation_id = %s", conversation_id)
        == []
    )


@pytest.mark.parametrize(
    ("written", "encoding"),
    [
        ('{{"said": "Call +1\\u2011555\\u2011{a}\\u2011{b}, or {email}."', "utf-8"),
        ("Body=Call+%2B1+%28555%29+{a}-{b}&Email={quoted}", "utf-8"),
        ("caf\udce9: +1\u00a0555\u00a0{a}\u00a0{b}, {email}", "utf-8"),
        ('{{"said": "Call +1 555 {a} {b}, or {email}."}}', "utf-16-le"),
    ],
)
def test_who_is_named_in_a_body_that_nobody_could_read_is_found(
    db: psycopg.Connection, settings: Settings, written: str, encoding: str
) -> None:
    person = Person()
    a, b = person.phone[5:8], person.phone[8:]
    text = written.format(a=a, b=b, email=person.email, quoted=quote(person.email))
    body = text.encode(encoding, "surrogateescape")
    unreadable = {
        "rejected": "The body is not JSON.",
        "body": base64.b64encode(body).decode(),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    receive(db, event(None, "?", **unreadable))
    with fake_storage(settings.supabase_secret_key) as storage:
        erasure = erasure_at(storage, settings)

        _, of_number = erasure.preview(erasure_subject.phone(person.phone))
        _, of_address = erasure.preview(erasure_subject.email(person.email))
        close(erasure)

    assert of_number.counts == of_address.counts == {"private.rejected_events": 1}


def test_a_conversation_is_found_by_its_row_s_id_in_capitals(
    db: psycopg.Connection, run: Run
) -> None:
    conversation_id = new_conversation_id()
    row_id = make_conversation(db, conversation_id)

    counts = removed(run("--conversation", row_id.upper(), "--yes", "--json"))

    assert counts["public.conversations"] == 1
    assert rows(db, "select 1 from public.conversations where id = %s", row_id) == []


def test_a_dry_run_tells_the_same_and_changes_nothing(
    db: psycopg.Connection, run: Run, person: Person
) -> None:
    of_others = (
        "private.process_reports",
        "private.webhook_minutes",
        "private.readiness",
        # What it has counted and takes back is noted there, so that it is no load of Realtime's.
        "private.realtime_reading",
    )
    before = everything(db, *of_others)

    dry = removed(run("--email", person.email, "--dry-run", "--json"))

    assert everything(db, *of_others) == before
    assert removed(run("--email", person.email, "--yes", "--json")) == dry


def test_it_asks_first_and_a_no_changes_nothing(
    db: psycopg.Connection, run: Run, environment: dict[str, str]
) -> None:
    conversation_id = new_conversation_id()
    make_conversation(db, conversation_id)

    done = CliRunner().invoke(
        app, ["erase", "--conversation", conversation_id], env=environment, input="n\n"
    )

    assert done.exit_code == 1
    assert "public.conversations" in done.stdout
    assert "Nothing was changed." in done.stderr
    assert (
        len(
            rows(
                db, "select 1 from public.conversations where conversation_id = %s", conversation_id
            )
        )
        == 1
    )


def test_a_killed_run_is_completed_by_the_next_one(
    db: psycopg.Connection, run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, sids = Person().phone, ["CA" + secrets.token_hex(16) for _ in range(3)]
    for sid in sids:
        receive(db, call_of_phone(sid, number))
        later = record(
            "call_transcriptions",
            {"transcription_key": "TR" + sid},
            {"call_sid": sid, "text": "Hello."},
        )
        receive(
            db,
            event(
                None,
                f"transcription:{sid}",
                event_key=f"{sid}:t",
                source="twilio",
                effects={"records": [later]},
            ),
        )
    monkeypatch.setattr(Erasure, "finish", killed_after_one_step)
    with pytest.raises(Killed):
        run("--phone", number, "--yes", "--json")
    assert traces(db, *sids) != {}
    monkeypatch.undo()

    removed(run("--conversation", new_conversation_id(), "--yes", "--json"))

    assert set(traces(db, number, *sids)) <= {"private.webhook_inbox.event_key"}
    assert rows(db, "select 1 from private.erasure_items") == []


def test_a_worker_completes_it_too(db: psycopg.Connection, settings: Settings) -> None:
    conversation_id = new_conversation_id()
    make_conversation(db, conversation_id)
    item = {"kind": "conversation", "conversation_id": conversation_id}
    db.execute("select public.begin_erasure(%s, '[]')", [Jsonb([item])])

    worker = wire_worker(settings)
    next(chore for chore in worker.chores if chore.name == "erasures").work()
    worker.database.close()

    assert (
        rows(db, "select 1 from public.conversations where conversation_id = %s", conversation_id)
        == []
    )
    assert rows(db, "select 1 from private.erasures where finished_at is null") == []


def test_copies_in_storage_go_even_if_storage_is_away_at_first(
    db: psycopg.Connection, settings: Settings
) -> None:
    conversation_id = new_conversation_id()
    row_id = make_conversation(db, conversation_id)
    mine, other = f"recordings/{row_id}/abc.mp4", "recordings/other/abc.mp4"
    db.execute(
        "insert into private.recording_copies (conversation_id, source_url, state, tries,"
        " copied_url) values (%s, 'https://example.test/1.mp4', 'copied', 1, %s)",
        [conversation_id, f"https://x.test/storage/v1/object/authenticated/{mine}"],
    )
    subject = erasure_subject.conversation(conversation_id)
    with fake_storage(settings.supabase_secret_key, "recordings") as storage:
        storage.files = {path: Stored(1, "", "video/mp4") for path in (mine, other)}
        storage.refusals = [(500, {"statusCode": "500", "error": "Internal", "message": "away"})]
        erasure = erasure_at(storage, settings)
        report = erasure.erase(subject, erasure.preview(subject)[0])

        assert report.files_left == 1
        assert mine in storage.files
        db.execute("update private.erased_files set due_at = now()")
        assert not erasure.work()
        assert storage.files.keys() == {other}
        close(erasure)
    assert rows(db, "select 1 from private.erased_files") == []


def test_a_copy_on_its_way_is_removed_when_it_has_arrived(
    db: psycopg.Connection, settings: Settings
) -> None:
    conversation_id = new_conversation_id()
    row_id = make_conversation(db, conversation_id)
    db.execute(
        "insert into private.recording_copies (conversation_id, source_url, tries, claim_id)"
        " values (%s, 'https://example.test/1.mp4', 1, gen_random_uuid())",
        [conversation_id],
    )
    subject = erasure_subject.conversation(conversation_id)
    with fake_storage(settings.supabase_secret_key, "recordings") as storage:
        erasure = replace(erasure_at(storage, settings), bucket="recordings")
        report = erasure.erase(subject, erasure.preview(subject)[0])
        assert report.files_left == 1
        storage.files[f"recordings/{row_id}/late.mp4"] = Stored(1, "", "video/mp4")

        db.execute("update private.erased_files set due_at = now(), settles_at = now()")
        erasure.work()

        assert storage.files == {}
        close(erasure)


def test_the_spool_of_this_host_is_searched_too(
    db: psycopg.Connection, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    address, path = Person().email, tmp_path / "spool.db"
    spool = Spool(path)
    theirs = said(new_conversation_id(), "line", f"I am {address}")
    kept = said(new_conversation_id(), "line", f"I am x{address}")
    for row in (theirs, kept, theirs):
        spool.put(row)
    spool.set_aside(3, "would not be stored")

    counts = removed(run("--email", address, "--yes", "--json", SPOOL_PATH=str(path)))

    assert counts == {"this host's spool": 2}
    assert [one.row for one in spool.take(10, 10**6)] == [kept]
    assert spool.count().unsendable == 0
    spool.close()
    assert theirs["body"].encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


# What holds no person: settings, claims, counts, names of things, and the owners' own set-up.
NOBODY = {
    *("clock_jumps", "conversation_calls", "delivery_queue", "delivery_slots", "demo_videos"),
    *("endpoint_headers", "endpoint_secrets", "endpoint_state"),
    *("phone_numbers", "process_reports", "profiles"),
    *("readiness", "record_facts", "record_tables", "scenarios", "webhook_minutes"),
    *("alert_signs", "alert_watch", "incident_notices", "incidents"),
    *("realtime_minutes", "realtime_reading"),
    *("erased", "erased_files", "erasure_items", "erasures", "webhook_endpoints"),
}
# Erased with their conversation, and never apart from it.
WITH_ITS_CONVERSATION = {"message_annotations"}


def test_every_table_is_searched_or_holds_nobody(db: psycopg.Connection) -> None:
    tables = {table.removeprefix("public.") for table, _, _ in columns(db)}
    searched = {place.removeprefix("public.") for place in PLACES}
    others = {f"private.{name}" for name in NOBODY | WITH_ITS_CONVERSATION} | NOBODY

    assert sorted(tables - searched - others) == []
    [answer] = rows(db, "select private.searched_places() as places")
    assert answer["places"] == list(PLACES)


def test_a_number_of_ours_is_refused(db: psycopg.Connection, run: Run) -> None:
    number = Person().phone
    db.execute("insert into public.phone_numbers (phone_number) values (%s)", [number])

    done = run("--phone", number, "--yes", "--json")

    assert done.returncode == 1
    assert "a number of ours" in json.loads(done.stderr)["error"]


def test_an_account_s_conversations_go_with_its_address(
    db: psycopg.Connection, run: Run, stack: LocalStack
) -> None:
    account = sign_up(stack)
    [who] = rows(db, "select email from auth.users where id = %s", account.id)
    conversation_id = new_conversation_id()
    make_conversation(db, conversation_id, user_id=account.id)

    counts = removed(run("--email", who["email"], "--yes", "--json"))

    assert counts["public.conversations"] == 1
    assert len(rows(db, "select 1 from public.profiles where id = %s", account.id)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--email", "a@example.test", "--phone", "+15550000009"),
        ("--email", "nobody"),
        ("--phone", "555 0100"),
        ("--conversation", " "),
    ],
)
def test_whom_to_erase_must_be_plain(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, "--yes").returncode == 2


def said(conversation_id: str, fact: str, words: str, **more: Any) -> dict[str, Any]:
    """Return an event in which somebody said something."""
    body = json.dumps({"conversation_id": conversation_id, "fact": fact, "speech": words}).encode()
    told = event(conversation_id, f"utterance:{fact}", effects=message(words), **more)
    if "state" in more:
        told = {name: told[name] for name in told.keys() - {"effects", "projections"}}
    return {**told, "body": base64.b64encode(body).decode()}


def message(words: str) -> dict[str, Any]:
    return {"messages": [{"message_id": secrets.token_hex(8), "role": "user", "content": words}]}


def record(table: str, key: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    return {"table": table, "key": key, "values": values, "rank": 1}


def call_of_phone(sid: str, number: str) -> dict[str, Any]:
    """Return the event of a phone call, its body a form as Twilio's are."""
    body = urlencode({"CallSid": sid, "From": number, "To": OURS, "Caller": number}).encode()
    call = record("calls", {"call_sid": sid}, {"from_number": number, "to_number": OURS})
    told = event(
        None, f"call:{sid}", source="twilio", event_key=f"{sid}:call", effects={"records": [call]}
    )
    return {**told, "body": base64.b64encode(body).decode()}


def erasure_at(storage: FakeStorage, settings: Settings) -> Erasure:
    """Return what erases here, with a Storage of the test: the local stack has none."""
    return Erasure(
        database=Database(settings), storage=Storage(replace(settings, supabase_url=storage.url))
    )


def close(erasure: Erasure) -> None:
    erasure.database.close()
    erasure.storage.close()


class Killed(BaseException):
    """The process was ended from outside."""


def killed_after_one_step(self: Erasure, *_: Any) -> Counter[str]:
    if not self.database.call("continue_erasures", {"most": 2})["counts"]:
        return Counter()
    raise Killed
