"""The schema that this code is written for. Made by `make migration`."""

from __future__ import annotations

SCHEMA_VERSION = "20e1c591d8c8"
