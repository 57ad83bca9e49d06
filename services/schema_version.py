"""The schema that this code is written for. Made by `make migration`."""

from __future__ import annotations

SCHEMA_VERSION = "20261121000000-b6c55dc62700"
