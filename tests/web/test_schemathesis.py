"""The service does what /openapi.json says, whatever it is sent: schemathesis attacks it.

`SCHEMATHESIS_SECONDS=300 pytest tests/web/test_schemathesis.py` goes on for that long as each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.local.stack import LocalStack
from tests.calendly_fake import fake_calendly
from tests.stack import start_service
from tests.tavus_fake import fake_tavus
from tests.web.attack import ALL, QUICK, SENDERS, Attack, attack
from tests.web.caller import SETTINGS, TOKEN
from tests.web.people import make_admin, sign_up

SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "0")) or None
PHASES = ALL if SECONDS else QUICK
PLENTY = "1000000"
TOOL_SECRET, METRICS_TOKEN = "tool-secret-for-tests", "metrics-token-for-tests"


@pytest.fixture(name="url", scope="module")
def _url(stack: LocalStack) -> Iterator[str]:
    """A service in which everything works, and nobody is too fast."""
    with fake_tavus() as tavus, fake_calendly() as calendly:
        service = start_service(
            stack,
            **SETTINGS,
            **tavus.settings(),
            **calendly.settings(),
            TAVUS_TOOL_SECRET=TOOL_SECRET,
            METRICS_TOKEN=METRICS_TOKEN,
            API_REQUESTS_PER_MINUTE=PLENTY,
            CONVERSATIONS_PER_HOUR=PLENTY,
            RELAYED_MESSAGES_PER_MINUTE=PLENTY,
        )
        yield service.url
        service.kill()


def check(told: Attack, folder: Path) -> None:
    done = attack(told, folder)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    print(done.stdout[-1500:])


def test_admin_finds_nothing_wrong(
    url: str, stack: LocalStack, db: psycopg.Connection, tmp_path: Path
) -> None:
    account = sign_up(stack)
    make_admin(db, account)
    tokens = {"person": account.token, "admin": account.token, "operator": METRICS_TOKEN}

    check(Attack(url=url, tokens=tokens, not_tags=SENDERS, seconds=SECONDS), tmp_path)


def test_person_finds_nothing_wrong(url: str, stack: LocalStack, tmp_path: Path) -> None:
    account = sign_up(stack)
    tokens = {"person": account.token, "admin": account.token}

    told = Attack(url=url, tokens=tokens, not_tags=SENDERS, phases=PHASES, seconds=SECONDS)
    check(told, tmp_path)


def test_nobody_finds_nothing_wrong(url: str, tmp_path: Path) -> None:
    check(Attack(url=url, phases=PHASES, seconds=SECONDS), tmp_path)


def test_sender_finds_nothing_wrong(url: str, tmp_path: Path) -> None:
    told = Attack(url=url, tags=SENDERS, signs=True, seconds=SECONDS)

    check(told, tmp_path)


def test_agent_finds_nothing_wrong(url: str, tmp_path: Path) -> None:
    tokens = {"tools-tool-secret": TOOL_SECRET, "tavus-t": TOKEN}

    tags = ("Tools", "Tavus")
    check(Attack(url=url, tokens=tokens, tags=tags, phases=PHASES, seconds=SECONDS), tmp_path)
