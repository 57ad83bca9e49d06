"""Exit with 0 when the web service of this container answers, or the worker (`… worker`), else 1.

It asks whether the process lives, not whether Supabase does: a restart mends the former alone.
"""

from __future__ import annotations

import http.client
import os
import sys

HOST = "127.0.0.1"
SECONDS = 4.0
LIFE = "/health?proof=" + 32 * "0"
"""It answers without asking Supabase, which may keep `/health` waiting."""


def place(part: str) -> tuple[int, str]:
    """Return the port and the path at which a part answers."""
    if part == "worker":
        return int(os.environ["WORKER_METRICS_PORT"]), "/metrics"
    return int(os.environ.get("PORT") or 8000), LIFE


def is_well(part: str) -> bool:
    """Ask it, past any proxy that the environment names."""
    port, path = place(part)
    connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_well(sys.argv[1] if len(sys.argv) > 1 else "web"))
