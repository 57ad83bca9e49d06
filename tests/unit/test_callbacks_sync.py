"""`convohooks callbacks sync`: what led to us leads to where we are; the rest is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from services.clients.tavus import TavusClient
from services.errors import SettingsError
from services.settings import Settings, load_settings
from services.tavus_setup.callbacks import callback_url, judge, shown, sync_callbacks
from services.tavus_setup.following import follow
from tests.tavus_fake import FakeTavus
from tests.unit.tavus_commands import (
    OURS,
    TEXTS,
    TOKEN,
    Command,
    _command,
    _settings,
    _tavus,
    told,
)

__all__ = ["_command", "_settings", "_tavus"]

OLD = "https://old-name.loca.lt/api/webhook/qualification?t=old-token"
THEIRS = "https://their.example.test/hook?secret=hush"


def item(name: str, url: Any) -> dict[str, Any]:
    made = {"objective_name": name, "objective_prompt": "Ask.", "output_variables": []}
    return made if url is ... else {**made, "callback_url": url}


def hold(tavus: FakeTavus) -> None:
    """Let Tavus have objectives, a flat guardrail and a set of guardrails."""
    tavus.resources["objectives"]["o1"] = {
        "objectives_id": "o1",
        "name": "demo",
        "data": [item("ours", OURS), item("older", OLD), item("theirs", THEIRS), item("none", ...)],
    }
    tavus.resources["guardrails"]["g1"] = {
        "uuid": "g1",
        "guardrail_name": "flat",
        "guardrail_prompt": "No.",
        "callback_url": OLD,
    }
    tavus.resources["guardrails"]["g2"] = {
        "guardrails_id": "g2",
        "name": "legacy",
        "data": [
            {"guardrail_name": "first", "callback_url": None},
            {"guardrail_name": "second", "callback_url": "http://1.example.test/api/tavus/webhook"},
        ],
    }


def urls(tavus: FakeTavus) -> dict[str, Any]:
    rows = [*tavus.resources["objectives"].values(), *tavus.resources["guardrails"].values()]
    items = [part for row in rows for part in row.get("data", [row])]
    name = ("objective_name", "guardrail_name")
    return {next(i[n] for n in name if n in i): i.get("callback_url", ...) for i in items}


def outcomes(found: Any) -> dict[str, str]:
    return {callback["name"]: callback["outcome"] for callback in found["callbacks"]}


def test_only_what_led_to_us_is_changed(command: Command, tavus: FakeTavus) -> None:
    hold(tavus)

    done = command("callbacks", "sync", "--json")

    assert done.exit_code == 0
    assert urls(tavus) == {
        "ours": OURS,
        "older": OURS,
        "theirs": THEIRS,
        "none": ...,
        "flat": OURS,
        "first": None,
        "second": OURS,
    }
    assert outcomes(told(done)) == {
        "ours": "current",
        "older": "changed",
        "theirs": "other",
        "none": "none",
        "flat": "changed",
        "first": "none",
        "second": "changed",
    }
    assert "hush" not in done.stdout


def test_second_sync_asks_and_changes_nothing(command: Command, tavus: FakeTavus) -> None:
    hold(tavus)
    command("callbacks", "sync")
    changed = len(tavus.called("PATCH", ".*"))

    done = command("callbacks", "sync")

    assert done.exit_code == 0
    assert changed == 3
    assert len(tavus.called("PATCH", ".*")) == changed


def test_one_call_changes_a_set(command: Command, tavus: FakeTavus) -> None:
    tavus.resources["objectives"]["o1"] = {
        "uuid": "o1",
        "name": "demo",
        "data": [item("a", OLD), item("b", THEIRS), item("c", OLD)],
    }

    command("callbacks", "sync")

    [call] = tavus.called("PATCH", "/objectives/o1")
    assert call.body == [
        {"op": "replace", "path": "/data/0/callback_url", "value": OURS},
        {"op": "replace", "path": "/data/2/callback_url", "value": OURS},
    ]


def test_all_gives_one_to_what_has_none(command: Command, tavus: FakeTavus) -> None:
    hold(tavus)

    command("callbacks", "sync", "--all")

    assert [name for name, url in urls(tavus).items() if url != OURS] == ["theirs"]


def test_dry_run_changes_nothing(command: Command, tavus: FakeTavus) -> None:
    hold(tavus)
    before = urls(tavus)

    done = command("callbacks", "sync", "--dry-run", "--json")

    assert urls(tavus) == before
    assert outcomes(told(done))["older"] == "to change"


def test_one_failure_does_not_keep_the_others(command: Command, tavus: FakeTavus) -> None:
    hold(tavus)
    # A refusal that repeats what was sent, token and all.
    tavus.fail("PATCH", "/objectives/o1", status=400, body={"error": f"Invalid value {OURS}"})

    done = command("callbacks", "sync")

    assert done.exit_code == 1
    assert "failed" in done.stdout
    assert "Invalid value https://hooks.example.test/api/tavus/webhook?t=***" in done.stdout
    assert urls(tavus)["flat"] == OURS


@pytest.mark.parametrize("path", ["/objectives", "/guardrails"])
def test_a_list_that_fails_is_told(command: Command, tavus: FakeTavus, path: str) -> None:
    hold(tavus)
    tavus.fail("GET", path, status=500, times=3)

    done = command("callbacks", "sync", "--json")

    assert done.exit_code == 1
    assert list(outcomes(told(done)).values()).count("failed") == 1
    assert "changed" in outcomes(told(done)).values()


def test_unchanged_is_fine(command: Command, tavus: FakeTavus) -> None:
    hold(tavus)
    tavus.fail("PATCH", "/objectives/o1", status=304)

    done = command("callbacks", "sync", "--json")

    assert done.exit_code == 0
    assert outcomes(told(done))["older"] == "unchanged"


def test_details_that_the_list_leaves_out_are_read(tavus: FakeTavus, settings: Settings) -> None:
    tavus.resources["objectives"]["o 1/x"] = {"uuid": "o 1/x", "name": "demo"}
    whole = {"uuid": "o 1/x", "data": [item("older", OLD)]}
    tavus.fail("GET", "/objectives/o%201%2Fx", status=200, body=whole)

    [found] = sync_callbacks(TavusClient(settings), settings, dry_run=True)

    assert (found.name, found.outcome) == ("older", "to change")


def test_set_of_which_tavus_tells_no_details_is_told_as_failed(
    tavus: FakeTavus, settings: Settings
) -> None:
    tavus.resources["objectives"]["o1"] = {"uuid": "o1", "name": "demo"}
    tavus.fail("GET", "/objectives/o1", status=200, body=["?"])

    [found] = sync_callbacks(TavusClient(settings), settings)

    assert (found.name, found.outcome) == ("demo", "failed")
    assert found.reason == "Tavus told nothing of /objectives/o1."


def test_set_without_objectives_has_no_callback(tavus: FakeTavus, settings: Settings) -> None:
    tavus.resources["objectives"]["o1"] = {"uuid": "o1", "name": "demo", "callback_url": OLD}
    tavus.resources["guardrails"]["g1"] = {"uuid": "g1", "name": "flat", "callback_url": OLD}

    found = sync_callbacks(TavusClient(settings), settings)

    assert [(callback.kind, callback.outcome) for callback in found] == [("guardrail", "changed")]
    assert tavus.called("PATCH", "/objectives/.*") == []


def test_more_than_a_page_is_synced(command: Command, tavus: FakeTavus) -> None:
    for n in range(130):
        row = {"uuid": f"o{n}", "name": f"set {n}", "data": [item(f"older {n}", OLD)]}
        tavus.resources["objectives"][f"o{n}"] = row

    command("callbacks", "sync")

    assert set(urls(tavus).values()) == {OURS}


def test_strange_objects_are_no_obstacle(command: Command, tavus: FakeTavus) -> None:
    tavus.resources["objectives"]["o1"] = {
        "uuid": "o1",
        "name": "strange",
        "data": [None, "x", item("list", [OLD]), item("no url", "http://[::1"), item("older", OLD)],
    }
    tavus.resources["objectives"]["o2"] = {"name": "no id", "data": [item("lost", OLD)]}
    tavus.resources["objectives"]["o3"] = {"uuid": "o3", "name": "\x1b[2J", "data": [item("", OLD)]}

    done = command("callbacks", "sync")

    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert tavus.resources["objectives"]["o1"]["data"][4]["callback_url"] == OURS
    assert tavus.resources["objectives"]["o3"]["data"][0]["callback_url"] == OURS


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (OURS, "current"),
        (f"{OURS}&x=1", "current"),
        (OURS.replace("hooks.example.test", "HOOKS.example.test:443"), "current"),
        (OURS.replace("tavus/webhook", "webhook/qualification"), "current"),
        (OURS.replace("https", "http"), "to change"),
        (OURS.replace("hooks.", "other."), "to change"),
        (OURS.replace("hooks.", "user@hooks."), "to change"),
        (OURS.replace("hooks.example.test", "hooks.example.test:8443"), "to change"),
        (OURS.replace("hooks.example.test", "hooks.example.test/below"), "to change"),
        (OURS.partition("?")[0], "to change"),
        (OURS.partition("?")[0] + "?t=old-token", "to change"),
        (f"{OURS}&t=second", "to change"),
        ("https://hooks.example.test/other?t=x", "other"),
        ("https://p.supabase.example.test/functions/v1/tavus-webhook", "other"),
        ("ftp://hooks.example.test/api/tavus/webhook", "other"),
        ("/api/tavus/webhook", "other"),
        ("https://[broken/api/tavus/webhook", "other"),
        ("https://x.example.test:99999/api/tavus/webhook", "other"),
        (7, "other"),
        ({"a": 1}, "other"),
        (["x"], "other"),
        (None, "none"),
        ("", "none"),
    ],
)
def test_whose_url_it_is(url: Any, expected: str) -> None:
    assert judge(url, OURS) == expected
    assert "token" not in (shown(url) or "")


def test_url_is_where_the_service_is(settings: Settings) -> None:
    assert callback_url(settings) == OURS
    assert callback_url(settings, "https://x.example.test") == OURS.replace("hooks.", "x.")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"TAVUS_WEBHOOK_TOKEN": ""}, "TAVUS_WEBHOOK_TOKEN"),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, "convohooks tunnel"),
        ({"PUBLIC_BASE_URL": "http://localhost:8000"}, "convohooks tunnel"),
        ({"TAVUS_WEBHOOK_TOKEN": "x" * 3000}, "longer"),
    ],
)
def test_url_that_could_not_work_is_refused(change: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        callback_url(load_settings({**TEXTS, **change}))


def test_without_key_nothing_is_called(command: Command, tavus: FakeTavus) -> None:
    done = command("callbacks", "sync", TAVUS_API_KEY="")

    assert done.exit_code == 1
    assert "TAVUS_API_KEY is not set" in done.stderr
    assert tavus.calls == []


def test_wrong_key_is_told(command: Command) -> None:
    done = command("callbacks", "sync", TAVUS_API_KEY="another")

    assert done.exit_code == 1
    assert "does not accept" in done.stdout


def tool(name: str, url: str, auth: str) -> dict[str, Any]:
    api = {"url": url, "auth": {"type": auth}}
    return {"tool_id": name, "name": name, "delivery": {"api": api}}


def test_tools_follow_a_new_address_too(tavus: FakeTavus, settings: Settings) -> None:
    hold(tavus)
    ours = "https://old.example.test/api/tavus/tools"
    tavus.resources["tools"] = {
        "fetch_video": tool("fetch_video", ours, "hmac"),
        "display_cta": tool("display_cta", f"{ours}/display_cta", "bearer"),
        "theirs": tool("theirs", "https://their.example.test/tool", "hmac"),
    }
    secret = {"TAVUS_WEBHOOK_SECRET": "tool-secret"}
    settings = load_settings({**TEXTS, **tavus.settings(), **secret})

    done = follow(TavusClient(settings), settings, "https://new.example.test")

    assert done == {
        "counts": {"changed": 4, "other": 1, "none": 2},
        "tools": {"changed": 2},
        "failed": None,
    }
    apis = {name: row["delivery"]["api"] for name, row in tavus.resources["tools"].items()}
    assert apis["fetch_video"]["url"] == "https://new.example.test/api/tavus/tools"
    assert apis["display_cta"]["url"] == "https://new.example.test/api/tavus/tools/display_cta"
    assert apis["theirs"]["url"] == "https://their.example.test/tool"


def test_tools_that_tavus_does_not_have_are_not_made(tavus: FakeTavus, settings: Settings) -> None:
    tavus.resources["tools"]["t"] = {"name": "fetch_video", "delivery": {"app_message": True}}

    done = follow(TavusClient(settings), settings, "https://new.example.test")

    assert (done["tools"], done["failed"]) == ({}, None)
    assert tavus.called("POST", ".*") == []


def test_callbacks_that_cannot_follow_do_not_keep_the_tools(tavus: FakeTavus) -> None:
    ours = "https://old.example.test/api/tavus/tools"
    tavus.resources["tools"]["fetch_video"] = tool("fetch_video", ours, "hmac")
    more = {"TAVUS_WEBHOOK_TOKEN": "", "TAVUS_WEBHOOK_SECRET": "tool-secret"}
    settings = load_settings({**TEXTS, **tavus.settings(), **more})

    done = follow(TavusClient(settings), settings, "https://new.example.test")

    assert (done["counts"], done["tools"]) == ({}, {"changed": 1})
    assert done["failed"].startswith("TAVUS_WEBHOOK_TOKEN is not set")


def test_tools_that_cannot_follow_do_not_keep_the_callbacks(
    tavus: FakeTavus, settings: Settings
) -> None:
    hold(tavus)
    tavus.fail("GET", "/tools", status=400, body={"message": f"Not with {TOKEN}"})

    done = follow(TavusClient(settings), settings, "https://new.example.test")

    assert (done["counts"]["changed"], done["tools"]) == (4, {})
    assert done["failed"] == f"Tavus refused the call (400): Not with {'*' * len(TOKEN)}"


def test_tool_at_what_is_no_address_is_not_ours(tavus: FakeTavus, settings: Settings) -> None:
    broken = "https://[broken/api/tavus/tools"
    tavus.resources["tools"]["fetch_video"] = tool("fetch_video", broken, "hmac")

    done = follow(TavusClient(settings), settings, "https://new.example.test")

    assert (done["tools"], done["failed"]) == ({}, None)
    assert tavus.resources["tools"]["fetch_video"]["delivery"]["api"]["url"] == broken
