"""What waits for endpoints: who may claim how much of it, and what becomes of it."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.database.endpoints import (
    advance,
    call,
    claim,
    deliveries,
    delivery,
    finish,
    make_endpoint,
    new_owner,
    send,
)
from tests.database.events import make_conversation, new_conversation_id, rows

FAILED: dict[str, Any] = {"outcome": "failed", "status": 500, "error": "500", "retry_seconds": 4}
LAST = {**FAILED, "retry_seconds": None}


@pytest.fixture(name="owner")
def _owner(db: psycopg.Connection) -> str:
    return new_owner(db)


@pytest.fixture(name="endpoint")
def _endpoint(db: psycopg.Connection, owner: str) -> str:
    return make_endpoint(db, owner)


def put_off_all_but(db: psycopg.Connection, *endpoints: str) -> None:
    """Leave nothing due but what is these endpoints'."""
    db.execute(
        "update private.delivery_queue set next_attempt_at = 'infinity'"
        " where endpoint_id <> all(%s::uuid[])",
        [list(endpoints)],
    )


def places(db: psycopg.Connection, endpoint: str, **limits: Any) -> int:
    """Claim and finish at once; return how many could be claimed."""
    claimed = claim(db, endpoint, **limits)
    finish(db, *claimed)
    return len(claimed)


def test_a_claim_has_all_that_an_attempt_needs(db: psycopg.Connection, owner: str) -> None:
    endpoint = make_endpoint(db, owner, headers={"X-Team": "blue"}, retry_schedule=[1, 2])
    [sent] = send(db, owner, endpoint)

    [claimed] = claim(db, endpoint)

    assert (
        claimed.items()
        >= {
            "id": sent,
            "url": "https://example.test/hook",
            "headers": {"X-Team": "blue"},
            "event_type": "message.created",
            "payload": {"n": 0},
            "attempt": 1,
            "tries": 1,
            "retry_schedule": [1, 2],
            "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        }.items()
    )
    assert claimed["webhook_id"].startswith("msg_")


def test_nothing_is_claimed_twice_while_its_lease_lasts(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 3)

    assert len(claim(db, endpoint)) == 3
    assert claim(db, endpoint) == []


def test_a_claim_whose_lease_ended_is_lost_to_the_next(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    [late] = claim(db, endpoint)
    advance(db, endpoint, 46)
    [again] = claim(db, endpoint)

    assert [end["outcome"] for end in finish(db, late)] == ["lost"]
    assert [end["outcome"] for end in finish(db, again)] == ["delivered"]
    assert again["webhook_id"] == late["webhook_id"]
    assert delivery(db, again["id"])["attempts"] == 1


def test_what_arrived_is_written_down_and_done(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    [claimed] = claim(db, endpoint)

    finish(db, claimed, status=204, response="thanks", duration_ms=1500.0)

    done = delivery(db, claimed["id"])
    assert (done["state"], done["attempts"], done["last_status"]) == ("delivered", 1, 204)
    assert done["finished_at"] is not None
    assert done["next_attempt_at"] is None
    [attempt] = rows(
        db, "select * from public.delivery_attempts where delivery_id = %s", claimed["id"]
    )
    assert (attempt["attempt"], attempt["status"], attempt["response"]) == (1, 204, "thanks")
    assert (done["last_attempt_at"] - attempt["attempted_at"]).total_seconds() == 1.5
    advance(db, endpoint, 7200)
    assert claim(db, endpoint) == []


def test_what_failed_is_due_again_after_its_wait(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    [first] = claim(db, endpoint)

    finish(db, first, **FAILED)

    assert claim(db, endpoint) == []
    assert delivery(db, first["id"])["state"] == "waiting"
    advance(db, endpoint, 4)
    [second] = claim(db, endpoint)
    assert (second["attempt"], second["tries"]) == (2, 2)
    assert second["webhook_id"] == first["webhook_id"]


def test_the_last_failure_ends_it(db: psycopg.Connection, owner: str, endpoint: str) -> None:
    send(db, owner, endpoint)
    [claimed] = claim(db, endpoint)

    assert finish(db, claimed, **LAST)[0]["outcome"] == "failed"

    assert delivery(db, claimed["id"])["state"] == "failed"
    advance(db, endpoint, 7200)
    assert claim(db, endpoint) == []


def test_no_more_at_once_than_an_endpoint_takes(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 12)

    flying = claim(db, endpoint, concurrency=5)

    assert len(flying) == 5
    assert claim(db, endpoint, concurrency=5) == []
    finish(db, *flying[:2])
    assert len(claim(db, endpoint, concurrency=5)) == 2


def test_its_own_limits_come_first(db: psycopg.Connection, owner: str) -> None:
    endpoint = make_endpoint(db, owner, concurrency=2, rate_per_minute=3)
    send(db, owner, endpoint, 5)

    assert places(db, endpoint) == 2
    assert places(db, endpoint) == 1
    assert places(db, endpoint) == 0


def test_a_place_is_free_a_minute_after_its_attempt_has_ended(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 6)
    assert places(db, endpoint, rate=4) == 4

    advance(db, endpoint, 59)
    assert places(db, endpoint, rate=4) == 0

    advance(db, endpoint, 1)
    assert places(db, endpoint, rate=4) == 2


def test_an_attempt_that_takes_long_holds_its_place_until_a_minute_after_its_end(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 2)
    [slow] = claim(db, endpoint, rate=1)
    advance(db, endpoint, 30)
    finish(db, slow)

    advance(db, endpoint, 59)
    assert places(db, endpoint, rate=1) == 0

    advance(db, endpoint, 1)
    assert places(db, endpoint, rate=1) == 1


def test_an_attempt_of_a_worker_that_died_counts_as_if_it_had_lasted_its_lease(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 2)
    claim(db, endpoint, rate=1)

    advance(db, endpoint, 104)
    assert places(db, endpoint, rate=1) == 0

    advance(db, endpoint, 1)
    assert places(db, endpoint, rate=1) == 1


def test_retries_count_against_the_rate(db: psycopg.Connection, owner: str, endpoint: str) -> None:
    send(db, owner, endpoint)
    finish(db, *claim(db, endpoint, rate=1), **FAILED)

    advance(db, endpoint, 30)
    assert claim(db, endpoint, rate=1) == []

    advance(db, endpoint, 30)
    assert len(claim(db, endpoint, rate=1)) == 1


def test_a_raised_rate_counts_at_once(db: psycopg.Connection, owner: str, endpoint: str) -> None:
    send(db, owner, endpoint, 3)
    assert places(db, endpoint, rate=1) == 1
    assert places(db, endpoint, rate=1) == 0

    call(db, "change_endpoint", owner, endpoint, {"rate_per_minute": 5})

    assert places(db, endpoint, rate=1) == 2


def test_workers_together_keep_the_limits(
    db: psycopg.Connection, stack: LocalStack, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 60)

    def work(_: int) -> int:
        with psycopg.connect(stack.database_url, autocommit=True) as own:
            return sum(len(claim(own, endpoint, rate=40, concurrency=25)) for _ in range(20))

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(work, range(8))) == 25


def test_an_endpoint_that_another_worker_is_at_is_left_to_it(
    db: psycopg.Connection, stack: LocalStack, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 3)
    its_state = "select from private.endpoint_state where endpoint_id = %s for update"

    # To wait for the other is wrong too.
    db.execute("set lock_timeout = '2s'")
    with psycopg.connect(stack.database_url) as other:
        other.execute(its_state, [endpoint])
        assert claim(db, endpoint) == []
    db.execute("reset lock_timeout")

    assert len(claim(db, endpoint)) == 3


def test_in_order_the_next_waits_until_the_one_before_has_ended(
    db: psycopg.Connection, owner: str
) -> None:
    endpoint = make_endpoint(db, owner, ordered=True)
    first, second, third = send(db, owner, endpoint, 3)

    claimed = claim(db, endpoint)
    assert [each["id"] for each in claimed] == [first]
    assert claim(db, endpoint) == []

    finish(db, *claimed, **FAILED)
    assert claim(db, endpoint) == []
    advance(db, endpoint, 4)
    claimed = claim(db, endpoint)
    assert [each["id"] for each in claimed] == [first]

    finish(db, *claimed, **LAST)
    claimed = claim(db, endpoint)
    assert [each["id"] for each in claimed] == [second]
    finish(db, *claimed)
    assert [each["id"] for each in claim(db, endpoint)] == [third]


def test_one_that_timed_out_gets_one_at_a_time_until_one_arrives(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 8)
    first = claim(db, endpoint, concurrency=2)
    finish(db, *first, outcome="failed", status=None, timed_out=True, retry_seconds=600)

    [alone] = claim(db, endpoint, concurrency=2)
    assert claim(db, endpoint, concurrency=2) == []

    finish(db, alone)
    assert len(claim(db, endpoint, concurrency=2)) == 2


def test_scarce_places_are_shared(db: psycopg.Connection, owner: str) -> None:
    busy, quiet = make_endpoint(db, owner), make_endpoint(db, owner)
    send(db, owner, busy, 10)
    send(db, owner, quiet, 1)
    put_off_all_but(db, busy, quiet)

    answer = call(db, "claim_deliveries", str(uuid.uuid4()), 4, 4, 45.0, 100, 10)

    taken = [each["endpoint_id"] for each in answer["deliveries"]]
    assert (taken.count(busy), taken.count(quiet)) == (2, 1)


def test_where_nothing_has_arrived_or_something_timed_out_places_are_few(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 9)
    [first] = claim(db, endpoint, most_risky=0)
    assert first["is_risky"]
    assert claim(db, endpoint, most_risky=0) == []

    finish(db, first)
    proven = claim(db, endpoint, most_risky=0, concurrency=3)
    assert [each["is_risky"] for each in proven] == [False] * 3

    finish(db, proven[0], outcome="failed", status=None, timed_out=True, retry_seconds=600)
    finish(db, *proven[1:], outcome="failed", status=500, retry_seconds=600)
    assert claim(db, endpoint, most_risky=0) == []
    assert len(claim(db, endpoint, most_risky=1)) == 1


def test_endpoints_that_can_get_nothing_hide_nobody(db: psycopg.Connection, owner: str) -> None:
    full = [make_endpoint(db, owner) for _ in range(4)]
    for each in full:
        send(db, owner, each, 3)
        claim(db, each, concurrency=1)
    quiet = make_endpoint(db, owner)
    send(db, owner, quiet)
    others = [*full, quiet]
    put_off_all_but(db, *others)
    db.execute("update private.endpoint_state set blocked_until = '-infinity'")
    db.execute(
        "update private.endpoint_state set last_claimed_at = now() where endpoint_id = %s", [quiet]
    )

    found = [claim(db, quiet, most=2, most_risky=2, concurrency=1) for _ in range(3)]

    assert sum(map(len, found)) == 1


def test_gone_disables_and_keeps_what_waits(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    told = make_endpoint(db, owner, event_types=["endpoint.disabled"])
    send(db, owner, endpoint, 3)
    first, second = claim(db, endpoint, concurrency=2)

    [ended] = finish(db, first, **{**LAST, "status": 410, "gone": True})

    assert ended == {"id": first["id"], "outcome": "failed", "disabled": "gone"}
    [row] = rows(db, "select * from public.webhook_endpoints where id = %s", endpoint)
    assert (row["disabled"], row["disabled_reason"]) == (True, "gone")
    finish(db, second, **FAILED)
    advance(db, endpoint, 7200)
    assert claim(db, endpoint) == []
    [notice] = deliveries(db, told)
    assert notice["payload"]["type"] == "endpoint.disabled"
    assert notice["payload"]["data"]["endpoint_id"] == endpoint

    call(db, "change_endpoint", owner, endpoint, {"disabled": False})
    assert len(claim(db, endpoint)) == 2


def test_one_that_fails_for_long_is_disabled(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 11)
    claimed = claim(db, endpoint, concurrency=20)
    finish(db, *claimed[:9], **LAST, disable_after=3600)
    advance(db, endpoint, 3601)

    # It has failed for long, but not often; then also often.
    [ninth] = finish(db, claimed[9], **LAST, disable_after=7200)
    [tenth] = finish(db, claimed[10], **LAST, disable_after=3600)

    assert (ninth["disabled"], tenth["disabled"]) == (None, "failing")


def test_one_that_arrived_in_between_fails_anew(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 12)
    claimed = claim(db, endpoint, concurrency=20)
    finish(db, *claimed[:10], **LAST, disable_after=3600)
    advance(db, endpoint, 3601)

    finish(db, claimed[10], disable_after=3600)
    [ended] = finish(db, claimed[11], **LAST, disable_after=3600)

    assert ended["disabled"] is None


def test_what_its_owner_disables_tells_nobody(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    told = make_endpoint(db, owner)

    call(db, "change_endpoint", owner, endpoint, {"disabled": True})

    [row] = rows(db, "select * from public.webhook_endpoints where id = %s", endpoint)
    assert row["disabled_reason"] == "owner"
    assert deliveries(db, told) == []


def test_sent_again_is_a_new_attempt_under_the_same_id(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    [first] = claim(db, endpoint)
    finish(db, first, **LAST)

    again = call(db, "resend_delivery", owner, endpoint, first["id"])

    assert again["state"] == "waiting"
    [second] = claim(db, endpoint)
    assert second["webhook_id"] == first["webhook_id"]
    assert (second["attempt"], second["tries"]) == (2, 1)


@pytest.mark.parametrize("told", [{}, FAILED, LAST])
def test_sent_again_while_on_its_way_is_sent_once_more_after_that(
    db: psycopg.Connection, owner: str, endpoint: str, told: dict[str, Any]
) -> None:
    send(db, owner, endpoint)
    [flying] = claim(db, endpoint)

    call(db, "resend_delivery", owner, endpoint, flying["id"])

    assert claim(db, endpoint) == []
    assert finish(db, flying, **told)[0]["outcome"] == "waiting"
    [again] = claim(db, endpoint)
    assert (again["attempt"], again["tries"]) == (2, 1)
    assert finish(db, again)[0]["outcome"] == "delivered"
    assert delivery(db, flying["id"])["state"] == "delivered"
    assert claim(db, endpoint) == []


def test_what_failed_since_a_time_is_sent_again(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 4)
    old, *recent = claim(db, endpoint)
    finish(db, old, *recent[:2], **LAST)
    finish(db, *recent[2:])
    db.execute(
        "update public.webhook_deliveries set created_at = '2026-01-01' where id = %s", [old["id"]]
    )

    count = call(db, "resend_failed_deliveries", owner, endpoint, "2026-06-01T00:00:00Z")

    assert count == 2
    assert {each["id"] for each in claim(db, endpoint)} == {each["id"] for each in recent[:2]}


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("change_endpoint", [{"url": "https://example.test/mine"}]),
        ("delete_endpoint", []),
        ("rotate_endpoint_secret", ["whsec_bWluZQ==", 0.0]),
        ("test_endpoint", ["message.created", {}]),
    ],
)
def test_strangers_change_nothing(
    db: psycopg.Connection, endpoint: str, function: str, arguments: list[Any]
) -> None:
    before = rows(db, "select * from public.webhook_endpoints where id = %s", endpoint)

    assert not call(db, function, new_owner(db), endpoint, *arguments)

    assert rows(db, "select * from public.webhook_endpoints where id = %s", endpoint) == before
    assert deliveries(db, endpoint) == []


def test_strangers_send_nothing_again(db: psycopg.Connection, owner: str, endpoint: str) -> None:
    send(db, owner, endpoint)
    [claimed] = claim(db, endpoint)
    finish(db, claimed, **LAST)
    stranger = new_owner(db)
    theirs = make_endpoint(db, stranger)

    assert call(db, "resend_delivery", stranger, endpoint, claimed["id"]) is None
    assert call(db, "resend_delivery", stranger, theirs, claimed["id"]) is None
    assert call(db, "resend_failed_deliveries", stranger, endpoint, "2026-01-01") == 0
    assert claim(db, endpoint) == []


def test_both_secrets_sign_until_the_older_one_expires(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    call(db, "rotate_endpoint_secret", owner, endpoint, "whsec_bmV3", 600.0)
    send(db, owner, endpoint, 2)

    [both, _] = claim(db, endpoint)
    assert both["secrets"] == ["whsec_bmV3", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]

    db.execute("update private.endpoint_secrets set expires_at = expires_at - interval '10 min'")
    advance(db, endpoint, 46)
    [one, _] = claim(db, endpoint)
    assert one["secrets"] == ["whsec_bmV3"]


def test_a_second_rotation_does_not_prolong_the_first(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    call(db, "rotate_endpoint_secret", owner, endpoint, "whsec_Mg==", 0.0)
    call(db, "rotate_endpoint_secret", owner, endpoint, "whsec_Mw==", 600.0)
    send(db, owner, endpoint)

    [claimed] = claim(db, endpoint)

    assert claimed["secrets"] == ["whsec_Mw==", "whsec_Mg=="]


def test_nobody_has_more_endpoints_than_allowed(db: psycopg.Connection, owner: str) -> None:
    url = {"url": "https://example.test"}
    assert call(db, "create_endpoint", owner, url, "whsec_MQ==", 1)["outcome"] == "created"

    assert call(db, "create_endpoint", owner, url, "whsec_MQ==", 1) == {"outcome": "too_many"}


HOUR = 3600.0


def seen(db: psycopg.Connection, jump: float) -> dict[str, Any]:
    """Return what a worker saw a second ago, before the clock jumped by so many seconds."""
    [row] = rows(
        db,
        "select (now() - make_interval(secs => %s))::text as now,"
        " (select coalesce(max(id), 0) from private.clock_jumps) as jumps",
        jump + 1,
    )
    return {**row, "elapsed": 1.0}


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_lets_out_no_more_and_keeps_nobody_waiting(
    db: psycopg.Connection, owner: str, endpoint: str, jump: float
) -> None:
    send(db, owner, endpoint, 4)
    first, *others = claim(db, endpoint, rate=3)
    finish(db, first, **FAILED)
    finish(db, *others)
    # What was noted before the jump is as much older, or as far in the future.
    advance(db, endpoint, jump)

    assert claim(db, endpoint, rate=3, seen=seen(db, jump)) == []
    advance(db, endpoint, 61)
    assert len(claim(db, endpoint, rate=3, seen=seen(db, 0))) == 2


def test_a_jump_takes_no_lease_away(db: psycopg.Connection, owner: str, endpoint: str) -> None:
    send(db, owner, endpoint, 2)
    [flying] = claim(db, endpoint, concurrency=1)
    advance(db, endpoint, HOUR)

    assert claim(db, endpoint, concurrency=1, seen=seen(db, HOUR)) == []
    assert finish(db, flying)[0]["outcome"] == "delivered"


def test_a_jump_that_one_worker_has_followed_is_done(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    finish(db, *claim(db, endpoint), **FAILED)
    before = seen(db, HOUR)
    advance(db, endpoint, HOUR)

    for _ in range(3):
        assert claim(db, endpoint, seen=before) == []

    advance(db, endpoint, 5)
    assert len(claim(db, endpoint, rate=3, seen=seen(db, 0))) == 1


def test_what_is_queued_after_a_jump_goes_out_at_once(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    before = seen(db, HOUR)
    send(db, owner, endpoint)

    assert len(claim(db, endpoint, seen=before)) == 1


def test_what_ends_before_the_next_claim_follows_the_clock_too(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    [flying] = claim(db, endpoint)
    before = seen(db, HOUR)
    advance(db, endpoint, HOUR)

    failed = {**FAILED, "id": flying["id"], "claim": flying["claim"], "duration_ms": 1.0}
    call(db, "finish_deliveries", [failed], 432000.0, before)

    assert claim(db, endpoint, seen=before) == []
    advance(db, endpoint, 5)
    assert len(claim(db, endpoint, seen=seen(db, 0))) == 1


def test_disabled_endpoints_of_a_dead_worker_keep_nobody_waiting(
    db: psycopg.Connection, owner: str
) -> None:
    theirs = [make_endpoint(db, owner) for _ in range(5)]
    for each in theirs:
        send(db, owner, each)
        claim(db, each)
        call(db, "change_endpoint", owner, each, {"disabled": True})
        advance(db, each, 46)
    other = new_owner(db)
    healthy = make_endpoint(db, other)
    send(db, other, healthy)
    put_off_all_but(db, *theirs, healthy)
    db.execute(
        "update private.endpoint_state set last_claimed_at = now() where endpoint_id = %s",
        [healthy],
    )

    found = [claim(db, healthy, most=4, most_risky=4) for _ in range(2)]

    assert sum(map(len, found)) == 1
    call(db, "tidy_deliveries")
    aside = rows(
        db,
        "select next_attempt_at = 'infinity' as aside from private.delivery_queue"
        " where endpoint_id = any(%s::uuid[])",
        theirs,
    )
    assert [row["aside"] for row in aside] == [True] * 5
    call(db, "change_endpoint", owner, theirs[0], {"disabled": False})
    assert len(claim(db, theirs[0])) == 1


def test_a_message_does_not_fail_because_its_endpoint_is_being_deleted(
    db: psycopg.Connection, stack: LocalStack, owner: str, endpoint: str
) -> None:
    name = new_conversation_id()
    conversation = make_conversation(db, name, user_id=owner)
    message = {"message_id": "api:1", "content": "Hello", "type": "BOT", "created_by": "Ada"}
    with (
        psycopg.connect(stack.database_url) as deleting,
        psycopg.connect(stack.database_url, autocommit=True) as adding,
        ThreadPoolExecutor(1) as pool,
    ):
        deleting.execute("select public.delete_endpoint(%s, %s)", [owner, endpoint])
        added = pool.submit(call, adding, "add_message", owner, conversation, message)
        is_waiting = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
        while not rows(db, is_waiting, adding.info.backend_pid):
            assert not added.done()
        deleting.commit()

        assert added.result()["outcome"] == "new"


def test_what_is_deleted_while_on_its_way_is_lost(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    [claimed] = claim(db, endpoint)

    assert call(db, "delete_endpoint", owner, endpoint) is True

    assert finish(db, claimed)[0]["outcome"] == "lost"


def test_old_deliveries_are_pruned_with_their_payloads(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    delivered, failed, waiting = send(db, owner, endpoint, 3)
    claimed = {each["id"]: each for each in claim(db, endpoint)}
    finish(db, claimed[delivered])
    finish(db, claimed[failed], **LAST)
    for table in ("public.webhook_deliveries", "private.outgoing_events"):
        db.execute(f"update {table} set created_at = now() - interval '40 days'")

    call(db, "prune", 30, 60, 1000)

    assert {str(row["id"]) for row in deliveries(db, endpoint)} == {failed, waiting}
    assert (
        rows(
            db,
            "select * from private.outgoing_events where user_id = %s and payload = '{\"n\": 0}'",
            owner,
        )
        == []
    )


def test_endpoints_whose_rate_is_used_up_take_no_turns(db: psycopg.Connection, owner: str) -> None:
    used_up = [make_endpoint(db, owner, rate_per_minute=1) for _ in range(4)]
    for each in used_up:
        send(db, owner, each, 2)
        finish(db, *claim(db, each))
    free = make_endpoint(db, owner)
    send(db, owner, free, 6)
    put_off_all_but(db, *used_up, free)

    found = [claim(db, free, most=1) for _ in range(10)]

    # Each of the others is looked at once.
    assert sum(map(len, found)) == 6


def test_one_that_fails_for_long_but_seldom_is_not_disabled(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint, 10)
    claimed = claim(db, endpoint, concurrency=20)
    finish(db, *claimed[:8], **LAST, disable_after=3600)
    advance(db, endpoint, 3601)

    [ninth] = finish(db, claimed[8], **LAST, disable_after=3600)
    [tenth] = finish(db, claimed[9], **LAST, disable_after=3600)

    assert (ninth["disabled"], tenth["disabled"]) == (None, "failing")


def test_what_failed_after_its_endpoint_was_disabled_goes_out_when_it_is_enabled(
    db: psycopg.Connection, owner: str, endpoint: str
) -> None:
    send(db, owner, endpoint)
    claimed = claim(db, endpoint)
    call(db, "change_endpoint", owner, endpoint, {"disabled": True})
    finish(db, *claimed, **{**FAILED, "retry_seconds": 600})

    call(db, "change_endpoint", owner, endpoint, {"disabled": False})

    assert len(claim(db, endpoint)) == 1


def test_endpoints_that_hang_hide_nobody(db: psycopg.Connection, owner: str) -> None:
    hanging = [make_endpoint(db, owner) for _ in range(4)]
    healthy = make_endpoint(db, owner)
    for each in (*hanging, healthy):
        send(db, owner, each)
    put_off_all_but(db, *hanging, healthy)
    db.execute(
        "update private.endpoint_state set is_suspect = endpoint_id = any(%s::uuid[]),"
        " last_claimed_at = case when endpoint_id = %s then now() else '-infinity' end",
        [hanging, healthy],
    )

    assert len(claim(db, healthy, most=4, most_risky=1)) == 1


def test_endpoints_with_nothing_due_hide_nobody(db: psycopg.Connection, owner: str) -> None:
    waiting = [make_endpoint(db, owner) for _ in range(4)]
    other = make_endpoint(db, owner)
    for each in (*waiting, other):
        send(db, owner, each)
        advance(db, each, 0 if each == other else -600)
    put_off_all_but(db, *waiting, other)
    db.execute(
        "update private.endpoint_state set last_claimed_at = now() where endpoint_id = %s", [other]
    )

    assert len(claim(db, other, most=4)) == 1
