"""The machine and the moment, without which no figure says anything."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

import psutil


def describe(generator: str) -> str:
    """Return one line: date, cores, memory, system, Python, load generator, load average."""
    memory = round(psutil.virtual_memory().total / 2**30)
    return " · ".join(
        (
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"{os.cpu_count()} cores ({_processor()})",
            f"{memory} GB",
            f"{platform.system()} {platform.machine()}",
            f"Python {platform.python_version()}",
            f"load by {generator}",
            "load average before " + " ".join(f"{load:.1f}" for load in os.getloadavg()),
        )
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = (line.split(":", 1)[1].strip() for line in lines if "model name" in line)
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()
