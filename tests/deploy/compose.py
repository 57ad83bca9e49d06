"""compose.yaml's services in the image, against the tests' Supabase and a Redis."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from checks.image import compose, sandbox
from checks.image.build import Image
from checks.image.compose import Container
from services.local import checkout
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack
from tests.deploy import guides

PATIENCE = 60.0
OWN = guides.runs("compose.md", "sudo chown ")
TRY = guides.runs("compose.md", "docker compose exec ")
INSIDE = "docker compose exec app "


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An image, and the folder with what an operator has put beside compose.yaml."""

    image: Image
    folder: Path
    port: int
    env: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where the service is published."""
        return f"http://{HOST}:{self.port}"

    def secret(self, name: str) -> str:
        """Return a secret that the guide has made."""
        return (self.folder / "secrets" / name).read_text().strip()

    def up(self, name: str) -> Container:
        """Start a service of compose.yaml; return it when its health check passes."""
        service = compose.services(checkout.ROOT / "compose.yaml", self.folder)[name]
        log = self.folder / f"{name}.log"
        container = compose.up(self.image, service, log, self.env)
        began = time.monotonic()
        while container.health() != 0:
            if container.process.poll() is not None or time.monotonic() - began > PATIENCE:
                container.kill()
                raise AssertionError(log.read_text())
        return container

    def inside(self, *command: str, name: str = "app") -> tuple[int, str]:
        """Run a command as `docker compose exec` does; return its exit code and output."""
        service = compose.services(checkout.ROOT / "compose.yaml", self.folder)[name]
        process = sandbox.start(self.image.root, service.ran(self.image, command, self.env))
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output


def deployment(image: Image, folder: Path, stack: LocalStack, redis: str) -> Deployment:
    """Do what the guide says before its `docker compose up`; the ports alone are others."""
    port = free_port()
    (folder / "convohooks.env").write_text(guides.settings(stack, port))
    guides.make_secrets(folder, stack)
    guides.stand_in(folder / "bin", "sudo", 'exec "$@"')
    guides.sh(OWN, folder, programs=folder / "bin")
    ports = {"PORT": str(port), "WORKER_METRICS_PORT": str(free_port())}
    env = {**ports, "RATE_LIMIT_STORAGE_URL": redis}
    return Deployment(image=image, folder=folder, port=port, env=env)


def ready(url: str) -> dict[str, object]:
    """Return what GET /ready tells."""
    told: dict[str, object] = httpx.get(f"{url}/ready", timeout=30).json()
    return told
