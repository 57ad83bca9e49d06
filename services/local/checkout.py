"""Where this checkout and its files lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "supabase" / "migrations"
RELEASED = ROOT / "supabase" / "released.sha256"
NODE_PROJECT = ROOT / "supabase" / "local"
STATE = ROOT / ".convohooks"
ENV_FILE = ROOT / ".env"
ENV_EXAMPLE = ROOT / ".env.example"
