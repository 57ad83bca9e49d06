"""Performs a Dockerfile's steps, each stage in a root of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from docker.utils.build import exclude_paths  # type: ignore[import-untyped]

from checks.image import sandbox
from checks.image.recipe import Stage, Step, argument, pairs, read_recipe, unquoted
from checks.image.sandbox import Mount, Run

REACHING = re.compile(r"(?i)pip_(cert|index_url)|https?_proxy|no_proxy|ssl_cert_file")
"""Variables by which this machine reaches its package index; an engine passes proxies on too."""


class BuildError(Exception):
    """A step failed, or is none that can be performed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A root file system, and how it is run."""

    root: Path
    env: Mapping[str, str] = field(
        default_factory=lambda: {"PATH": sandbox.PATH, "LANG": "C.UTF-8"}
    )
    folder: str = "/"
    user: str = "0"
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"


@dataclass(slots=True, kw_only=True)
class Builder:
    """Builds images of one context. `caches` are folders for RUN's cache mounts, by target."""

    context: Path
    folder: Path
    caches: Mapping[str, Path]
    report: Callable[[str, float], None] = lambda text, seconds: None
    built: dict[str, Image] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)

    def build(self) -> Image:
        """Return the last stage's image. Raises BuildError with the output of what failed."""
        self._send()
        given, stages = read_recipe(self.context / "Dockerfile")
        for number, stage in enumerate(stages):
            image = self._performed(stage, self.folder / f"stage-{number}")
            self.built |= {str(number): image, stage.name or str(number): image}
        self.arguments.update(given)
        return self.built[str(len(stages) - 1)]

    def _send(self) -> None:
        """Copy what .dockerignore lets through: a build sees nothing else of the context."""
        lines = (self.context / ".dockerignore").read_text().splitlines()
        patterns = [line.strip() for line in lines if line.strip() and line[0] != "#"]
        for path in map(Path, sorted(exclude_paths(str(self.context), patterns))):
            source, target = self.context / path, self.folder / "context" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                target.mkdir(exist_ok=True)
            else:
                shutil.copy2(source, target)

    def _performed(self, stage: Stage, root: Path) -> Image:
        root.mkdir(parents=True)
        sandbox.lay_out(root)
        image, self.arguments = Image(root=root), {}
        for step in stage.steps:
            began = time.monotonic()
            perform = getattr(self, f"_{step.name.lower()}", None)
            if perform is None:
                raise BuildError(f"{step.name} cannot be performed here.")
            image = perform(image, step)
            self.report(step.text, time.monotonic() - began)
        return image

    def _arg(self, image: Image, step: Step) -> Image:
        name, default = argument(step)
        self.arguments[name] = default
        return image

    def _env(self, image: Image, step: Step) -> Image:
        return replace(image, env={**image.env, **pairs(step, self._values(image))})

    def _label(self, image: Image, step: Step) -> Image:
        return replace(image, labels={**image.labels, **pairs(step, self._values(image))})

    def _workdir(self, image: Image, step: Step) -> Image:
        folder = self._absolute(image, step.words[0])
        (image.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return replace(image, folder=folder)

    def _user(self, image: Image, step: Step) -> Image:
        return replace(image, user=step.words[0])

    def _expose(self, image: Image, step: Step) -> Image:
        return image

    def _stopsignal(self, image: Image, step: Step) -> Image:
        return replace(image, stop_signal=step.words[0])

    def _cmd(self, image: Image, step: Step) -> Image:
        return replace(image, command=_exec_form(step, step.words))

    def _healthcheck(self, image: Image, step: Step) -> Image:
        return replace(image, health=_exec_form(step, step.words[1:]))

    def _run(self, image: Image, step: Step) -> Image:
        # What a shell would make of it is the shell's: words of the shell form are one text.
        command = step.words if step.is_exec else ("/bin/sh", "-c", step.words[0])
        env = {name: text for name, text in os.environ.items() if REACHING.fullmatch(name)}
        run = Run(
            command=command,
            env={**env, **self._values(image), "HOME": "/root"},
            folder=image.folder,
            mounts=(*self._cache_mounts(step), Mount(target="/tmp", options="mode=1777")),  # noqa: S108 (in the image)
        )
        process = sandbox.start(image.root, run)
        output, _ = process.communicate()
        if process.returncode:
            raise BuildError(f"{step.text}\n{output}")
        return image

    def _cache_mounts(self, step: Step) -> tuple[Mount, ...]:
        if "mount" not in step.flags:
            return ()
        options = dict(option.split("=") for option in step.flags["mount"].split(","))
        if options.get("type") != "cache":
            raise BuildError(f"Only cache mounts can be performed here: {step.text}")
        source = self.caches.get(options["target"], self.folder / "cache")
        source.mkdir(parents=True, exist_ok=True)
        return (Mount(target=options["target"], source=source, options="rw"),)

    def _copy(self, image: Image, step: Step) -> Image:
        origin = step.flags.get("from")
        source = self.built[origin].root if origin else self.folder / "context"
        *names, last = (unquoted(word, self._values(image)) for word in step.words)
        target = image.root / self._absolute(image, last).lstrip("/")
        for name in names:
            # Nobody looks at an earlier stage again: its files may be the later one's too.
            ways = ("--link",) if origin else ()
            _copy(source / name.lstrip("/"), target, *ways, into=last.endswith("/"))
        return image

    def _values(self, image: Image) -> dict[str, str]:
        return {**self.arguments, **image.env}

    @staticmethod
    def _absolute(image: Image, path: str) -> str:
        return os.path.normpath(os.path.join(image.folder, path))


def _exec_form(step: Step, words: tuple[str, ...]) -> tuple[str, ...]:
    if not step.is_exec:
        raise BuildError(f"A shell would be between the signal and the service: {step.text}")
    return words


def _copy(source: Path, target: Path, *ways: str, into: bool) -> None:
    """Copy a file, or what a folder holds, as COPY does: root's, with modes and times kept."""
    if not source.exists():
        raise BuildError(
            f"COPY finds no {source.name}: .dockerignore holds it back, or it is gone."
        )
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        names, place = [f"{source}/."], target
    else:
        place = target / source.name if into or target.is_dir() else target
        place.parent.mkdir(parents=True, exist_ok=True)
        names = [str(source)]
    copying = ("cp", "--archive", "--no-preserve=ownership", *ways, *names, str(place))
    subprocess.run(copying, check=True)  # noqa: S603 (our own)
