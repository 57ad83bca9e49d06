"""`convohooks dev` and `convohooks reset`: everything on one machine, and nothing of it left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

from rich.console import Console

from services.cli.console import Screen
from services.cli.output import fail, print_json
from services.local import application, checkout, dotenv, postgres
from services.local.backend import Backend
from services.local.demo import ADMIN, CONVERSATION, EMAIL, sample_curl, seed_demo
from services.local.errors import LocalStackError, StopRequestedError
from services.local.parts import Part
from services.local.ports import HOST, free_port
from services.local.signals import StopSignals
from services.local.stack import LocalStack, discard, discard_idle, local_stack
from services.local.state import State, hold, holder
from services.settings import given
from services.settings.values import items

STOP_LIMIT = 45.0
METRICS_PORTS = ("METRICS_PORT", "WORKER_METRICS_PORT")


def run() -> int:
    """Run the stack until a signal comes; return 0 then, and fail when it could not start."""
    screen = Screen()
    started = time.monotonic()
    try:
        with StopSignals() as signals:
            _run(screen, signals, started)
    except StopRequestedError:
        pass
    except LocalStackError as error:
        fail(str(error))
    screen.say("Stopped.")
    return 0


def clear(as_json: bool) -> int:
    """Stop what runs or is left over, remove the state; fail when something is in the way."""
    screen = Screen(Console(quiet=as_json, highlight=False))
    try:
        _stop_running(screen)
        _remove(State(checkout.STATE))
    except LocalStackError as error:
        fail(str(error))
    screen.say("The local stack is empty. Your .env is as it was.")
    if as_json:
        print_json({"reset": True})
    return 0


def environment(settings: Mapping[str, str], stack: Mapping[str, str]) -> dict[str, str]:
    """Return the service's environment: each call is shown, unless `.env` says otherwise."""
    return {**settings, **stack, "DEBUG_REQUESTS": settings.get("DEBUG_REQUESTS") or "1"}


def _run(screen: Screen, signals: StopSignals, started: float) -> None:
    settings = _settings(screen)
    port = dotenv.local_port(settings, "PORT")
    backend = _backend(settings)
    for name in METRICS_PORTS:
        settings[name] = settings.get(name) or str(free_port())

    def beside(stack: LocalStack) -> list[Part]:
        env = environment(settings, stack.env())
        return [application.service(env, port), application.worker(env)]

    ports = {
        "PORT": port,
        "SUPABASE_URL": backend.gateway_port,
        "DATABASE_URL": backend.database.port,
    }
    with (
        screen.busy("Starting … Ctrl-C stops"),
        local_stack(
            State(checkout.STATE),
            backend,
            pause=signals.pause,
            ports=ports,
            beside=beside,
            report=screen.report,
        ) as stack,
    ):
        if stack.follow_schema():
            screen.say("Brought the database up to the schema of this checkout.")
        seed_demo(stack, settings["PUBLIC_BASE_URL"])
        screen.settle()
        _introduce(screen, stack, settings, port, time.monotonic() - started)
        stack.supervisor.watch(signals.pause)
        screen.say("Stopping …")


def _settings(screen: Screen) -> dict[str, str]:
    """Return every setting's text; the service is given the texts, and no file beside them."""
    if dotenv.prepare(checkout.ENV_FILE, checkout.ENV_EXAMPLE):
        screen.say("Wrote .env with secrets of its own.")
    found = given(dotenv.read(checkout.ENV_FILE))
    if found.problems:
        raise LocalStackError("; ".join(found.problems.values()))
    return {**found.texts, **{f"{name}_FILE": "" for name in found.files}}


def _backend(settings: Mapping[str, str]) -> Backend:
    return Backend(
        gateway_port=dotenv.local_address(settings, "SUPABASE_URL").port,
        database=dotenv.local_address(settings, "DATABASE_URL"),
        publishable_key=settings["SUPABASE_PUBLISHABLE_KEY"],
        secret_key=settings["SUPABASE_SECRET_KEY"],
    )


def _introduce(
    screen: Screen, stack: LocalStack, settings: Mapping[str, str], port: int, seconds: float
) -> None:
    url = f"http://{HOST}:{port}"
    rows = {
        "Service": url,
        "Live page": f"{url}/live/{CONVERSATION}",
        "Dashboard": f"{url}/dashboard",
        "Sign in as": f"{EMAIL} or {ADMIN}  password {stack.secrets.demo_password}",
        "Supabase": stack.url,
        "Metrics": " ".join(f"http://{HOST}:{settings[name]}/metrics" for name in METRICS_PORTS),
        "Publishable key": stack.publishable_key,
        "Secret key": stack.secret_key,
        "Database": stack.database_url,
        "Logs": str(stack.state.folder / "logs"),
    }
    screen.table(f"Ready after {seconds:.1f} s. Ctrl-C stops everything.", rows)
    tokens = items(settings.get("TAVUS_WEBHOOK_TOKEN", ""))
    screen.say("\nSend a callback as Tavus does:", "bold")
    screen.say(sample_curl(url, tokens[0] if tokens else "") + "\n")


def _stop_running(screen: Screen) -> None:
    lock = checkout.STATE / "lock"
    pid = holder(lock)
    if pid is None:
        return
    screen.say(f"Stopping the running `convohooks dev` (process {pid}) …")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT
    while holder(lock) is not None:
        if time.monotonic() > deadline:
            raise LocalStackError(f"Process {pid} does not stop.")
        time.sleep(0.1)


def _remove(state: State) -> None:
    state.create()
    with hold(state.folder / "lock", busy="`convohooks dev` (process {pid}) has just started."):
        discard(state)
        discard_idle(state.folder / "tests")
        postgres.remove_programs(postgres.cluster(state))
