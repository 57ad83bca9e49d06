"""CONTRIBUTING says how an event, a tool and a setting are added: in a copy, from that page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.local import checkout
from tests.unit.test_adding_a_sender import add_acme, copy_of_the_service, insert
from tests.web.caller import SETTINGS

PAGE = (checkout.ROOT / "CONTRIBUTING.md").read_text()
NEEDED = {
    "SUPABASE_URL": "https://project.example.test",
    "SUPABASE_SECRET_KEY": "sb_secret_of_the_tests",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_of_the_tests",
}
EVENT = """
import json
from services.docs_events import _section
from services.providers import PROVIDERS
print(json.dumps(_section(PROVIDERS[-1])))
"""
TOOL = """
import json
from services.tools.answers import answer
from services.tools.registry import TOOLS
tool = TOOLS["opening_hours"]
told = [tool.run(arguments, "c1", None) for arguments in ({"day": "Sunday"}, {"day": "Monday"}, {})]
print(json.dumps([json.loads(answer(one, tool))["message"] for one in told]))
"""
SETTING = """
import json
from services.settings import load_settings
print(json.dumps(load_settings().greeting))
"""


def section(title: str) -> list[str]:
    """Return the blocks below a heading, as they would stand in files."""
    text = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^   ```\w*\n(.*?)^   ```$", text, re.DOTALL | re.MULTILINE)
    return ["".join(line[3:] or "\n" for line in block.splitlines(True)) for block in found]


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = copy_of_the_service(tmp_path)
    shutil.copy(checkout.ROOT / "pyproject.toml", folder)
    shutil.copy(checkout.ROOT / ".env.example", folder)
    return folder


def told_by(folder: Path, program: str, **env: str) -> Any:
    """Return what a program says of the copy."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**NEEDED, **SETTINGS, **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_well_written(folder: Path, *files: str) -> None:
    run_ruff(folder, "format", "--check", *files)
    run_ruff(folder, "check", *files)


def run_ruff(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "ruff", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_event_is_listed_with_its_key_and_rows(folder: Path) -> None:
    add_acme(folder)
    key, entry, sample = section("Add an event")
    acme = folder / "services/providers/acme.py"
    insert(acme, "ACME = Provider(", f"{key}\n\n")
    old = re.search(r'^    events=\{("order.paid": .*)\},$', acme.read_text(), re.MULTILINE)
    assert old
    both = f"    events={{\n        {old[1]},\n{entry}    }},"
    acme.write_text(acme.read_text().replace(old[0], both))
    (folder / "services/samples/acme/order.shipped.json").write_text(sample)

    listed = told_by(folder, EVENT, ACME_WEBHOOK_SECRET="a-secret")

    assert (
        "| `order.shipped` | Write a paid order as a message of the shop. "
        "| An order's shipping: it is shipped once. <br>`order-000000000002:shipped` "
        "| `received_messages` | `order.shipped` |"
    ) in listed
    assert_well_written(folder, "services/providers/acme.py")


def test_a_tool_answers_the_agent(folder: Path) -> None:
    module, entry = section("Add a tool")
    (folder / "services/tools/opening_hours.py").write_text(module)
    imported, _, table = entry.partition("\n\n")
    registry = folder / "services/tools/registry.py"
    insert(registry, "from services.tools.tool import", f"{imported}\n")
    insert(registry, "    }\n)\n", table)
    run_ruff(folder, "check", "--fix", "--select=I", "services/tools")

    assert told_by(folder, TOOL) == [
        "On Sunday it is closed.",
        "On Monday it is 9 to 18.",
        "Sorry, that did not work. opening_hours needs a day.",
    ]
    assert_well_written(folder, "services/tools")


def test_a_setting_is_read_and_has_its_default(folder: Path) -> None:
    declared, read, example = section("Add a setting")
    insert(folder / "services/settings/settings.py", "    cors_origins: tuple", declared)
    insert(folder / "services/settings/settings.py", "            cors_origins=self.", read)
    with (folder / ".env.example").open("a") as file:
        file.write(example)

    assert told_by(folder, SETTING) == "Hello"
    assert told_by(folder, SETTING, GREETING="Moin") == "Moin"
    assert_well_written(folder, "services/settings/settings.py")
