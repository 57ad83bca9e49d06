"""A service and a worker that may tell receivers on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.local.stack import LocalStack
from tests.stack import start_service
from tests.web.caller import SETTINGS

LOCAL = {**SETTINGS, "WEBHOOK_ALLOW_LOCAL": "1"}


@contextmanager
def local_service(stack: LocalStack, **settings: str) -> Iterator[str]:
    """Run the web service; give its address."""
    service = start_service(stack, **{**LOCAL, **settings})
    try:
        yield service.url
    finally:
        service.kill()


@contextmanager
def local_worker(stack: LocalStack) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker, which tells receivers on this machine too."""
    command = [str(Path(sys.executable).with_name("convohooks")), "worker"]
    env = {**os.environ, **stack.env(), **LOCAL}
    worker = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait(timeout=30)
