"""`convohooks worker`: tries again what failed, and sends webhooks, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.settings import load_settings
from services.telemetry import logs, reporting, tracing
from services.wiring.worker import (
    wire_deliveries,
    wire_drainer,
    wire_worker,
    wire_worker_metrics,
    wire_worker_reports,
)


def run() -> None:
    """Work until SIGTERM or SIGINT; the batch in hand is finished first. Raises SettingsError."""
    settings = load_settings()
    logs.configure(settings.log_level)
    reporting.configure(settings, "worker")
    tracing.configure(settings)
    metrics = wire_worker_metrics(settings)
    if settings.worker_metrics_port:
        metrics.serve(settings.worker_metrics_port)
    reports = wire_worker_reports(settings, metrics)
    worker = wire_worker(settings, metrics)
    drainer = wire_drainer(settings)
    if drainer:
        drainer.start()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: worker.stopping.set())
    deliveries = wire_deliveries(settings, metrics)
    sending = threading.Thread(
        target=deliveries.run, args=(worker.stopping,), name="deliveries", daemon=True
    )
    structlog.get_logger().info("worker started")
    reports.start()
    sending.start()
    with reported():
        worker.run()
        sending.join()
        reports.stop()
        structlog.get_logger().info("worker stopped")


@contextmanager
def reported() -> Iterator[None]:
    """Report what ends a process before its time, and send whatever waits at its end."""
    try:
        yield
    except Exception:
        structlog.get_logger().exception("worker failed")
        raise
    finally:
        reporting.flush()
        tracing.stop()
