"""`convohooks worker`: tries again what failed, and sends webhooks, until it is told to stop."""

from __future__ import annotations

import signal
import threading

import structlog

from services import logs
from services.settings import load_settings
from services.wiring import wire_deliveries, wire_drainer, wire_worker


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
    deliveries = wire_deliveries(settings)
    sending = threading.Thread(
        target=deliveries.run, args=(worker.stopping,), name="deliveries", daemon=True
    )
    structlog.get_logger().info("worker started")
    sending.start()
    worker.run()
    sending.join()
    structlog.get_logger().info("worker stopped")
