"""Which TCP ports are free, and who holds those that are not."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import psutil

from services.local.errors import LocalStackError

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def require_free(ports: Mapping[str, int]) -> None:
    """Raise a LocalStackError unless every setting's port is free and named once."""
    problems = [
        *(f"{a} and {b} both name port {ports[a]}" for a, b in _shared(ports)),
        *(_taken(setting, port) for setting, port in ports.items() if not is_free(port)),
    ]
    if problems:
        raise LocalStackError("\n".join(problems))


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        # A connection tells on systems where a more specific address may be bound beside a
        # listening wildcard.
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _shared(ports: Mapping[str, int]) -> list[tuple[str, str]]:
    names = sorted(ports)
    return [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if ports[a] == ports[b]]


def _taken(setting: str, port: int) -> str:
    return f"Port {port} ({setting} in .env) is in use{_holder(port)}. Stop it or change {setting}."


def _holder(port: int) -> str:
    try:
        pids = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
        ]
        pid = next(pid for pid in pids if pid)
        return f" by {psutil.Process(pid).name()} (process {pid})"
    except (psutil.Error, StopIteration):
        return ""
