"""`convohooks worker`: tries again what failed, until it is told to stop."""

from __future__ import annotations

import signal

import structlog

from services import logs
from services.settings import load_settings
from services.wiring import wire_drainer, wire_worker


def run() -> None:
    """Work until SIGTERM or SIGINT; the batch in hand is finished first. Raises SettingsError."""
    settings = load_settings()
    logs.configure(settings.log_level)
    worker = wire_worker(settings)
    drainer = wire_drainer(settings)
    if drainer:
        drainer.start()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: worker.stopping.set())
    structlog.get_logger().info("worker started")
    worker.run()
    structlog.get_logger().info("worker stopped")
