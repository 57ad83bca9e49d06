"""How gunicorn runs the service. https://docs.gunicorn.org/en/stable/settings.html"""

from gevent import monkey

monkey.patch_all()  # before anything imports ssl, sockets or threads

import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from gunicorn.workers.ggevent import GeventWorker  # noqa: E402

from services.errors import SettingsError  # noqa: E402
from services.settings import load_settings, unset  # noqa: E402
from services.telemetry import reporting, tracing  # noqa: E402
from services.telemetry.logs import MaskingFilter  # noqa: E402
from services.web.server import Worker  # noqa: E402

_MEMORY = "/dev/shm"  # noqa: S108 (memory, not a disk)

try:
    _settings = load_settings()
except SettingsError as error:
    sys.exit(str(error))

bind = [f"{_settings.bind}:{_settings.port}"]
if _settings.metrics_port:
    bind.append(f"127.0.0.1:{_settings.metrics_port}")
# One process groups more events into a commit than two do; more only help where there are cores.
workers = _settings.web_concurrency
worker_class = Worker
Worker.request_timeout = _settings.request_timeout
# A waiting connection costs a greenlet, some 20 kB: slow ones must not keep others out.
worker_connections = 4000
# A proxy in front saves handshakes for as long; let it close an idle connection sooner than this,
# or it may send a request on one that is just being closed.
keepalive = 30
# A request that has come in waits 2 s at most for what it looks up and 5 s for its commit, and what
# cannot be committed by then is spooled or refused: it has its answer within these seconds.
graceful_timeout = 10
# gunicorn ends a worker process that shows no life for so long. Requests do not count: they have
# `request_timeout`, and wait in greenlets. Only a process that hangs as a whole is silent.
timeout = 30
# The sign of life is a file's time: in memory, a disk that is busy cannot be taken for a hang. And
# a container whose root file system cannot be written has this folder.
worker_tmp_dir = _MEMORY if os.access(_MEMORY, os.W_OK) else None
# Each process makes its own connections, its own threads of the drainer and the reports.
preload_app = False
# Callback URLs with their token are some 300 bytes; a header that is larger is nobody's.
limit_request_line = 8190
limit_request_field_size = 8190
limit_request_fields = 100
# gunicorn lets a proxy on this machine set SCRIPT_NAME, the start of a path that is not looked at,
# and some pass on what a stranger calls so. Whom to believe what says TRUSTED_PROXIES alone.
forwarded_allow_ips = ""
# A local control socket would be one more door; signals do.
control_socket_disable = True
# Our own log has one line per webhook; gunicorn's would show the tokens of callback URLs.
accesslog = None
# Where several processes add up their metrics; prometheus_client knows it by its variable alone.
_metrics = _settings.prometheus_multiproc_dir
raw_env = [f"PROMETHEUS_MULTIPROC_DIR={_metrics}"] if _metrics else []
if not _metrics:
    # One that is set to nothing means the working folder to it.
    unset("PROMETHEUS_MULTIPROC_DIR")


def post_worker_init(worker: GeventWorker) -> None:
    """Drain what an earlier process has left in the spool, without waiting for an event; report."""
    drainer = worker.wsgi.extensions["drainer"]  # type: ignore[attr-defined]  # it is our Flask
    if drainer:
        drainer.start()
    worker.wsgi.extensions["reports"].start()  # type: ignore[attr-defined]


def worker_exit(server: object, worker: GeventWorker) -> None:
    """Send what a worker process still has to report."""
    if hasattr(worker, "wsgi"):  # it may have ended before it began
        worker.wsgi.extensions["reports"].stop()  # type: ignore[attr-defined]
    reporting.flush()
    tracing.stop()


def on_starting(server: object) -> None:
    """Keep tokens out of gunicorn's error log, in the workers it forks too; forget old metrics."""
    logging.getLogger("gunicorn.error").addFilter(MaskingFilter())
    if _metrics:
        _empty(_metrics)


def child_exit(server: object, worker: GeventWorker) -> None:
    """Let the gauges of a worker process end with it; what it has counted stays."""
    if _metrics:
        # Its first import reads the variable, which gunicorn has set by now.
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid, str(_metrics))  # type: ignore[no-untyped-call]


def _empty(folder: Path) -> None:
    """Remove what earlier processes have counted, and nothing that is not prometheus_client's."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("counter", "histogram", "gauge_*"):
        for file in folder.glob(f"{kind}_[0-9]*.db"):
            file.unlink()
