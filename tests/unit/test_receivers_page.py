"""docs/receivers.md shows an example as it is, leads to all of them, and a signature that fits."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from standardwebhooks import Webhook

EXAMPLES = Path("examples/receivers")
PAGE = Path("docs/receivers.md").read_text()
SHOWN = (".py", ".js")


def test_page_shows_an_example_as_it_is_and_leads_to_every_one() -> None:
    [(name, code)] = re.findall(
        r"^`examples/receivers/(\S+)`\n\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
    )
    files = {
        str(path.relative_to(EXAMPLES))
        for path in EXAMPLES.rglob("*")
        if path.suffix in SHOWN and "node_modules" not in path.parts
    }

    assert code == (EXAMPLES / name).read_text()
    assert set(re.findall(r"\]\(\.\./examples/receivers/([^)]+\.\w+)\)", PAGE)) == files


def test_every_example_is_run_as_the_page_says() -> None:
    for name, command in re.findall(r"receivers/([^)]+)\) \| `(.+)` \|", PAGE):
        assert f"Run it: {command}" in (EXAMPLES / name).read_text()


def test_signature_by_hand_is_that_of_the_library() -> None:
    told = dict(re.findall(r"^\| `?([a-z-]+)`? \| `(.+)` \|$", PAGE, re.MULTILINE))
    at = datetime.fromtimestamp(int(told["webhook-timestamp"]), UTC)

    signature = Webhook(told["secret"]).sign(told["webhook-id"], at, told["body"])

    assert signature == told["webhook-signature"]


def test_piece_for_tests_works_with_an_example(tmp_path: Path) -> None:
    piece = PAGE.rpartition("```python\n")[2].partition("```")[0]
    key = "whsec_" + base64.b64encode(b"k" * 24).decode()
    env = {**os.environ, "WEBHOOK_SECRET": key, "INBOX": str(tmp_path / "inbox.db")}
    program = f"from flask_app import app\nclient, secret = app.test_client(), {key!r}\n{piece}"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=EXAMPLES, env=env, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
