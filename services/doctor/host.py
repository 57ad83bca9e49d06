"""Checks of this machine: the running service, the spool, Redis."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import httpx
from limits.errors import StorageError

from services.doctor.finding import Finding, fail, ok, warn
from services.doctor.patient import Patient
from services.errors import ConvohooksError
from services.limits.counters import MEMORY, counters
from services.outage import mounts
from services.outage.spool import Spool
from services.providers import PROVIDERS
from services.reach.public_url import is_loopback
from services.wiring.parts import wire_spool

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 (to recognise it)
SPOOL, ROOM, ROWS = "spool", "spool room", "spool rows"


def check_service(patient: Patient) -> Finding:
    """The service of this machine can take events, and its circuit is closed."""
    settings, name = patient.settings, "service"
    host = EVERYWHERE.get(settings.bind, settings.bind)
    url = f"http://{host}:{settings.port}"
    try:
        answer = httpx.get(f"{url}/ready", timeout=15, trust_env=False)
        told = answer.json()
        problem, circuit = told.get("detail"), told.get("circuit")
    except httpx.HTTPError:
        return warn(name, f"none answers at {url}", "Start it, or ask on the machine it runs on.")
    except (AttributeError, ValueError):
        problem = circuit = None
    if problem and answer.status_code == 503:
        return fail(name, str(problem), "See the other findings, and its log.")
    if circuit is None:
        return warn(name, f"what answers at {url} is another service", "Set PORT.")
    if circuit != "closed":
        mend = "It tries again by itself; see its log for what Supabase said."
        return fail(name, f"the circuit is {circuit}: events are not committed now", mend)
    return ok(name, f"{url} is ready, the circuit closed")


def check_spool_place(patient: Patient) -> Finding:
    """There is a spool, which can be written and survives a restart."""
    path, spool = patient.settings.spool_path, wire_spool(patient.settings)
    if path is None or spool is None:
        return _no_spool(patient)
    mend = "Set SPOOL_PATH to a file on a local disk that survives a restart."
    if mounts.is_in_memory(path):
        return fail(SPOOL, f"{path} lies in memory, which a restart empties", mend)
    if not path.parent.is_dir():
        return fail(SPOOL, f"there is no folder {path.parent}", f"mkdir -p {path.parent}")
    if problem := _problem_of_file(spool, path):
        return fail(SPOOL, problem, "Let the service's user write it; run this as that user.")
    if mounts.filesystem(path) == "overlay":
        mend = "Put SPOOL_PATH on a volume: a new container does not have the old one's files."
        return warn(SPOOL, f"{path} lies in a container's own layer", mend)
    return ok(SPOOL, f"{path} can be written")


def _no_spool(patient: Patient) -> Finding:
    losing = ", ".join(provider.name for provider in PROVIDERS if not provider.retries)
    calling = ", ".join(provider.name for provider in PROVIDERS if provider.retries)
    seen = f"off. While Supabase is away, events are lost of {losing}; {calling} will call again"
    if is_loopback(patient.settings.supabase_url):
        return ok(SPOOL, f"{seen}. Here Supabase is this machine's own")
    mend = "Set SPOOL_PATH to a file on a local disk that survives a restart."
    return warn(SPOOL, seen, mend)


def _problem_of_file(spool: Spool, path: Path) -> str | None:
    """Try to write. A file that is not there is not made: it would not be the service's."""
    if not _is_there(path):
        return None if os.access(path.parent, os.W_OK | os.X_OK) else f"{path.parent} is closed"
    try:
        spool.check()
    except ConvohooksError as error:
        return f"{path}: {error.detail}"
    finally:
        spool.close()
    return None


def _is_there(path: Path) -> bool:
    """Return whether a file can be seen; the service's folder is closed to everybody else."""
    try:
        return path.exists()
    except PermissionError:
        return False


def check_spool_room(patient: Patient) -> Finding | None:
    """The disk can hold what the spool may grow to."""
    path, most = patient.settings.spool_path, patient.settings.spool_max_bytes
    if path is None or not path.parent.is_dir():
        return None
    free = shutil.disk_usage(path.parent).free
    held = path.stat().st_size if _is_there(path) else 0
    seen = f"{free / 1e6:.0f} MB free; it may grow to {most / 1e6:.0f} MB, and has {held / 1e6:.0f}"
    if free < most - held:
        return fail(ROOM, seen, "Free some room, or lower SPOOL_MAX_BYTES.")
    return ok(ROOM, seen)


def check_spool_rows(patient: Patient) -> Finding | None:
    """Nothing in the spool was given up."""
    path, spool = patient.settings.spool_path, wire_spool(patient.settings)
    if spool is None or path is None or not _is_there(path):
        return None
    try:
        counts = spool.count()
    except ConvohooksError:
        return None  # check_spool_place says why
    finally:
        spool.close()
    if counts.unsendable:
        mend = "`convohooks spool list`, then `convohooks spool retry --all`."
        return fail(ROWS, f"Supabase would not store {counts.unsendable}", mend)
    return ok(ROWS, f"{counts.spooled} wait for Supabase, none was given up")


def check_rate_limits(patient: Patient) -> Finding | None:
    """The Redis that several processes count in answers."""
    url, name = patient.settings.rate_limit_storage_url, "rate limits"
    if url == MEMORY:
        return ok(name, "each process counts for itself")
    try:
        is_there = counters(url).check()
    except (StorageError, ConvohooksError) as error:
        return fail(name, f"the Redis cannot be asked ({type(error).__name__})", _REDIS)
    return ok(name, "the Redis answers") if is_there else fail(name, "no Redis answers", _REDIS)


_REDIS = "Start it, or correct RATE_LIMIT_STORAGE_URL; without it there are no limits."
