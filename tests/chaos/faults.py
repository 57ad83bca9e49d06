"""What goes wrong, on purpose."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress

import psutil
import psycopg

from services.local.errors import LocalStackError
from services.local.stack import LocalStack

TERMINATE = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid <> pg_backend_pid() and backend_type = 'client backend'"
)
KILLED = ("service", "worker", "postgrest", "gateway", "postgres")
FAULTS = (*(f"kill {part}" for part in KILLED), "kill a web process", "terminate backends")


def strike(stack: LocalStack, chance: random.Random) -> str:
    """Let one fault happen, drawn by chance; return its name."""
    fault = chance.choice(FAULTS)
    # What was killed a moment ago may not be back yet.
    with suppress(ProcessLookupError, psutil.Error, psycopg.Error, LocalStackError):
        _happen(stack, fault)
    return fault


def _happen(stack: LocalStack, fault: str) -> None:
    if fault == "terminate backends":
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            connection.execute(TERMINATE)
    elif fault == "kill a web process":
        for child in psutil.Process(stack.supervisor.pid("service")).children():
            child.kill()
    else:
        os.kill(stack.supervisor.pid(fault.removeprefix("kill ")), signal.SIGKILL)
