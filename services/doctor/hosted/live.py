"""Checks of Realtime as browsers meet it: a real join, and what the plan carries."""

from __future__ import annotations

import json
import time
from urllib.parse import urlencode

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.patient import Patient
from services.errors import ConvohooksError

JOIN, PLAN = "realtime join", "realtime plan"
TOPIC = "realtime:convohooks-doctor"
PATIENCE = 15.0
"""Seconds until changes must flow: a hosted project takes up to five after the join."""
CHANGES = [{"event": "INSERT", "schema": "public", "table": "processed_webhook_events"}]
JOINING = {
    "topic": TOPIC,
    "event": "phx_join",
    "ref": "1",
    "join_ref": "1",
    "payload": {"config": {"postgres_changes": CHANGES, "private": False}},
}
CHECKED_BY_RLS = 30
"""Changes a second that the smallest compute carries with row-level security."""
FREE, PRO = 100, 500
"""Messages a second of the Free and the Pro plan, over all subscribers."""


def check_join(patient: Patient) -> Finding | None:
    """A browser's socket opens, joins, and is told that changes flow."""
    if isinstance(patient.schema, ConvohooksError):
        return None
    settings = patient.settings
    address = settings.supabase_url.replace("http", "ws", 1)
    query = urlencode({"apikey": settings.supabase_publishable_key, "vsn": "1.0.0"})
    started = time.monotonic()
    try:
        with connect(f"{address}/realtime/v1/websocket?{query}", open_timeout=10) as socket:
            socket.send(json.dumps(JOINING))
            problem = _hear(socket, started + PATIENCE)
    except InvalidStatus as error:
        return _refused(error.response.status_code)
    except (OSError, WebSocketException) as error:
        return skip(JOIN, f"the socket could not be opened ({type(error).__name__})")
    if problem:
        mend = "Dashboard, Realtime: is it on? See docs/realtime.md, and the project's log of it."
        return fail(JOIN, problem, mend)
    return ok(
        JOIN, f"changes flow {time.monotonic() - started:.1f} s after the socket was asked for"
    )


def _hear(socket: Connection, deadline: float) -> str | None:
    """Read until changes flow; return what is wrong when they do not."""
    has_joined = False
    while True:
        try:
            heard = json.loads(socket.recv(timeout=max(deadline - time.monotonic(), 0.0)))
        except TimeoutError:
            return "joined, but no changes flow" if has_joined else "the join got no answer"
        payload = heard.get("payload") or {}
        if heard.get("event") == "phx_reply" and payload.get("status") != "ok":
            reason = str((payload.get("response") or {}).get("reason"))
            return f"the join was refused: {reason[:120]}"
        has_joined = has_joined or heard.get("event") == "phx_reply"
        if heard.get("event") == "system":
            message = str(payload.get("message"))[:160]
            return None if payload.get("status") == "ok" else f"joined, but: {message}"


def _refused(status: int) -> Finding:
    if status == 429:
        mend = "Raise the plan or its limits, or have fewer clients: Dashboard, Realtime, settings."
        return fail(JOIN, "too many connections or joins for the plan (429)", mend)
    if status in (401, 403):
        return fail(JOIN, f"the publishable key is refused ({status})", "Set the project's own.")
    return fail(JOIN, f"no Realtime answers ({status})", "Dashboard, Realtime: switch it on.")


def check_plan(patient: Patient) -> Finding:
    """What the service lets through is no more than Realtime carries."""
    limit = patient.settings.realtime_changes_per_second
    if limit > FREE:
        seen = f"{limit} changes a second; Free carries {FREE} messages a second, Pro {PRO}"
        return warn(PLAN, seen, "Lower REALTIME_CHANGES_PER_SECOND, or broadcast instead.")
    if limit > CHECKED_BY_RLS:
        seen = f"{limit} changes a second; with row-level security a micro carries {CHECKED_BY_RLS}"
        return warn(PLAN, seen, "Set REALTIME_CHANGES_PER_SECOND to what you have measured.")
    seen = f"{limit} changes a second; times subscribers: {FREE} messages on Free, {PRO} on Pro"
    return ok(PLAN, seen)
