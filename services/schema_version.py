"""The schema that this code is written for. Made by `make migration`."""

from __future__ import annotations

SCHEMA_VERSION = "cfcd265385a3"
