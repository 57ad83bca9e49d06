"""docs/deploy/ by the letter: each command is run, or there is a reason why it is not."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from services.local import checkout
from services.local.stack import LocalStack
from services.settings import load_settings
from tests.deploy import guides, test_image
from tests.deploy.guides import PAGES, runs, sh, stand_in
from tests.deploy.vm import FIRST

DEPLOY = checkout.ROOT / "deploy"
NAMES = {
    "callback_signing_key", "supabase_secret_key", "tavus_webhook_secret", "tavus_webhook_token",
    "webhook_secrets_key",
}  # fmt: skip
VERSION = runs("compose.md", "export CONVOHOOKS_VERSION=")
SHELL = runs("render.md", "convohooks doctor")
PUSH = runs("README.md", "npx supabase@3.1.0 db push --remote=")
IMPORT = runs("fly.md", "for file in secrets/*")
PRINT = runs("render.md", "for file in secrets/*")


def compose() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((checkout.ROOT / "compose.yaml").read_text())
    return told


def units() -> list[Path]:
    return sorted((DEPLOY / "systemd").iterdir())


def test_every_command_is_run_or_has_a_reason() -> None:
    assert test_image.RUN  # what needs the image is run over there

    assert {page: lines for page, lines in guides.left().items() if lines} == {}


def test_every_reason_is_needed() -> None:
    lines = [
        line
        for path in PAGES.glob("*.md")
        for block in guides.commands(path.name)
        for line in block
    ]

    assert [
        start
        for start in guides.NOT_RUN
        if not any(f"{line}\n".startswith(start) for line in lines)
    ] == []


def test_a_command_in_no_block_of_its_own_is_not_overlooked() -> None:
    """Blocks are commands (sh), settings (ini), output (text): nobody would run a nameless one."""
    for page in PAGES.glob("*.md"):
        fences = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)
        assert {*fences[::2]} <= {"sh", "ini", "text"}, page.name


def test_the_secrets_are_private_and_good(stack: LocalStack, tmp_path: Path) -> None:
    guides.make_secrets(tmp_path, stack)

    files = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert files.keys() == NAMES
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    given = {f"{name.upper()}_FILE": str(path) for name, path in files.items()}
    read = load_settings(
        {**given, "SUPABASE_URL": stack.url, "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x"}
    )
    assert read.supabase_secret_key == stack.secret_key
    assert len(read.tavus_webhook_tokens[0]) == 64
    assert len(read.webhook_secrets_keys) == 1


def test_the_schema_is_pushed_to_an_address(stack: LocalStack, tmp_path: Path) -> None:
    url = stack.empty_database("pushed")
    stand_in(tmp_path / "bin", "npx", guides.cli())
    address = f"{url}?sslmode=disable\n"
    env = {"SUPABASE_YES": "1"}

    first, second = (
        sh(PUSH, checkout.ROOT, stdin=address, programs=tmp_path / "bin", env=env) for _ in range(2)
    )

    with psycopg.connect(url) as connection:
        [row] = connection.execute("select to_regclass('private.webhook_inbox') is not null")
    assert row == (True,)
    page = (guides.PAGES / "README.md").read_text()
    assert first.strip() in page
    assert second.strip() in page


@pytest.mark.parametrize("lines", [IMPORT, PRINT], ids=["fly", "render"])
def test_the_secrets_become_variables(lines: list[str], stack: LocalStack, tmp_path: Path) -> None:
    guides.make_secrets(tmp_path, stack)
    stand_in(tmp_path / "bin", "fly", 'test "$1 $2" = "secrets import" && cat')
    named = [line.replace("<name>", "convohooks") for line in lines]

    told = sh(named, tmp_path, programs=tmp_path / "bin").splitlines()

    given = dict(line.split("=", 1) for line in told)
    assert given.keys() == {name.upper() for name in NAMES}
    assert given["SUPABASE_SECRET_KEY"] == stack.secret_key
    load_settings(
        {**given, "SUPABASE_URL": stack.url, "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x"}
    )


def test_the_image_is_named_after_the_commit() -> None:
    told = sh([*VERSION, 'echo "$CONVOHOOKS_VERSION $CONVOHOOKS_REVISION"'], checkout.ROOT)

    version, revision = told.split()
    assert revision.startswith(version.rpartition("g")[2]) or version.count(".") == 2
    assert SHELL == FIRST


def test_all_places_name_the_same_secrets() -> None:
    told = compose()
    assert told["secrets"].keys() == NAMES
    for name in ("app", "worker"):
        assert {*told["services"][name]["secrets"]} == NAMES
    for unit in units():
        assert {*re.findall(r"^LoadCredential=(\w+):", unit.read_text(), re.MULTILINE)} == NAMES
        assert {*re.findall(r"(\w+)_FILE=%d/\w+", unit.read_text())} == {n.upper() for n in NAMES}
    asked = {
        line["key"]
        for line in yaml.safe_load((DEPLOY / "render.yaml").read_text())["services"][0]["envVars"]
    }
    assert {name.upper() for name in NAMES} <= asked


def test_everything_in_compose_is_hardened() -> None:
    for service in compose()["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert "privileged" not in service
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_fly_runs_what_the_image_has() -> None:
    told = tomllib.loads((DEPLOY / "fly.toml").read_text())

    assert told["processes"]["web"].endswith("gunicorn -c gunicorn.conf.py app:create_app()")
    assert told["processes"]["worker"].endswith("convohooks worker")
    assert told["http_service"]["internal_port"] == int(told["env"]["PORT"])
    assert told["http_service"]["min_machines_running"] == 1


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.name)
def test_systemd_takes_the_units(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/convohooks/current/.venv/bin/", "/bin/true --"))
    verified = subprocess.run(("systemd-analyze", "verify", copy), capture_output=True, text=True)
    rating = subprocess.check_output(
        ("systemd-analyze", "security", "--offline=true", "--json=short", "--threshold=20", copy),
        text=True,
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    exposed = [
        row["name"]
        for row in json.loads(rating)
        if row["exposure"] and float(row["exposure"]) > 0.2
    ]
    assert {*exposed} == {"PrivateNetwork=", "RestrictAddressFamilies=~AF_(INET|INET6)"}


def test_the_command_of_the_vm_has_the_settings_of_the_unit() -> None:
    deploy = checkout.ROOT / "deploy"
    unit = (deploy / "systemd" / "convohooks-web.service").read_text().split()
    [told] = re.findall(r"^for setting in (.*); do$", (deploy / "convohooks").read_text(), re.M)

    assert [setting for setting in told.split() if setting not in unit] == []
    assert {setting.partition("=")[0] for setting in told.split()} == {
        "SPOOL_PATH", "TRUSTED_PROXIES"
    }  # fmt: skip
