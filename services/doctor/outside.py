"""Checks of what others see: the public address, and what Tavus was told of it."""

from __future__ import annotations

from collections import Counter

from services.clients.tavus import TavusClient
from services.doctor.finding import Finding, fail, ok, skip, warn
from services.doctor.patient import Patient
from services.errors import ConvohooksError, SettingsError, TooManyRequests, Unavailable
from services.reach.proof import problem_at
from services.reach.public_url import is_loopback, public_url
from services.redaction import mask_sentence
from services.tavus_setup.callbacks import sync_callbacks

REACH, TAVUS, OBJECTIVES = "from outside", "Tavus", "callbacks at Tavus"
SYNC = "`convohooks callbacks sync`"


def check_reach(patient: Patient) -> Finding:
    """At the public address it is this service that answers, by TLS that callers trust."""
    settings = patient.settings
    url = public_url(settings)
    where = url if url == settings.public_base_url else f"{url} (the tunnel that runs)"
    if is_loopback(url):
        return skip(REACH, f"{where} is this machine's own; `convohooks tunnel` gives another")
    problem = problem_at(url, settings)
    if problem is None:
        return ok(REACH, f"this service answers at {where}")
    if "SSLError" in problem:
        mend = "Renew the proxy's certificate, with its whole chain and for this name."
        return fail(REACH, f"{where}: its certificate is not trusted", mend)
    if "no answer" in problem:
        # Many networks let nobody inside reach their own public address.
        return skip(REACH, f"{where} could not be reached from here: {problem}")
    mend = "Let the address lead to this service, and have both use the same settings."
    return fail(REACH, f"{where}: {problem}", mend)


def check_tavus(patient: Patient) -> Finding:
    """Tavus takes the key."""
    settings = patient.settings
    if not settings.tavus_api_key:
        return skip(TAVUS, "TAVUS_API_KEY is not set: no conversation is begun or reconciled here")
    try:
        TavusClient(settings).get("/personas", limit=1)
    except (Unavailable, TooManyRequests) as error:
        return skip(TAVUS, mask_sentence(error.detail, settings.tavus_webhook_tokens))
    except ConvohooksError as error:
        if getattr(error, "vendor_status", 0) >= 500:
            return skip(TAVUS, mask_sentence(error.detail, settings.tavus_webhook_tokens))
        mend = "Set TAVUS_API_KEY to a key of the account, and TAVUS_BASE_URL to its address."
        return fail(TAVUS, mask_sentence(error.detail, settings.tavus_webhook_tokens), mend)
    return ok(TAVUS, "takes the key")


def check_tavus_callbacks(patient: Patient) -> Finding | None:
    """What calls us from objectives and guardrails has our address, and a token that is valid."""
    settings = patient.settings
    if not settings.tavus_api_key:
        return None
    try:
        found = sync_callbacks(TavusClient(settings), settings, dry_run=True)
    except SettingsError as error:
        return skip(OBJECTIVES, error.detail)
    counts = Counter(callback.outcome for callback in found)
    if counts["to change"]:
        seen = f"{counts['to change']} call an older address of ours, or with another token"
        return fail(OBJECTIVES, seen, f"{SYNC}.")
    if counts["failed"]:
        return skip(OBJECTIVES, f"{counts['failed']} could not be read")
    if counts["none"] and not counts["current"]:
        return warn(OBJECTIVES, f"none of {counts['none']} calls anybody", f"{SYNC} --all.")
    return ok(OBJECTIVES, f"{counts['current']} call this service, {counts['other']} somebody else")
