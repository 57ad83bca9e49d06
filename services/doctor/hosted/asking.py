"""How the checks of a hosted project ask it: over HTTP/1.1, as any client with a key may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from services.doctor.patient import Patient

TIMEOUT = (3.05, 10.0)


def ask(patient: Patient, path: str, key: str, **headers: str) -> requests.Response:
    """Return the project's answer to GET. Raises requests.RequestException."""
    url = f"{patient.settings.supabase_url}{path}"
    return requests.get(url, headers=_headers(key, headers), timeout=TIMEOUT)


def call(patient: Patient, function: str, key: str, **arguments: object) -> requests.Response:
    """Return the project's answer to a call of a function. Raises requests.RequestException."""
    url = f"{patient.settings.supabase_url}/rest/v1/rpc/{function}"
    return requests.post(url, json=arguments, headers=_headers(key, {}), timeout=TIMEOUT)


def json_of(answer: requests.Response) -> Any:
    """Return what an answer says, None where it is no JSON."""
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _headers(key: str, others: Mapping[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in others.items()}
    return {"apikey": key, "Authorization": f"Bearer {key}", **named}
