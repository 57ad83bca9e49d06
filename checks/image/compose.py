"""Runs services of compose.yaml in an image: their command, settings, mounts, secrets, health."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from checks.image import sandbox
from checks.image.build import Image
from checks.image.sandbox import Mount, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service as compose.yaml has it; `folder` is where its relative paths begin."""

    name: str
    told: Mapping[str, Any]
    secrets: Mapping[str, str]
    folder: Path

    def run(self, image: Image, env: Mapping[str, str]) -> Run:
        """Return how its command runs, with these variables over its own."""
        return self.ran(image, tuple(self.told.get("command", image.command)), env)

    def health(self, image: Image, env: Mapping[str, str]) -> Run:
        """Return how its health is asked for."""
        test = tuple(self.told.get("healthcheck", {}).get("test", ("CMD", *image.health)))
        return self.ran(image, test[1:], env)

    @property
    def grace(self) -> float:
        """Seconds that it has to stop."""
        return float(self.told["stop_grace_period"].removesuffix("s"))

    def ran(self, image: Image, command: tuple[str, ...], env: Mapping[str, str]) -> Run:
        """Return how any command runs in there."""
        return Run(
            command=command,
            env={**image.env, "HOME": "/nonexistent", **self._settings(), **env},
            folder=image.folder,
            user=int(image.user.partition(":")[0]),
            mounts=tuple(self._mounts()),
            is_read_only=self.told["read_only"],
        )

    def _settings(self) -> dict[str, str]:
        file = dotenv_values(self.folder / self.told["env_file"])
        return {**{name: text or "" for name, text in file.items()}, **self.told["environment"]}

    def _mounts(self) -> list[Mount]:
        memory = (line.partition(":") for line in self.told["tmpfs"])
        volumes = (line.split(":") for line in self.told["volumes"])
        return [
            *(Mount(target=target, options=options) for target, _, options in memory),
            *(Mount(target=to, source=self._volume(name), options="rw") for name, to in volumes),
            *(
                Mount(target=f"/run/secrets/{name}", source=self.folder / self.secrets[name])
                for name in self.told["secrets"]
            ),
        ]

    def _volume(self, name: str) -> Path:
        """Return the folder of a named volume; new ones belong to whom the image says."""
        folder = self.folder / "volumes" / name
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            os.chown(folder, 10001, 10001)
        return folder


@dataclass(slots=True, kw_only=True)
class Container:
    """A service that runs; its output goes to a file."""

    image: Image
    service: Service
    env: Mapping[str, str]
    log: Path
    process: subprocess.Popen[str]

    def health(self) -> int:
        """Return the exit code of its health check."""
        asked = sandbox.start(self.image.root, self.service.health(self.image, self.env))
        asked.communicate()
        return asked.returncode

    def signal(self) -> None:
        """Send the image's stop signal to the first process."""
        number = signal.Signals[self.image.stop_signal]
        os.kill(sandbox.first_process(self.process), number)

    def stop(self) -> int:
        """Stop it as an engine does; return its exit code. Raises TimeoutExpired past its grace."""
        self.signal()
        return self.process.wait(self.service.grace)

    def kill(self) -> None:
        """End it, and all that it has started."""
        sandbox.kill(self.process)


def services(file: Path, folder: Path) -> dict[str, Service]:
    """Return the services of a compose file, their files in another folder."""
    told = yaml.safe_load(file.read_text())
    secrets = {name: secret["file"] for name, secret in told["secrets"].items()}
    return {
        name: Service(name=name, told=service, secrets=secrets, folder=folder)
        for name, service in told["services"].items()
    }


def up(image: Image, service: Service, log: Path, env: Mapping[str, str]) -> Container:
    """Start a service of an image."""
    with log.open("w") as output:
        process = sandbox.start(image.root, service.run(image, env), stdout=output.fileno())
    return Container(image=image, service=service, env=env, log=log, process=process)
