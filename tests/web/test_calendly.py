"""Calendly, over HTTP and into the rows: any order leaves the same bookings and notifications."""

from __future__ import annotations

import json
import random
import secrets
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services import security
from services.events import WebhookEventProcessingService
from services.inbound import Inbound
from services.ingestion import row_of
from services.local.stack import LocalStack
from services.provider import Credential
from services.providers.calendly import CALENDLY
from tests.database.events import receive, rows
from tests.providers.tavus_samples import Rows
from tests.web.caller import SETTINGS, Caller

PATH = "/api/webhooks/calendly"
KEY, OLDER = SETTINGS["CALENDLY_WEBHOOK_SIGNING_KEY"].split(",")
FIRST = ("invitee.created", 0)
SERVICE = WebhookEventProcessingService(lookups=Rows())


class Talk:
    """An appointment that was made, moved twice, missed and forgiven; each with ids of its own.

    Its phone is named once, when it was first made.
    """

    def __init__(self, phone: str | None) -> None:
        """Make new ids."""
        self.keys = [
            f"https://api.calendly.com/scheduled_events/{uuid.uuid4()}/invitees/{uuid.uuid4()}"
            for _ in range(3)
        ]
        self.phone = phone

    def event(self, kind: str, number: int, at: int, **more: Any) -> dict[str, Any]:
        payload = {
            "uri": self.keys[number],
            "name": "Ada Example",
            "scheduled_event": {"name": f"Talk {number}", "start_time": f"2026-03-0{number + 5}"},
            "tracking": {"utm_content": self.phone if (kind, number) == FIRST else None},
            "old_invitee": self.keys[number - 1] if number else None,
            **more,
        }
        created_at = f"2026-03-01T10:00:{at:02}Z"
        return {"event": kind, "created_at": created_at, "payload": payload}

    def events(self) -> list[dict[str, Any]]:
        moved = {"rescheduled": True}
        first, second = ({**moved, "new_invitee": key} for key in self.keys[1:])
        show = {"no_show": {"uri": f"{self.keys[2]}/no_show"}}
        return [
            self.event("invitee.created", 0, 1),
            self.event("invitee.canceled", 0, 2, **first),
            self.event("invitee.created", 1, 2),
            self.event("invitee.canceled", 1, 3, **second),
            self.event("invitee.created", 2, 3),
            self.event("invitee_no_show.created", 2, 9, **show),
            self.event("invitee_no_show.deleted", 2, 9),
        ]

    def bookings(self, db: psycopg.Connection) -> list[tuple[Any, ...]]:
        found = rows(
            db,
            "select booking_key, phone_id::text, status, name, no_show, rescheduled_from,"
            " rescheduled_to from public.bookings where booking_key = any(%s) order by name",
            self.keys,
        )
        return [tuple(row.values()) for row in found]

    def notifications(self, db: psycopg.Connection) -> list[tuple[Any, ...]]:
        found = rows(
            db,
            "select kind, title, phone_id::text, details ->> 'starts_at' from public.notifications"
            " where booking_key = any(%s) order by title",
            self.keys,
        )
        return [tuple(row.values()) for row in found]

    def require_told(self, db: psycopg.Connection, phone: str | None) -> None:
        """Compare the rows with what happened."""
        a, b, c = self.keys
        assert self.bookings(db) == [
            (a, phone, "rescheduled", "Talk 0", None, None, b),
            (b, phone, "rescheduled", "Talk 1", None, a, c),
            (c, phone, "active", "Talk 2", False, b, None),
        ]
        who, moved = "Ada Example", "booking.rescheduled"
        assert self.notifications(db) == [
            ("booking.created", f"{who} booked Talk 0", phone, "2026-03-05T00:00:00+00:00"),
            (
                "booking.no_show",
                f"{who} did not come to Talk 2",
                phone,
                "2026-03-07T00:00:00+00:00",
            ),
            (moved, f"{who} rescheduled Talk 1", phone, "2026-03-06T00:00:00+00:00"),
            (moved, f"{who} rescheduled Talk 2", phone, "2026-03-07T00:00:00+00:00"),
        ]


def stored(event: dict[str, Any]) -> dict[str, Any]:
    inbound = Inbound(
        method="POST",
        path=PATH,
        query={},
        headers={},
        body=json.dumps(event).encode(),
        received_at=datetime.now(UTC),
    )
    return row_of(SERVICE.process(inbound, CALENDLY, Credential()), inbound)


def make_phone(db: psycopg.Connection, phone: str) -> None:
    number = f"+1777{secrets.randbelow(10**12):012}"
    db.execute(
        "insert into public.phone_numbers (id, phone_number) values (%s, %s)", [phone, number]
    )


def post(caller: Caller, event: dict[str, Any], key: str = KEY, age: int = 0) -> httpx.Response:
    body = json.dumps(event).encode()
    seconds = str(int(datetime.now(UTC).timestamp()) - age)
    made = security.hmac_sha256_hex(key, seconds.encode() + b"." + body)
    headers = {"Calendly-Webhook-Signature": f"t={seconds},v1={made}"}
    return caller.send(body, path=PATH, query={}, headers=headers)


def test_appointment_as_it_happened(caller: Caller, db: psycopg.Connection) -> None:
    talk = Talk(str(uuid.uuid4()))
    make_phone(db, str(talk.phone))

    for event in talk.events():
        assert post(caller, event).json()["outcome"] == "new"

    talk.require_told(db, talk.phone)


@pytest.mark.parametrize(("key", "age", "status"), [
    (OLDER, 0, 200), (KEY, 170, 200), (KEY, 200, 401), (KEY, -170, 200), (KEY, -200, 401),
    ("another", 0, 401),
])  # fmt: skip
def test_key_and_age_of_a_signature(caller: Caller, key: str, age: int, status: int) -> None:
    assert post(caller, Talk(None).events()[0], key, age).status_code == status


def test_repeat_is_known_though_it_is_signed_anew(caller: Caller) -> None:
    event = Talk(None).events()[0]

    outcomes = [post(caller, event, age=age).json()["outcome"] for age in (9, 5, 0)]

    assert outcomes == ["new", "duplicate", "duplicate"]


def test_other_event_is_kept(caller: Caller, db: psycopg.Connection) -> None:
    answer = post(
        caller, {"event": "routing_form_submission.created", "payload": {"a": str(uuid.uuid4())}}
    )

    assert answer.json()["outcome"] == "new"


def test_appointment_that_names_no_phone_is_kept(db: psycopg.Connection) -> None:
    talk = Talk(None)
    receive(db, *(stored(event) for event in talk.events()))

    talk.require_told(db, None)


def test_phone_that_a_booking_names_itself_is_its_own(db: psycopg.Connection) -> None:
    talk, own = Talk(str(uuid.uuid4())), str(uuid.uuid4())
    make_phone(db, str(talk.phone))
    make_phone(db, own)
    events = talk.events()
    events[2]["payload"]["tracking"] = {"utm_content": own}

    for event in reversed(events):
        receive(db, stored(event))

    assert [booking[1] for booking in talk.bookings(db)] == [talk.phone, own, own]


def test_booking_uses_up_the_request_that_it_names(db: psycopg.Connection) -> None:
    talk, request = Talk(str(uuid.uuid4())), f"request:{uuid.uuid4()}"
    make_phone(db, str(talk.phone))
    db.execute(
        "insert into public.bookings (booking_key, phone_id, status) values (%s, %s, 'requested')",
        [request, talk.phone],
    )
    event = talk.events()[0]
    event["payload"]["tracking"]["utm_term"] = request

    receive(db, stored(event))

    [found] = rows(
        db, "select status, phone_id::text from public.bookings where booking_key = %s", request
    )
    assert found == {"status": "used", "phone_id": talk.phone}


def test_booking_whose_phone_goes_stays(db: psycopg.Connection) -> None:
    talk = Talk(str(uuid.uuid4()))
    make_phone(db, str(talk.phone))
    receive(db, *(stored(event) for event in talk.events()))

    db.execute("delete from public.phone_numbers where id = %s", [talk.phone])

    assert [booking[1] for booking in talk.bookings(db)] == [None] * 3
    assert talk.notifications(db) == []


def test_circle_of_bookings_ends(db: psycopg.Connection) -> None:
    talk = Talk(str(uuid.uuid4()))
    make_phone(db, str(talk.phone))
    events = talk.events()
    events[0]["payload"]["old_invitee"] = talk.keys[2]
    events[2]["payload"]["old_invitee"] = talk.keys[1]

    answers = receive(db, *(stored(event) for event in events))

    assert {answer["outcome"] for answer in answers} == {"new"}
    assert talk.bookings(db)[0][1] == talk.phone


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chance=st.randoms(use_true_random=False),
    repeats=st.integers(0, 8),
    batch_size=st.sampled_from([1, 2, 3, 64]),
    phone_at=st.integers(0, 14),
)
def test_any_order_and_any_repeats_leave_the_same_rows(
    db: psycopg.Connection, chance: random.Random, repeats: int, batch_size: int, phone_at: int
) -> None:
    talk = Talk(str(uuid.uuid4()))
    events = [stored(event) for event in talk.events()]
    order = [*events, *chance.choices(events, k=repeats)]
    chance.shuffle(order)
    # The phone comes to exist before, amid or after them.
    moment = min(phone_at, len(order)) // batch_size * batch_size

    for start in range(0, len(order), batch_size):
        if start == moment:
            make_phone(db, str(talk.phone))
        answers = receive(db, *order[start : start + batch_size])
        assert {answer["outcome"] for answer in answers} <= {"new", "duplicate"}
    if moment >= len(order):
        make_phone(db, str(talk.phone))

    talk.require_told(db, talk.phone)


def test_events_at_one_moment_leave_the_same_rows(
    stack: LocalStack, db: psycopg.Connection
) -> None:
    for seed in range(8):
        talk = Talk(str(uuid.uuid4()))
        make_phone(db, str(talk.phone))
        events = [stored(event) for event in talk.events()]
        random.Random(seed).shuffle(events)
        together = threading.Barrier(len(events))
        outcomes: list[str] = []

        def send(
            event: dict[str, Any],
            together: threading.Barrier = together,
            outcomes: list[str] = outcomes,
        ) -> None:
            with psycopg.connect(stack.database_url, autocommit=True) as own:
                together.wait()
                outcomes.append(receive_patiently(own, event))

        threads = [threading.Thread(target=send, args=(event,)) for event in events]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert outcomes == ["new"] * len(events)
        talk.require_told(db, talk.phone)


def test_notification_waits_for_the_phone_that_is_about_to_be_told(
    stack: LocalStack, db: psycopg.Connection
) -> None:
    talk = Talk(str(uuid.uuid4()))
    make_phone(db, str(talk.phone))
    events = talk.events()
    for event in events[-2:]:
        event["payload"]["old_invitee"] = None
    first, *others = (stored(event) for event in events)
    no_show = others.pop(-2)
    receive(db, *others)  # the no-show that comes now changes no booking

    with psycopg.connect(stack.database_url, autocommit=True) as own:
        late = threading.Thread(target=receive, args=(own, no_show))
        with db.transaction():
            receive(db, first)
            late.start()
            wait_until_blocked_or_done(stack, own, late)
        late.join()

    talk.require_told(db, talk.phone)


def wait_until_blocked_or_done(
    stack: LocalStack, connection: psycopg.Connection, user: threading.Thread
) -> None:
    """Return when a connection waits for a lock, or its user has nothing more to do."""
    waits = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
    with psycopg.connect(stack.database_url, autocommit=True) as watcher:
        while user.is_alive():
            if watcher.execute(waits, [connection.info.backend_pid]).fetchone() == (True,):
                return


def receive_patiently(db: psycopg.Connection, event: dict[str, Any]) -> str:
    """Store an event, again where that met a deadlock, as the writer does."""
    while True:
        try:
            return str(receive(db, event)[0]["outcome"])
        except psycopg.errors.DeadlockDetected:
            continue
