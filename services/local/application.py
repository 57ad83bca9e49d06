"""Our own processes as parts: the web service, and what else runs beside it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from services.local import checkout
from services.local.parts import Part, answers
from services.local.ports import HOST


def service(env: Mapping[str, str], port: int, cwd: Path = checkout.ROOT) -> Part:
    """Return the web service, which is ready when it answers GET /health."""
    return Part(
        name="service",
        command=_command("gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"),
        cwd=cwd,
        env={**env, "PORT": str(port), "PYTHONUNBUFFERED": "1"},
        after=("gateway",),
        ready=answers(f"http://{HOST}:{port}/health"),
        grace=10.0,
    )


def worker(env: Mapping[str, str], cwd: Path = checkout.ROOT) -> Part:
    """Return the worker; there is nothing to ask it, so it is ready when it runs."""
    return Part(
        name="worker",
        command=(str(Path(sys.executable).with_name("convohooks")), "worker"),
        cwd=cwd,
        env={**env, "PYTHONUNBUFFERED": "1"},
        after=("gateway",),
        grace=15.0,
    )


def _command(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
