"""Who sets neither SENTRY_DSN nor an OpenTelemetry endpoint pays for neither package."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from services.telemetry import reporting
from services.telemetry import tracing
from services.cli import worker
from tests.in_process import PATH, TOKEN, client, settings_of
import app
settings = settings_of(**{environment})
app.create_app(settings)
answer = client(settings).post(PATH, query_string={{"t": TOKEN}}, json={{"event_type": "x",
    "conversation_id": "c1"}})
assert answer.status_code == 200, answer.text
reporting.flush()
tracing.stop()
print(*sorted({{name.split(".")[0] for name in sys.modules}} & {{"sentry_sdk", "opentelemetry"}}))
"""


@pytest.mark.parametrize(
    ("environment", "imported"),
    [
        ({}, ""),
        ({"SENTRY_DSN": "http://key@127.0.0.1:9/1"}, "sentry_sdk"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "opentelemetry"),
    ],
    ids=["neither", "Sentry", "OpenTelemetry"],
)
def test_only_what_is_set_is_imported(environment: dict[str, str], imported: str) -> None:
    code = CODE.format(environment=environment)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == imported
