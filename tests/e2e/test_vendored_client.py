"""The copy of supabase-js that browsers load."""

from __future__ import annotations

import json
from pathlib import Path

from services.local import checkout
from services.local.stack import LocalStack

VENDOR = checkout.ROOT / "services" / "web" / "static" / "vendor"


def package(stack: LocalStack) -> Path:
    """Return the installed package; whatever starts a stack has installed it."""
    return checkout.NODE_PROJECT / "node_modules" / "@supabase" / "supabase-js"


def test_the_copy_is_the_installed_package_byte_for_byte(stack: LocalStack) -> None:
    version = json.loads((package(stack) / "package.json").read_text())["version"]

    copy = (VENDOR / f"supabase-js-{version}.js").read_bytes()

    assert copy == (package(stack) / "dist" / "umd" / "supabase.js").read_bytes()
    licence = (VENDOR / f"supabase-js-{version}.LICENSE").read_bytes()
    assert licence == (package(stack) / "LICENSE").read_bytes()


def test_the_page_loads_the_copy_that_is_there() -> None:
    page = (VENDOR.parents[1] / "templates" / "live.html").read_text()

    copies = [file.name for file in VENDOR.glob("*.js")]

    assert [name for name in copies if f"vendor/{name}" in page] == copies
    assert len(copies) == 1
