"""services/erasure: who is named, who only looks like them, and what goes whatever goes wrong."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.erasure import spool as erasure_spool
from services.erasure import subject as subjects
from services.erasure.places import PLACES, item_of, marks_of
from services.erasure.removal import PASSES, TRIES, Erasure
from services.erasure.search import Plan
from services.errors import Unavailable, Unprocessable
from services.outage import mounts
from services.outage.spool import Counts, Spool
from services.validation import parse_object

ADA = subjects.email("Ada.L+x@Example.test ")
NUMBER = subjects.phone("+1 (555) 000-0001")


@pytest.mark.parametrize(
    "text",
    [
        "ada.l+x@example.test",
        "ADA.L+X@EXAMPLE.TEST",
        "mailto:ada.l+x@example.test?subject=x",
        "Ada <ada.l+x@example.test>, and others",
        "'ada.l+x@example.test'",
        "Write to ada.l+x@example.test.",
        "to:ada.l%2Bx%40example.test",
        "name=x&email=ada.l%2Bx%40example.test&y=1",
        '{"email": "ada.l\\u002bx\\u0040example.test"}',
        '{"arguments": "{\\"email\\": \\"ada.l+x@example.test\\"}"}',
        'cut off: "said":"me:\\nada.l+x@example.test\\n',
    ],
)
def test_an_address_is_known_however_it_is_written(text: str) -> None:
    assert ADA.is_named_in({"some": [{"where": text}]})
    assert re.search(ADA.pattern, text, re.IGNORECASE | re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [
        "ada.l@example.test",
        "l+x@example.test",
        "xada.l+x@example.test",
        "x.ada.l+x@example.test",
        "x-ada.l+x@example.test",
        "o'ada.l+x@example.test",
        "ada.l+x@example.tests",
        "ada.l+x@example.test.evil.test",
        "ada.l+x@example-test",
        "ada-l+x@example.test",
        "%61ada.l+x@example.test",
        "ünada.l+x@example.test",
    ],
)
def test_another_address_is_not(text: str) -> None:
    assert not ADA.is_named_in({"some": [{"where": text}]})


@pytest.mark.parametrize(
    "text",
    [
        "+15550000001",
        "+1 555 000 0001",
        "+1 (555) 000-0001, please",
        "tel:+1-555-000-0001;ext=2",
        "whatsapp:+15550000001",
        "sip:+15550000001@pbx.example.test",
        "15550000001@s.whatsapp.example",
        "0015550000001",
        "15550000001",
        "From=%2B15550000001&To=%2B15550000009",
        "From=+15550000001&To=+15550000009",
        "+1\u00a0555\u00a0000\u00a00001",
        '{"said": "Call +1\\u2011555\\u2011000\\u20110001."}',
        '{"nested": "{\\"said\\": \\"+1 \\\\u00a0555 \\\\u00a0000 \\\\u00a00001\\"}"}',
        "Body=Call+%2B1+%28555%29+000-0001",
        "https://x.example.test/?to=%2B1%E2%80%91555%E2%80%91000%E2%80%910001",
        "https://x.example.test/?next=%2F%3Fto%3D%252B1%2520555%2520000%25200001",
    ],
)
def test_a_number_is_known_however_it_is_written(text: str) -> None:
    assert NUMBER.is_named_in([text])
    assert re.search(NUMBER.pattern, text)


@pytest.mark.parametrize(
    "text",
    [
        "+155500000012",
        "+1555000000",
        "+915550000001",
        "+1 555 000 00012",
        "at 15550000001 in a row of digits",
        "order 15550000001-7",
        "(555) 000-0001",
        "1555000000.1",
        "+1 555 0000 0002",
    ],
)
def test_another_number_is_not(text: str) -> None:
    assert not NUMBER.is_named_in([text])
    assert not NUMBER.is_named_in([155500000011, 1555000000.1, True, float("inf")])


@pytest.mark.parametrize(
    "told",
    [15550000001, {"phone": 15550000001}, '{"n": 1e999, "to": 15550000001}', [15550000001.0]],
)
def test_a_number_that_is_a_number_of_the_json_is_known(told: object) -> None:
    assert NUMBER.is_named_in(told)


def test_a_number_beside_one_that_no_double_holds_is_known() -> None:
    told = parse_object(b'{"big": 1' + 400 * b"0" + b', "to": 15550000001}')

    assert NUMBER.is_named_in(told)
    assert not ADA.is_named_in(told)


def test_a_number_of_a_body_with_odd_bytes_is_found() -> None:
    # What of a body is no UTF-8 is searched with its bytes as \ooo.
    assert re.search(NUMBER.pattern, "caf\\351: +1\\302\\240555\\302\\240000\\302\\2400001")


def test_a_number_behind_one_that_python_refuses_is_known() -> None:
    assert NUMBER.is_named_in('{"big": ' + 6000 * "9" + ', "to": 15550000001}')


def test_moments_of_a_body_are_no_telephone_numbers() -> None:
    assert not subjects.phone("+1772347555").is_named_in('{"created": 1772347555}')
    assert not subjects.phone("+1772347555000").is_named_in('{"created": 1772347555000}')
    assert subjects.phone("+1772347555").is_named_in('{"From": "1772347555"}')


def test_names_of_things_are_whole_words() -> None:
    call = subjects.identifier("https://api.example.test/invitees/a1a1")

    assert call.is_named_in("see https:\\/\\/api.example.test\\/invitees\\/a1a1 there")
    assert not call.is_named_in("https://api.example.test/invitees/a1a1b")
    assert not call.is_named_in("xhttps://api.example.test/invitees/a1a1")


@pytest.mark.parametrize(
    ("encoding", "before"),
    [("utf-8", b""), ("utf-8", b"\xff"), ("utf-16-le", b""), ("utf-16-be", b"")],
)
def test_bodies_of_any_encoding_are_read(encoding: str, before: bytes) -> None:
    body = '{"a": "ada.l+x@example.test"}'.encode(encoding)

    assert ADA.is_named_in(subjects.body_of(base64.b64encode(before + body).decode()))


ODD = ("{" * 5000, "[" * 100_000, '"' + "\\" * 4001, "%" * 4000, "=" * 4000, "\\u12", "\x00\ud800")


@pytest.mark.parametrize("told", ODD, ids=range(len(ODD)))
def test_odd_texts_are_survived(told: str) -> None:
    assert not ADA.is_named_in(told)


@pytest.mark.parametrize("before", ["", '{"said": "'])
def test_a_run_of_backslashes_takes_no_longer_than_another_text(before: str) -> None:
    told = before + "ada.l+x " + 256 * 1024 * "\\" + " x"
    start = time.process_time()

    assert not ADA.is_named_in(told)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "address", ["ада.лавлейс@example.test", "jürgenñé@дом.test", "zoë\U0001d49cé@x.test"]
)
def test_an_address_of_any_alphabet_is_found_in_escaped_bodies(address: str) -> None:
    subject = subjects.email(address)

    for told in (json.dumps({"who": address}), json.dumps({"who": json.dumps(address)}), address):
        assert re.search(subject.pattern, told, re.IGNORECASE | re.DOTALL)
        assert subject.is_named_in(told)


def test_an_address_with_a_sharp_s_is_nobody_s_with_two_of_them() -> None:
    subject = subjects.email("Weiß@example.test")

    assert subject.is_named_in("Weiß <weiß@example.test>")
    assert not subject.is_named_in("weiss@example.test")


@pytest.mark.parametrize(
    "name",
    [
        "c0123456789abcdef",
        "CA" + 32 * "0",
        "11111111-1111-4111-8111-111111111111",
        "https://api.example.test/invitees/11111111-1111-4111-8111-111111111111",
    ],
)
def test_an_id_of_its_own_kind_is_looked_for_in_texts(name: str) -> None:
    assert subjects.is_telling(name)


@pytest.mark.parametrize("name", ["customer", "invoice-2026", "lobby", "order 1", "123456789012"])
def test_a_word_is_not(name: str) -> None:
    assert not subjects.is_telling(name)
    assert not subjects.column(name).is_named_in({"text": f"about {name}"})
    assert subjects.column(name).is_named_in({"invoice": name})


@pytest.mark.parametrize("text", ["", "@", "a@b", "a b@example.test", "a@example.test,b@x.test"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Unprocessable):
        subjects.email(text)


@pytest.mark.parametrize("text", ["", "+", "555 0001", "+0155500000", "+1555x000001", "+1" * 20])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Unprocessable):
        subjects.phone(text)


def test_a_failed_try_that_names_somebody_stands_for_its_event() -> None:
    row = {"id": 7, "event_id": "e1", "error": "about ada.l+x@example.test"}

    item = item_of("private.event_attempts", PLACES["private.event_attempts"], row)

    assert item == {"kind": "event", "id": "e1"}


def test_a_received_message_is_not_to_come_back_from_its_source() -> None:
    """Another source may have a message of the same id, which is another one."""
    row = {"id": 7, "source": "desk", "message_id": "m1", "content": "Hello"}

    marks = marks_of("public.received_messages", PLACES["public.received_messages"], row)

    assert list(marks) == ["desk/m1"]


def test_spooled_events_of_an_erased_conversation_go_whoever_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many a /tmp lies in memory.
    monkeypatch.setattr(mounts, "IN_MEMORY", frozenset())
    spool = Spool(tmp_path / "spool.db")
    body = base64.b64encode(b'{"said": "Hello."}').decode()
    for told in (
        {"source": "tavus", "conversation_id": "c1"},
        {"source": "tavus", "conversation_ref": "r1"},
        {"source": "tavus", "conversation_id": "c2"},
        {"source": "tavus"},
    ):
        spool.put({**told, "body": body})
    spool.set_aside(1, "no")
    item = {"kind": "conversation", "conversation_id": "c1", "ref": "r1"}
    plan = Plan(subjects=[ADA], conversations={"c1": item})

    found, erased = erasure_spool.count(spool, plan), erasure_spool.erase(spool, plan)

    assert (found, erased) == (2, 2)
    assert spool.count() == Counts(spooled=2, unsendable=0)
    assert [one.row.get("conversation_id") for one in spool.take(9, 9999)] == ["c2", None]
    spool.close()


class FakeDatabase:
    """Answers its functions as it is told to, and remembers what it was asked."""

    def __init__(self, **answers: Callable[[Any], Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def call(self, function: str, arguments: Any) -> Any:
        self.asked.append(function)
        return self.answers[function](arguments)


def erasure(database: FakeDatabase, **more: Any) -> Erasure:
    return Erasure(database=database, storage=None, **more)  # type: ignore[arg-type]


def test_what_meets_a_deadlock_is_tried_again_after_longer_and_longer_waits() -> None:
    answers: list[Any] = [Unavailable("40P01")] * (TRIES - 1)
    answers.append({"counts": {"public.calls": 2}, "left": 0})
    waits: list[float] = []

    def answer(_: Any) -> Any:
        told = answers.pop(0)
        if isinstance(told, Unavailable):
            raise told
        return told

    database = FakeDatabase(continue_erasures=answer)

    assert erasure(database, pause=waits.append).finish() == {"public.calls": 2}
    assert waits == [0.2, 0.4, 0.8, 1.6]


def test_a_database_that_stays_away_is_not_asked_for_ever() -> None:
    def away(_: Any) -> Any:
        raise Unavailable("away")

    database = FakeDatabase(continue_erasures=away)

    with pytest.raises(Unavailable):
        erasure(database, pause=lambda seconds: None).finish()
    assert len(database.asked) == TRIES


def test_folders_wait_where_no_bucket_is_set() -> None:
    folders = [[{"id": 1, "bucket": None, "folder": "c1"}], []]
    finished: list[Any] = []
    database = FakeDatabase(
        claim_erased_files=lambda _: folders.pop(0),
        finish_erased_files=lambda told: finished.append(told) or 1,
    )

    assert erasure(database).empty_folders() == 1
    assert finished == [{"file": 1, "error": "RECORDINGS_BUCKET is not set."}]


def test_somebody_of_whom_more_and_more_comes_is_not_looked_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What came last is told of, though it is still there: the next run finds it."""
    looks: list[Plan] = []

    def find(_: Any, subject: object, known: object) -> Plan:
        looks.append(Plan(conversations={f"c{len(looks)}": {"kind": "conversation"}}))
        return looks[-1]

    monkeypatch.setattr("services.erasure.removal.Search.find", find)
    database = FakeDatabase(
        begin_erasure=lambda _: None,
        continue_erasures=lambda _: {"counts": {"public.calls": 1}, "left": 0},
        rehearse_erasure=lambda _: {"public.calls": 1},
        claim_erased_files=lambda _: [],
    )

    report = erasure(database).erase(ADA, Plan())

    assert report.counts == {"public.calls": PASSES}
    assert len(looks) == database.asked.count("begin_erasure") == PASSES
