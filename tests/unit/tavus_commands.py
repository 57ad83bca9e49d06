"""The commands that set something up at Tavus, called as from a shell, at a Tavus of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli import app
from services.settings import Settings, load_settings
from tests.tavus_fake import FakeTavus, fake_tavus

TOKEN = "new token/of+the&test"
BASE_URL = "https://hooks.example.test"
OURS = f"{BASE_URL}/api/tavus/webhook?t=new+token%2Fof%2Bthe%26test"
TEXTS = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_of_the_test",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_of_the_test",
    "PUBLIC_BASE_URL": BASE_URL,
    "TAVUS_WEBHOOK_TOKEN": f"{TOKEN},old-token",
}

Command = Callable[..., Result]


@pytest.fixture(name="tavus")
def _tavus() -> Iterator[FakeTavus]:
    with fake_tavus() as tavus:
        yield tavus


@pytest.fixture(name="settings")
def _settings(tavus: FakeTavus) -> Settings:
    return load_settings({**TEXTS, **tavus.settings()})


@pytest.fixture(name="command")
def _command(tavus: FakeTavus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `convohooks …` in a folder without .env; nothing that it prints holds a token."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **more: str) -> Result:
        env = {**TEXTS, **tavus.settings(), "COLUMNS": "250", **more}
        done = CliRunner().invoke(app, arguments, env=env)
        printed = done.stdout + done.stderr
        for form in (TOKEN, "new+token", "new%20token", "old-token"):
            assert form not in printed
        assert "Traceback" not in printed
        return done

    return run


def told(done: Result) -> Any:
    """Return the JSON that a command has printed."""
    return json.loads(done.stdout)
