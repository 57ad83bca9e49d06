"""POST /api/bookings: from a call to a link, and from the link's appointment back to the call."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from services.bookings import Bookings, NewBooking
from services.clients.calendly import CalendlyClient
from services.database import Database
from services.errors import Unavailable, Unprocessable
from services.local.stack import LocalStack
from services.people import Person
from services.providers.calendly import CALENDLY
from services.sending import call_of, changed, renewed
from services.settings import Settings, load_settings
from tests.calendly_fake import FakeCalendly, fake_calendly
from tests.database.events import rows
from tests.stack import Service, start_service
from tests.web.caller import LIMITS, SETTINGS, Caller
from tests.web.people import Account, make_admin, sign_up

URL = "/api/bookings"
EVENT_TYPE = "https://api.calendly.com/event_types/T1"
SAMPLE = Path("services/samples/calendly/invitee.created.json")


@pytest.fixture(name="shared_calendly", scope="module")
def _shared_calendly() -> Iterator[FakeCalendly]:
    with fake_calendly() as calendly:
        yield calendly


@pytest.fixture(name="calendly")
def _calendly(shared_calendly: FakeCalendly) -> FakeCalendly:
    """The Calendly of these tests, with nothing left of the test before."""
    shared_calendly.links.clear()
    shared_calendly.calls.clear()
    shared_calendly.faults.clear()
    return shared_calendly


@pytest.fixture(name="service", scope="module")
def _service(stack: LocalStack, shared_calendly: FakeCalendly) -> Iterator[Service]:
    service = start_service(stack, **SETTINGS, **shared_calendly.settings())
    yield service
    service.kill()


@pytest.fixture(name="caller", scope="module")
def _caller(service: Service) -> Iterator[Caller]:
    with httpx.Client(base_url=service.url, timeout=60, limits=LIMITS) as http:
        yield Caller(http)


@pytest.fixture(name="ada")
def _ada(stack: LocalStack) -> Account:
    return sign_up(stack)


@pytest.fixture(name="phone")
def _phone(db: psycopg.Connection, ada: Account) -> str:
    """A phone of Ada's."""
    [made] = rows(
        db,
        "insert into public.phone_numbers (phone_number, user_id) values (%s, %s)"
        " returning id::text",
        f"+1555{uuid.uuid4().int % 10**7:07}",
        ada.id,
    )
    return str(made["id"])


class Flaky(Database):
    """A database that is away as often as it is told when a booking is to be changed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.away_before = self.away_after = 0

    def change_booking(self, key: str, change: Any) -> dict[str, Any]:
        if self.away_before:
            self.away_before -= 1
            raise Unavailable("Supabase cannot be reached (test).")
        row = super().change_booking(key, change)
        if self.away_after:
            self.away_after -= 1
            raise Unavailable("Supabase cannot be reached (test).")
        return row


@pytest.fixture(name="flaky")
def _flaky(stack: LocalStack, calendly: FakeCalendly) -> Iterator[Flaky]:
    database = Flaky(load_settings({**stack.env(), **SETTINGS, **calendly.settings()}))
    yield database
    database.close()


def request(flaky: Flaky, calendly: FakeCalendly, person: Account, phone: str) -> dict[str, Any]:
    """Ask for a link in this very process."""
    settings = load_settings(
        {
            "SUPABASE_URL": "https://project.example.test",
            "SUPABASE_SECRET_KEY": "sb_secret_x",
            "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
            **calendly.settings(),
        }
    )
    bookings = Bookings(settings=settings, database=flaky, calendly=CalendlyClient(settings))
    wanted = NewBooking.model_validate({"phone_id": phone, "event_type": EVENT_TYPE})
    return bookings.request(Person(id=uuid.UUID(person.id), token=person.token), wanted)


def ask(caller: Caller, person: Account | None, phone: str, **wanted: Any) -> httpx.Response:
    body = {"phone_id": phone, "event_type": EVENT_TYPE, **wanted}
    return caller.http.post(URL, json=body, headers=person.headers if person else {})


def bookings(db: psycopg.Connection, phone: str) -> list[dict[str, Any]]:
    return rows(db, "select * from public.bookings where phone_id = %s order by created_at", phone)


def carried(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def book(caller: Caller, stack: LocalStack, url: str) -> str:
    """Tell of an appointment made by a link, as Calendly does; return its booking_key."""
    payload = renewed(CALENDLY, json.loads(SAMPLE.read_text()))
    for name, value in carried(url).items():
        if name.startswith("utm_"):
            payload = changed(payload, f"payload.tracking.{name}", value)
    settings = load_settings({**stack.env(), **SETTINGS})
    call = call_of(CALENDLY, "invitee.created", payload, settings)
    path = urlsplit(call.url).path
    answer = caller.http.post(path, content=call.body, headers=dict(call.headers))
    assert answer.status_code == 200, answer.text
    return str(payload["payload"]["uri"])


def test_the_owner_of_a_phone_gets_a_link_for_one_appointment(
    caller: Caller, calendly: FakeCalendly, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    invitee = {
        "invitee_name": "Grace Example",
        "invitee_email": "grace+calls@example.test",
        "invitee_phone": "+15550000002",
    }

    answer = ask(caller, ada, phone, **invitee)

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert calendly.links == [
        {"max_event_count": 1, "owner": EVENT_TYPE, "owner_type": "EventType"}
    ]
    assert told["scheduling_url"].startswith("https://calendly.com/d/")
    assert carried(told["scheduling_url"]) == {
        "name": "Grace Example",
        "email": "grace+calls@example.test",
        "utm_source": "phone",
        "utm_content": phone,
        "utm_term": told["booking_key"],
    }
    [row] = bookings(db, phone)
    wanted = {**invitee, "status": "requested", "event_type": EVENT_TYPE}
    assert wanted.items() <= row.items()
    assert row["scheduling_url"] == told["scheduling_url"]
    assert (str(row["id"]), row["booking_key"]) == (told["id"], told["booking_key"])


def test_an_appointment_made_by_the_link_uses_the_request(
    caller: Caller, stack: LocalStack, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    told = ask(caller, ada, phone).json()

    for _ in range(2):
        made = book(caller, stack, told["scheduling_url"])

    request, *booked = bookings(db, phone)
    assert (request["booking_key"], request["status"]) == (told["booking_key"], "used")
    assert [row["request_key"] for row in booked] == [told["booking_key"]] * 2
    assert {row["status"] for row in booked} == {"active"}
    assert made in [row["booking_key"] for row in booked]


def test_a_link_that_was_changed_uses_no_request_of_another_phone(
    caller: Caller, stack: LocalStack, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    told = ask(caller, ada, phone).json()
    url = told["scheduling_url"].replace(phone, str(uuid.uuid4()))

    book(caller, stack, url)

    [request] = bookings(db, phone)
    assert request["status"] == "requested"


@pytest.mark.parametrize(
    "term", ["request:x", "request:", "x", "', drop table", str(uuid.UUID(int=7))]
)
def test_an_appointment_with_another_term_is_stored_all_the_same(
    caller: Caller, stack: LocalStack, db: psycopg.Connection, phone: str, term: str
) -> None:
    url = str(httpx.URL("https://calendly.com/d", params={"utm_content": phone, "utm_term": term}))

    key = book(caller, stack, url)

    [row] = bookings(db, phone)
    assert (row["booking_key"], row["request_key"]) == (key, None)


def test_an_admin_may_ask_for_any_phone(
    caller: Caller, stack: LocalStack, db: psycopg.Connection, phone: str
) -> None:
    admin = sign_up(stack)
    make_admin(db, admin)

    assert ask(caller, admin, phone).status_code == 201


def test_another_persons_phone_is_as_unknown_as_one_that_is_not_there(
    caller: Caller, calendly: FakeCalendly, stack: LocalStack, db: psycopg.Connection, phone: str
) -> None:
    other = sign_up(stack)
    answers = [ask(caller, other, phone), ask(caller, other, str(uuid.uuid4()))]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert calendly.calls == []
    assert bookings(db, phone) == []


def test_without_a_person_it_is_401(caller: Caller, db: psycopg.Connection, phone: str) -> None:
    assert ask(caller, None, phone).status_code == 401
    assert bookings(db, phone) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone": "me"},
        {"event_type": "https://api.calendly.com/event_types/../users/me"},
        {"event_type": "https://evil.example.test/event_types/T1"},
        {"event_type": f"{EVENT_TYPE}?x=1"},
        {"event_type": f"{EVENT_TYPE}\nx"},
        {"event_type": 7},
        {"invitee_email": "nobody"},
        {"invitee_email": "a@b\nBcc: c@d"},
        {"invitee_phone": "5550000002"},
        {"invitee_name": ""},
        {"invitee_name": "x" * 201},
        {"starts_at": "2026-03-01"},
    ],
    ids=str,
)
def test_a_wrong_field_is_422_and_names_itself(
    caller: Caller,
    calendly: FakeCalendly,
    db: psycopg.Connection,
    ada: Account,
    phone: str,
    wrong: dict[str, object],
) -> None:
    answer = ask(caller, ada, **{"phone": phone, **wrong})

    assert answer.status_code == 422, answer.text
    assert next(iter(wrong)) in answer.json()["detail"]
    assert calendly.calls == []
    assert bookings(db, phone) == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ((500, {"message": "on fire"}), 502),
        ((401, {"message": "The access token is invalid"}), 502),
        ((429, {"message": "slow down"}), 429),
        ((201, {"resource": {}}), 502),
        ((201, {"resource": {"booking_url": "javascript:alert(1)"}}), 502),
        ((201, ["x"]), 502),
        ((400, {"message": "The owner is inactive"}), 422),
    ],
    ids=str,
)
def test_what_calendly_refuses_has_failed(
    caller: Caller,
    calendly: FakeCalendly,
    db: psycopg.Connection,
    ada: Account,
    phone: str,
    fault: tuple[int, Any],
    status: int,
) -> None:
    calendly.faults.append(fault)

    answer = ask(caller, ada, phone)

    assert answer.status_code == status, answer.text
    [row] = bookings(db, phone)
    assert (row["status"], row["scheduling_url"]) == ("failed", None)


def test_a_name_that_no_database_holds_is_made_one_that_it_does(
    caller: Caller, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    body = b'{"phone_id": "%s", "event_type": "%s", "invitee_name": "A\\u0000\\ud800b"}' % (
        phone.encode(),
        EVENT_TYPE.encode(),
    )
    headers = {**ada.headers, "Content-Type": "application/json"}

    answer = caller.http.post(URL, content=body, headers=headers)

    assert answer.status_code == 201, answer.text
    assert "\0" not in bookings(db, phone)[0]["invitee_name"]


def test_an_event_type_that_is_gone_is_422(
    caller: Caller, calendly: FakeCalendly, ada: Account, phone: str
) -> None:
    answer = ask(caller, ada, phone, event_type="https://api.calendly.com/event_types/GONE")

    assert answer.status_code == 422
    assert "event_type: Calendly refused the call (404)" in answer.json()["detail"]


def test_calendly_away_is_503_and_after_five_times_at_once(
    stack: LocalStack, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    away = {"CALENDLY_BASE_URL": "http://127.0.0.1:1", "CALENDLY_API_KEY": "k"}
    service = start_service(stack, **SETTINGS, **away)
    try:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            answers = [ask(Caller(http), ada, phone) for _ in range(6)]
    finally:
        service.kill()

    assert {answer.status_code for answer in answers} == {503}
    details = [answer.json()["detail"] for answer in answers]
    assert ["cannot be reached" in detail for detail in details] == [True] * 5 + [False]
    assert "Calendly has not answered for a while" in details[5]
    assert {row["status"] for row in bookings(db, phone)} == {"failed"}


def test_without_a_key_the_service_says_so(
    stack: LocalStack, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    service = start_service(stack, **SETTINGS)
    try:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            answer = ask(Caller(http), ada, phone)
    finally:
        service.kill()

    assert answer.status_code == 502
    assert "CALENDLY_API_KEY is not set" in answer.json()["detail"]
    assert bookings(db, phone) == []


@pytest.mark.parametrize("when", ["away_before", "away_after"])
def test_a_link_is_stored_though_the_first_try_has_no_answer(
    flaky: Flaky,
    calendly: FakeCalendly,
    db: psycopg.Connection,
    ada: Account,
    phone: str,
    when: str,
) -> None:
    setattr(flaky, when, 1)

    told = request(flaky, calendly, ada, phone)

    [row] = bookings(db, phone)
    assert told["scheduling_url"] == row["scheduling_url"]
    assert row["scheduling_url"].startswith("https://calendly.com/d/")
    assert (row["status"], len(calendly.links)) == ("requested", 1)


def test_what_calendly_said_is_told_though_the_failure_cannot_be_stored(
    flaky: Flaky, calendly: FakeCalendly, db: psycopg.Connection, ada: Account, phone: str
) -> None:
    calendly.faults.append((400, {"message": "The owner is inactive"}))
    flaky.away_before = 2

    with capture_logs() as logs, pytest.raises(Unprocessable, match="The owner is inactive"):
        request(flaky, calendly, ada, phone)

    [row] = bookings(db, phone)
    left = [log for log in logs if log["event"] == "booking left requested"]
    assert [log["booking_key"] for log in left] == [row["booking_key"]]
    assert (row["status"], row["scheduling_url"]) == ("requested", None)
