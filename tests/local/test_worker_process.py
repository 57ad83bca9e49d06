"""`convohooks worker` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from services.local.stack import LocalStack

CONVOHOOKS = str(Path(sys.executable).with_name("convohooks"))


def test_worker_starts_and_ends_with_sigterm(stack: LocalStack) -> None:
    env = {**os.environ, **stack.env(), "PUBLIC_BASE_URL": "http://x.example.test"}
    worker = subprocess.Popen([CONVOHOOKS, "worker"], env=env, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert json.loads(worker.stdout.readline())["event"] == "worker started"

    worker.send_signal(signal.SIGTERM)
    rest, _ = worker.communicate(timeout=15)

    assert worker.returncode == 0
    assert json.loads(rest.splitlines()[-1])["event"] == "worker stopped"


def test_worker_names_wrong_settings(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PORT": "x"}

    ended = subprocess.run(
        [CONVOHOOKS, "worker"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "SUPABASE_URL is missing" in ended.stderr
    assert "Traceback" not in ended.stderr
