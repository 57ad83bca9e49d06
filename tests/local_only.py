"""Which tests need the machinery of the local stack, each with the reason.

They carry the marker `local_only`, and are left out where CONVOHOOKS_TEST_PROJECT names another
Supabase. A key is the beginning of a test's id, or the name of a fixture that it uses.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import pytest

from tests import project

KNOBS = "turns the knobs of the stand-in's Realtime"
DATABASES = "makes databases of its own beside the project's"
CUT = "cuts the connection to Supabase, which a plain forwarder can do on this machine only"
SIGNED = "signs tokens with the project's shared secret (SUPABASE_JWT_SECRET)"

ALWAYS = {
    "tests/chaos/": "kills Postgres and what else the stack is made of",
    "tests/local/test_demo.py": "makes the demo, whose people are the stand-in's",
    "tests/local/test_dev.py": "starts a stand-in of its own",
    "tests/local/test_left_stacks.py": "begins a stand-in of its own",
    "tests/local/test_schema.py": DATABASES,
    "tests/local/test_gateway.py::test_health_needs_no_key": "asks the stand-in itself",
    "tests/local/test_gateway.py::test_the_knobs_need_the_secret_key": KNOBS,
    "tests/local/test_gateway.py::test_an_unknown_key_is_refused[/local/realtime]": KNOBS,
    "blank": DATABASES,
    "turn": KNOBS,
    "turn_realtime": KNOBS,
}
FAR = {
    "tests/web/test_statistics_api.py::test_counts_of_an_outage": CUT,
    "tests/web/test_twilio.py::test_who_calls_while_supabase_is_away": CUT,
    "tests/local/test_worker_metrics.py::test_taken_port": "takes the port of the local Supabase",
    "supabase": CUT,
}
"""Where Supabase is not on this machine."""
UNSIGNED = {
    "tests/client/test_session.py": SIGNED,
    "tests/web/test_doctor.py::test_key_that_is_not_the_projects": SIGNED,
    "forge": SIGNED,
}
"""Where the project's shared secret is not told: hosted projects sign with a key of their own."""


def reasons(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what cannot run against the Supabase that is named, or ever against one not ours."""
    if not project.is_asked_for(environ):
        return ALWAYS
    far = {} if project.is_near(environ) else FAR
    unsigned = {} if environ.get("SUPABASE_JWT_SECRET") else UNSIGNED
    return {**ALWAYS, **far, **unsigned}


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that need the local machinery; leave them out where it is not there."""
    found, is_elsewhere = reasons(), project.is_asked_for()
    for item in items:
        reason = _reason(item, found)
        if reason:
            item.add_marker(pytest.mark.local_only(reason))
        if reason and is_elsewhere:
            item.add_marker(pytest.mark.skip(reason=reason))


def _reason(item: pytest.Item, found: Mapping[str, str]) -> str | None:
    used = getattr(item, "fixturenames", ())
    fixtures = used if "stack" in used else ()
    return next(
        (why for key, why in found.items() if item.nodeid.startswith(key) or key in fixtures),
        None,
    )
