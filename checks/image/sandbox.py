"""A root file system of its own for a command: chroot in a mount and a PID namespace."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FOLDERS = ("usr", "etc", "dev", "proc", "run", "var/lib", "var/log", "var/mail", "opt", "root")
ETC = ("nsswitch.conf", "login.defs", "ld.so.cache", "ld.so.conf", "resolv.conf", "mime.types")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
SHADOW = "root:*::0:99999:7:::\n"
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\n"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Whoever starts it may be killed: then it is to end too. A change of user forgets that, so it is
# said again after it.
WITH_US = "--pdeathsig=KILL"
APART = ("setpriv", WITH_US, "unshare", "--mount", "--pid", "--fork", "--kill-child")
BOUND = "--bounding-set=-all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Something at a place of the root: a file or folder of this machine, or memory (no source)."""

    target: str
    source: Path | None = None
    options: str = "ro"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A command as it is to run in a root. `user` is a number, or None for root with all rights."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: str = "/"
    user: int | None = None
    mounts: tuple[Mount, ...] = ()
    is_read_only: bool = False


@cache
def obstacle() -> str | None:
    """Return why nothing can be run in a root of its own here; None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs Linux and root"
    if missing := [name for name in ("unshare", "setpriv", "chroot") if not shutil.which(name)]:
        return f"{missing[0]} is not installed"
    if not find_spec("dockerfile"):
        return "the parser of Dockerfiles is for Linux on x86_64 alone"
    trial = (*APART, "mount", "-t", "tmpfs", "none", "/mnt")
    if subprocess.run(trial, capture_output=True).returncode:  # noqa: S603 (our own)
        return "this machine lets nobody mount"
    return None


def lay_out(root: Path) -> None:
    """Make a root that has what the base image has, but for what is mounted into it."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir()
        (root / name).chmod(0o1777)
    for name in filter(lambda name: Path("/", name).exists(), TOP):
        _same(Path("/", name), root / name)
    for name in filter(lambda name: Path("/etc", name).exists(), ETC):
        shutil.copy(Path("/etc", name), root / "etc" / name)
    for name, text in (
        ("passwd", ACCOUNTS),
        ("group", GROUPS),
        ("shadow", SHADOW),
        ("hosts", "127.0.0.1 localhost\n"),
    ):
        (root / "etc" / name).write_text(text)
    shutil.copytree("/etc/ssl", root / "etc/ssl", symlinks=True)
    (root / "dev/shm").mkdir()
    for name in DEVICES:
        (root / "dev" / name).touch()
    _python(root)


def start(root: Path, run: Run, **options: int) -> subprocess.Popen[str]:
    """Start a command in a root; it is the first process of its PID namespace."""
    for mount in run.mounts:
        _place(root, mount)
    return subprocess.Popen(  # noqa: S603 (our own)
        (*APART, "sh", "-ec", _script(root, run)),
        env={**run.env},
        stdout=options.get("stdout", subprocess.PIPE),
        stderr=subprocess.STDOUT,
        text=True,
    )


def first_process(process: subprocess.Popen[str]) -> int:
    """Return the id by which this machine knows the process that is number 1 in there."""
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def kill(process: subprocess.Popen[str]) -> None:
    """End a command, and with it all that it has started in there."""
    process.kill()
    process.wait()


def _script(root: Path, run: Run) -> str:
    return "\n".join(
        [
            f"image_path=$PATH; PATH={PATH}",
            *_mounting(root, run),
            "PATH=$image_path; export PATH",
            shlex.join(("exec", "/usr/sbin/chroot", str(root), *_entering(run), *run.command)),
        ]
    )


def _mounting(root: Path, run: Run) -> Iterator[str]:
    yield f"mount --bind {root} {root}"
    if run.is_read_only:
        yield f"mount -o remount,bind,ro {root}"
    for mount in (*_base(root), *run.mounts):
        place = shlex.quote(f"{root}{mount.target}")
        if mount.source is None:
            yield f"mount -t tmpfs -o {mount.options} tmpfs {place}"
        else:
            yield f"mount --bind {shlex.quote(str(mount.source))} {place}"
            yield f"mount -o remount,bind,{mount.options} {place}"
    yield f"mount -t proc proc {root}/proc"


def _base(root: Path) -> Iterator[Mount]:
    """Yield what stands in for the base image, and the devices of any container."""
    yield Mount(target="/usr", source=Path("/usr"))
    for name in TOP:
        if Path("/", name).exists() and not Path("/", name).is_symlink():
            yield Mount(target=f"/{name}", source=Path("/", name))
    yield from _python_mounts(root)
    for name in DEVICES:
        yield Mount(target=f"/dev/{name}", source=Path("/dev", name), options="rw")
    yield Mount(target="/dev/shm", options="mode=1777,size=64m")  # noqa: S108 (in the image)


def _entering(run: Run) -> tuple[str, ...]:
    """Return what goes to the folder, and takes every right from who is not root."""
    entering = ("/usr/bin/env", "-C", run.folder)
    if run.user is None:
        return entering
    user = (f"--reuid={run.user}", f"--regid={run.user}", "--clear-groups")
    return (*entering, "setpriv", *user, "--no-new-privs", "--inh-caps=-all", BOUND, WITH_US)


def _python_mounts(root: Path) -> Iterator[Mount]:
    """Yield this Python at the base image's place; its libraries may be named by its own too."""
    if sys.base_prefix == "/usr":
        yield Mount(target="/usr/local/bin", source=_links(root))
        return
    for target in ("/usr/local", sys.base_prefix):
        yield Mount(target=target, source=Path(sys.base_prefix))


def _python(root: Path) -> None:
    _links(root).mkdir()
    for name in ("python", "python3"):
        (_links(root) / name).symlink_to(Path(sys.executable).resolve())
    (root / sys.base_prefix.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _links(root: Path) -> Path:
    return root.with_name(f"{root.name}.python")


def _same(here: Path, there: Path) -> None:
    if here.is_symlink():
        there.symlink_to(here.readlink())
    else:
        there.mkdir()


def _place(root: Path, mount: Mount) -> None:
    """Make the place that something is mounted at."""
    place = root / mount.target.lstrip("/")
    if mount.source is not None and mount.source.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    else:
        place.mkdir(parents=True, exist_ok=True)
