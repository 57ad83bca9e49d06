"""Calls functions of the dashboard's modules that need no browser."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from services.local import checkout
from services.local.toolchain import node

MODULES = checkout.ROOT / "services" / "web" / "static" / "dashboard"
CALL = """
import { readFileSync } from "node:fs";
const [path, name] = process.argv.slice(1);
const module = await import(path);
const answer = module[name](...JSON.parse(readFileSync(0, "utf8")));
process.stdout.write(JSON.stringify(answer ?? null));
"""
RUN = """
const module = await import(process.argv[1]);
const answer = await (async () => {%s})();
process.stdout.write(JSON.stringify(answer ?? null));
"""


def call(module: str, function: str, *arguments: Any) -> Any:
    """Return what an exported function of a module answers, by way of JSON."""
    return _told(CALL, (MODULES / module).as_uri(), function, given=json.dumps(arguments))


def run(module: str, script: str) -> Any:
    """Return what a script returns; it knows the module as `module`, and may give it functions."""
    return _told(RUN % script, (MODULES / module).as_uri())


def _told(source: str, *arguments: str, given: str = "") -> Any:
    told = subprocess.run(
        [node(), "--input-type=module", "-e", source, *arguments],
        input=given,
        capture_output=True,
        check=True,
        text=True,
        env={"TZ": "UTC", "NODE_NO_WARNINGS": "1"},
    )
    return json.loads(told.stdout)
