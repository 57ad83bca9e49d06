"""The copies of libraries that browsers load."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

from services.local import checkout
from services.local.stack import LocalStack

VENDOR = checkout.ROOT / "services" / "web" / "static" / "vendor"
RECORD = VENDOR / "README.md"


def package(stack: LocalStack) -> Path:
    """Return the installed package; whatever starts a stack has installed it."""
    return checkout.NODE_PROJECT / "node_modules" / "@supabase" / "supabase-js"


def copies() -> list[Path]:
    return [*VENDOR.glob("*.js"), *VENDOR.glob("*.css")]


def test_the_copy_is_the_installed_package_byte_for_byte(stack: LocalStack) -> None:
    version = json.loads((package(stack) / "package.json").read_text())["version"]

    copy = (VENDOR / f"supabase-js-{version}.js").read_bytes()

    assert copy == (package(stack) / "dist" / "umd" / "supabase.js").read_bytes()
    licence = (VENDOR / f"supabase-js-{version}.LICENSE").read_bytes()
    assert licence == (package(stack) / "LICENSE").read_bytes()


def test_every_copy_is_the_one_on_record() -> None:
    recorded = re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", RECORD.read_text(), re.MULTILINE)

    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in copies()}

    assert dict(recorded) == found
    assert {file.stem for file in VENDOR.glob("*.LICENSE")} == {Path(name).stem for name in found}


def test_the_pages_load_the_copies_that_are_there() -> None:
    templates = (VENDOR.parents[1] / "templates").glob("*.html")
    modules = (file for file in VENDOR.parent.rglob("*.js") if file.parent != VENDOR)
    text = "".join(page.read_text() for page in (*templates, *modules))

    loaded = set(re.findall(r"vendor/([a-z-]+[0-9.]+\.(?:js|css))", text))

    assert loaded == {file.name for file in copies()}
