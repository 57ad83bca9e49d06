"""Who follows docs/outgoing.md, command by command, gets what it says."""

from __future__ import annotations

import argparse
import re
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template

import httpx
import psycopg

from services.local.stack import LocalStack
from tests.database.events import rows
from tests.web.caller import Caller
from tests.web.people import sign_up

PAGE = Path("docs/outgoing.md").read_text()
CURL = argparse.ArgumentParser()
CURL.add_argument("url")
CURL.add_argument("-X", dest="method")
CURL.add_argument("-H", dest="headers", action="append", default=[])
CURL.add_argument("-d", dest="body")


def commands() -> Iterator[str]:
    """Give every curl command of the page that calls us, on a line of its own."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        if not kind:
            yield from re.split(r"\n(?=curl )", block.strip().replace("\\\n", " "))


def run(command: str, http: httpx.Client, **named: str) -> httpx.Response:
    """Do what curl does with such a command, the variables of the shell being these."""
    told = CURL.parse_args(shlex.split(Template(command).substitute(URL="", **named))[1:])
    headers = dict(header.split(": ", 1) for header in told.headers)
    method = told.method or ("POST" if told.body else "GET")
    return http.request(method, told.url, headers=headers, content=told.body)


def test_commands_of_the_page(caller: Caller, stack: LocalStack, db: psycopg.Connection) -> None:
    ada = sign_up(stack)
    [conversation] = rows(
        db,
        "insert into public.conversations (user_id, conversation_id) values (%s, %s)"
        " returning id::text",
        ada.id,
        f"c{secrets.token_hex(8)}",
    )
    create, configure, test, add, change, rotate, resend, resend_failed = commands()
    named = {"TOKEN": ada.token, "CONVERSATION": str(conversation["id"])}

    made = run(create, caller.http, **named)
    named["ENDPOINT"] = made.json()["id"]
    configured = run(configure, caller.http, **named)
    tested = run(test, caller.http, **named)
    named["DELIVERY"] = tested.json()["id"]
    added = run(add, caller.http, **named)
    named["MESSAGE"] = added.json()["id"]
    answers = [run(command, caller.http, **named) for command in (add, change, rotate, resend)]
    again = run(resend_failed, caller.http, **named)

    assert (made.status_code, configured.status_code) == (201, 201)
    assert made.json()["secret"].startswith("whsec_")
    assert (tested.status_code, tested.json()["event_type"]) == (202, "call.completed")
    assert added.status_code == 201
    assert [answer.status_code for answer in answers] == [200, 200, 200, 202]
    assert answers[0].json() == added.json()
    assert answers[1].json()["status"] == "PROCESSED"
    assert {"secret", "previous_expires_at"} == answers[2].json().keys()
    assert answers[3].json()["webhook_id"] == tested.json()["webhook_id"]
    assert (again.status_code, again.json()) == (202, {"resent": 0})
    queued = rows(
        db, "select event_type from public.webhook_deliveries where user_id = %s order by 1", ada.id
    )
    # The endpoint hears of the new message, the conversation's webhook of both its events.
    assert [row["event_type"] for row in queued] == [
        "call.completed",
        "message.created",
        "message.created",
        "message.processed",
    ]
