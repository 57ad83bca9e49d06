"""`convohooks calendly`: whom Calendly calls, and that it calls us again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.cli import app
from services.clients import calendly as calendly_client
from services.clients.calendly import CalendlyClient
from services.errors import Unavailable
from services.settings import load_settings
from services.subscriptions import EVENTS, Subscriptions
from services.wiring.worker import wire_worker
from tests.calendly_fake import ORGANIZATION, USER, FakeCalendly, fake_calendly

HERE = "https://hooks.example.test/api/webhooks/calendly"
KEY = "signing-key-of-the-test"
TOKEN = "token of the test"
ENV = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "PUBLIC_BASE_URL": "https://hooks.example.test",
    "CALENDLY_WEBHOOK_SIGNING_KEY": f"{KEY},older-key",
    "CALENDLY_WEBHOOK_TOKEN": TOKEN,
}

Command = Callable[..., Result]


@pytest.fixture(name="calendly")
def _calendly() -> Iterator[FakeCalendly]:
    with fake_calendly() as calendly:
        yield calendly


@pytest.fixture(name="command")
def _command(calendly: FakeCalendly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **more: str) -> Result:
        env = {**ENV, **calendly.settings(), "COLUMNS": "240", **more}
        return CliRunner().invoke(app, ["calendly", *arguments], env=env)

    return run


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_subscribing_gives_calendly_address_events_and_key(
    command: Command, calendly: FakeCalendly
) -> None:
    [made] = told(command("subscribe", "--json"))

    [held] = calendly.subscriptions
    assert (made["outcome"], made["uri"]) == ("created", held["uri"])
    assert (held["callback_url"], held["signing_key_of_the_test"]) == (HERE, KEY)
    assert (held["organization"], held["scope"]) == (ORGANIZATION, "organization")
    assert set(held["events"]) == set(EVENTS)
    assert KEY not in json.dumps(made)


def test_subscribing_twice_is_subscribing_once(command: Command, calendly: FakeCalendly) -> None:
    command("subscribe")

    assert [one["outcome"] for one in told(command("subscribe", "--json"))] == ["current"]
    assert len(calendly.subscriptions) == 1


def test_a_user_may_subscribe_for_themselves(command: Command, calendly: FakeCalendly) -> None:
    told(command("subscribe", "--scope", "user", "--json"))

    assert (calendly.subscriptions[0]["scope"], calendly.subscriptions[0]["user"]) == ("user", USER)


@pytest.mark.parametrize(
    "stale",
    [
        {"state": "disabled", "events": list(EVENTS)},
        {"events": ["invitee.created"]},
        {"callback_url": f"{HERE}?t=older", "events": list(EVENTS)},
    ],
    ids=["disabled", "lacks an event", "older token"],
)
def test_subscribing_makes_what_is_not_as_wanted_anew(
    command: Command, calendly: FakeCalendly, stale: dict[str, Any]
) -> None:
    old = calendly.add(**{"callback_url": HERE, **stale})

    [made] = told(command("subscribe", "--json"))

    assert made["outcome"] == "recreated"
    assert [one["uri"] for one in calendly.subscriptions] == [made["uri"]] != [old["uri"]]
    assert calendly.subscriptions[0]["state"] == "active"


def test_a_new_key_is_given_by_subscribing_again(command: Command, calendly: FakeCalendly) -> None:
    command("subscribe")

    told(command("subscribe", "--again", "--json", CALENDLY_WEBHOOK_SIGNING_KEY="newer-key"))

    [held] = calendly.subscriptions
    assert held["signing_key_of_the_test"] == "newer-key"


def test_without_a_key_the_token_is_in_the_address_but_never_shown(
    command: Command, calendly: FakeCalendly
) -> None:
    made = command("subscribe", CALENDLY_WEBHOOK_SIGNING_KEY="")
    listed = command("list", "--json")

    assert calendly.subscriptions[0]["callback_url"] == f"{HERE}?t=token+of+the+test"
    assert "signing_key_of_the_test" in calendly.subscriptions[0]
    for shown in (made, listed, command("list")):
        assert shown.exit_code == 0
        assert "token+of" not in shown.output


def test_all_are_listed_page_by_page(command: Command, calendly: FakeCalendly) -> None:
    for n in range(5):
        calendly.add(f"https://other.example.test/{n}")
    calendly.add("https://other.example.test/mine", scope="user", state="disabled")

    listed = told(command("list", "--json"))

    assert [one["uri"] for one in listed] == [one["uri"] for one in calendly.subscriptions]
    table = command("list").stdout
    assert "https://other.example.test/mine" in table
    assert "disabled" in table


@pytest.mark.parametrize("by", ["address", "id"])
def test_unsubscribing_removes_one(command: Command, calendly: FakeCalendly, by: str) -> None:
    gone, kept = calendly.add(HERE), calendly.add("https://other.example.test/")
    name = gone["uri"] if by == "address" else gone["uri"].rpartition("/")[2]

    assert told(command("unsubscribe", name, "--json")) == {"removed": name}
    assert calendly.subscriptions == [kept]


def test_people_are_told_in_sentences(command: Command, calendly: FakeCalendly) -> None:
    none = command("repair")
    made = command("subscribe")
    [held] = calendly.subscriptions
    current = command("repair")
    removed = command("unsubscribe", held["uri"])

    assert none.stdout == "No subscription calls this service.\n"
    assert made.stdout == f"created: {held['uri']} calls {HERE}\n"
    assert current.stdout == f"current: {held['uri']} calls {HERE}\n"
    assert removed.stdout == f"Removed {held['uri']}.\n"
    assert [one.exit_code for one in (none, made, current, removed)] == [0] * 4


@pytest.mark.parametrize("name", ["", "..", "a b", "x?y=1", "https://api.calendly.com/#"])
def test_what_names_no_subscription_is_sent_nowhere(
    command: Command, calendly: FakeCalendly, name: str
) -> None:
    result = command("unsubscribe", "--", name)

    assert result.exit_code == 1
    assert "names no subscription" in result.output
    assert calendly.calls == []


def test_repairing_makes_only_ours_anew(command: Command, calendly: FakeCalendly) -> None:
    other = calendly.add("https://other.example.test/", state="disabled")
    lookalike = calendly.add(f"{HERE}2", state="disabled")
    whole = calendly.add(f"{HERE}?t=other", scope="user")
    broken = calendly.add(f"{HERE}?t=older", state="disabled", events=["invitee.canceled"])

    outcomes = {one["uri"]: one["outcome"] for one in told(command("repair", "--json"))}

    held = {one["uri"]: one for one in calendly.subscriptions}
    assert held.keys() >= {other["uri"], lookalike["uri"], whole["uri"]}
    assert broken["uri"] not in held
    assert outcomes.pop(whole["uri"]) == "current"
    [(made, outcome)] = outcomes.items()
    assert (outcome, held[made]["events"]) == ("recreated", ["invitee.canceled"])


def test_the_worker_repairs_by_itself(calendly: FakeCalendly) -> None:
    settings = load_settings({**ENV, **calendly.settings()})
    calendly.add(HERE, state="disabled")
    chores = {chore.name: chore for chore in wire_worker(settings).chores}

    assert chores["calendly"].work() is False

    assert [one["state"] for one in calendly.subscriptions] == ["active"]
    without = wire_worker(replace(settings, calendly_api_key=None)).chores
    assert "calendly" not in {chore.name for chore in without}


def test_what_was_removed_and_could_not_be_made_is_made_by_the_next_repair(
    calendly: FakeCalendly,
) -> None:
    calendly.add(HERE, state="disabled", events=["invitee.canceled"])
    subscriptions = refused_once(calendly, f"Not {HERE}?t=token+of+the+test, {KEY}")

    with pytest.raises(Unavailable) as refused:
        subscriptions.repair()
    assert calendly.subscriptions == []
    made = subscriptions.repair()

    assert refused.value.detail.startswith("The old subscription is gone, and no new one made: Not")
    assert "token+of" not in refused.value.detail
    assert KEY not in refused.value.detail
    assert [one.outcome for one in made] == ["recreated"]
    assert [one["events"] for one in calendly.subscriptions] == [["invitee.canceled"]]
    assert [one.outcome for one in subscriptions.repair()] == ["current"]


def test_one_that_was_made_though_the_answer_was_lost_is_not_made_again(
    calendly: FakeCalendly,
) -> None:
    calendly.add(HERE, state="disabled")
    subscriptions = refused_once(calendly, "Calendly cannot be reached.")
    with pytest.raises(Unavailable):
        subscriptions.repair()
    made = calendly.add(HERE)

    first = subscriptions.repair()
    made["state"] = "disabled"
    second = subscriptions.repair()

    assert [one.outcome for one in first] == ["current"]
    assert [one.outcome for one in second] == ["recreated"]
    assert [one["state"] for one in calendly.subscriptions] == ["active"]


def test_refusal_where_nothing_was_removed_says_nothing_of_an_old_one(
    calendly: FakeCalendly,
) -> None:
    subscriptions = refused_once(calendly, f"Not {HERE}?t=token+of+the+test")

    with pytest.raises(Unavailable) as refused:
        subscriptions.subscribe("user")

    assert refused.value.detail == f"Not {HERE}?t=***"
    assert subscriptions.repair() == []


def test_worker_tells_only_of_what_it_made_anew(calendly: FakeCalendly) -> None:
    settings = load_settings({**ENV, **calendly.settings()})
    subscriptions = Subscriptions(settings=settings, calendly=CalendlyClient(settings))
    calendly.add(f"{HERE}?t=whole", scope="user")
    calendly.add(HERE, state="disabled")

    with capture_logs() as first:
        subscriptions.work()
    with capture_logs() as second:
        subscriptions.work()

    made = [line["subscription"] for line in first if line["log_level"] == "warning"]
    assert made == [calendly.subscriptions[-1]["uri"]]
    assert [line for line in second if line["log_level"] == "warning"] == []


def refused_once(calendly: FakeCalendly, sentence: str) -> Subscriptions:
    """Return Subscriptions at a Calendly that refuses to make the first one."""
    settings = load_settings({**ENV, **calendly.settings()})
    refusals = [Unavailable(sentence)]

    class Refusing(CalendlyClient):
        def subscribe(self, *arguments: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return super().subscribe(*arguments)

    return Subscriptions(settings=settings, calendly=Refusing(settings))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"CALENDLY_API_KEY": ""}, "CALENDLY_API_KEY is not set"),
        ({"CALENDLY_API_KEY": "wrong"}, "does not accept the CALENDLY_API_KEY"),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, "https addresses only"),
        (
            {"CALENDLY_WEBHOOK_SIGNING_KEY": "", "CALENDLY_WEBHOOK_TOKEN": ""},
            "CALENDLY_WEBHOOK_SIGNING_KEY is not set",
        ),
        ({"CALENDLY_BASE_URL": "http://127.0.0.1:1"}, "Calendly cannot be reached"),
        ({"SUPABASE_URL": ""}, "SUPABASE_URL is missing"),
    ],
    ids=str,
)
def test_what_cannot_work_ends_with_a_sentence(
    command: Command, setting: dict[str, str], sentence: str
) -> None:
    result = command("subscribe", **setting)

    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"resource": {"uri": USER}}),
        (200, []),
        (200, None),
        (403, {"title": "Permission Denied", "message": "Please upgrade your Calendly account."}),
    ],
    ids=str,
)
def test_an_answer_that_is_not_as_calendly_says_ends_with_a_sentence(
    command: Command, calendly: FakeCalendly, answer: tuple[int, Any]
) -> None:
    calendly.faults.append(answer)

    result = command("list")

    assert result.exit_code == 1
    assert result.output.startswith("Calendly ")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("answer", [{}, {"collection": None}, ["x"], "x"], ids=str)
def test_an_answer_without_the_list_is_said_to_be_one(
    command: Command, calendly: FakeCalendly, answer: Any
) -> None:
    """Taken for an empty list, it would have a subscription made twice."""
    account = {"resource": {"uri": USER, "current_organization": ORGANIZATION}}
    calendly.faults += [(200, account), (200, answer)]

    result = command("subscribe")

    assert result.exit_code != 0
    assert "Calendly answered without its list of subscriptions." in result.output
    assert calendly.subscriptions == []


def test_a_list_that_never_ends_is_left_in_the_end(
    calendly: FakeCalendly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendly_client, "MAX_PAGES", 3)
    calendly.faults += [
        (200, {"collection": [calendly.add(HERE)], "pagination": {"next_page_token": str(n)}})
        for n in range(9)
    ]
    client = CalendlyClient(load_settings({**ENV, **calendly.settings()}))
    account = calendly_client.Account(uri=USER, current_organization=ORGANIZATION)

    assert len(list(client.subscriptions(account, "organization"))) == 3
    assert len(calendly.faults) == 6
