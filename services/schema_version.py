"""The schema that this code is written for. Made by `make migration`."""

from __future__ import annotations

SCHEMA_VERSION = "20261121000000-e2f2483379ef"
