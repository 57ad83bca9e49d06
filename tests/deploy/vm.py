"""A machine of one's own, as docs/deploy/vm.md has it, without systemd: in a root of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from checks.image import sandbox
from checks.image.__main__ import CACHE, pip_cache
from checks.image.build import REACHING, Image
from checks.image.sandbox import Mount, Run
from services.local import checkout
from services.local.ports import HOST, free_port
from services.local.stack import LocalStack
from tests.deploy import guides

HOME = "/root"
PREPARE = guides.runs("vm.md", "sudo useradd ")
RELEASE = guides.runs("vm.md", "sudo git clone ")
CONFIGURE = guides.runs("vm.md", "sudo install -d -m 755 /etc/convohooks")
UNITS = guides.runs("vm.md", "sudo install -m 644 /opt/convohooks/current/deploy/systemd")
TRY = guides.runs("vm.md", "sudo install -m 755 /opt/convohooks/current/deploy/convohooks")
BACK = guides.runs("vm.md", "sudo ln -sfn <version before>")
FIRST = guides.runs("README.md", "convohooks doctor")
INSTALL = (*PREPARE, *RELEASE, *CONFIGURE, *UNITS, *BACK)
VERSION = "v0.0.1"
"""What stands for `<version>`, and for the one before."""
PROGRAMS, SBIN = "/opt/test-programs", "/usr/local/sbin"
"""The second is this machine's own, and cannot be written."""
TMP = Mount(target="/tmp", options="mode=1777")
# What MemoryDenyWriteExecute=yes asks of the kernel (6.3 or newer has it as a process's own wish):
# prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), which whatever it starts inherits.
CONFINE = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)"
CONFINED = ("python", "-c", f"{CONFINE}; os.execv(sys.argv[1], sys.argv[1:])")
CREDENTIALS = "/run/credentials/unit"
PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A root with the service installed."""

    root: Path
    port: int

    @property
    def url(self) -> str:
        """Where the service listens."""
        return f"http://{HOST}:{self.port}"

    def run(self, *lines: str) -> str:
        """Run commands as root in its home folder; return their output."""
        env = {name: text for name, text in os.environ.items() if REACHING.fullmatch(name)}
        text = re.sub("<version( before)?>", VERSION, "\n".join(lines)).replace(SBIN, PROGRAMS)
        run = Run(
            command=("sh", "-eu", "-c", text),
            env={**env, "PATH": f"{PROGRAMS}:{sandbox.PATH}", "HOME": HOME},
            folder=HOME,
            mounts=(Mount(target=CACHE, source=pip_cache(), options="rw"), TMP),
        )
        output, _ = sandbox.start(self.root, run).communicate()
        return output

    def started(self, unit: str, log: Path) -> subprocess.Popen[str]:
        """Start what a unit starts: its user, its variables, its secrets, what it may write."""
        text = (self.root / "etc/systemd/system" / unit).read_text()
        user = self._user()
        run = Run(
            command=(*CONFINED, *shlex.split(value(text, "ExecStart"))),
            env={"PATH": sandbox.PATH, **self._environment(text, CREDENTIALS)},
            folder=value(text, "WorkingDirectory"),
            user=user,
            mounts=(self._credentials(text, user), self._state(text, user), TMP),
            is_read_only=value(text, "ProtectSystem") == "strict",
        )
        with log.open("w") as output:
            return sandbox.start(self.root, run, stdout=output.fileno())

    def await_ready(self, process: subprocess.Popen[str]) -> None:
        """Return when GET /ready answers with 200."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and process.poll() is None:
            try:
                if httpx.get(f"{self.url}/ready", timeout=30).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError("The web service did not become ready.")

    def _user(self) -> int:
        accounts = (self.root / "etc/passwd").read_text()
        found = re.search(r"^convohooks:x:(\d+):", accounts, re.MULTILINE)
        assert found
        return int(found[1])

    def _environment(self, unit: str, credentials: str) -> dict[str, str]:
        file = (self.root / value(unit, "EnvironmentFile").lstrip("/")).read_text().splitlines()
        own = [word for line in values(unit, "Environment") for word in line.split()]
        pairs = (line.replace("%d", credentials).split("=", 1) for line in (*file, *own))
        return dict(pairs)

    def _credentials(self, unit: str, user: int) -> Mount:
        """Copy the secrets as systemd does, for the user alone."""
        folder = self.root / "credentials"
        folder.mkdir(exist_ok=True)
        for line in values(unit, "LoadCredential"):
            name, _, source = line.partition(":")
            (folder / name).unlink(missing_ok=True)
            shutil.copyfile(self.root / source.lstrip("/"), folder / name)
            (folder / name).chmod(0o400)
            os.chown(folder / name, user, user)
        return Mount(target=CREDENTIALS, source=folder)

    def _state(self, unit: str, user: int) -> Mount:
        place = f"/var/lib/{value(unit, 'StateDirectory')}"
        folder = self.root / place.lstrip("/")
        folder.mkdir(exist_ok=True, mode=0o700)
        os.chown(folder, user, user)
        return Mount(target=place, source=folder, options="rw")


def installed(folder: Path, image: Image, stack: LocalStack) -> Machine:
    """Follow the guide. The packages are the image's: pip finds them there, and fetches none."""
    machine = Machine(root=folder / "root", port=free_port())
    machine.root.mkdir()
    sandbox.lay_out(machine.root)
    place = machine.root / "opt/convohooks" / VERSION
    place.parent.mkdir()
    # Linked, not copied: pip and compileall replace files, they do not change them.
    subprocess.run(("cp", "--archive", "--link", image.root / "opt/convohooks", place), check=True)
    (place / ".venv/pyvenv.cfg").unlink()
    _move(place / ".venv/bin/gunicorn")
    shutil.rmtree(place / "deploy")
    shutil.copytree(checkout.ROOT / "deploy", place / "deploy")
    guides.stand_in(machine.root / PROGRAMS.lstrip("/"), "sudo", 'exec "$@"')
    home = machine.root / HOME.lstrip("/")
    guides.make_secrets(home, stack)
    (home / "convohooks.env").write_text(guides.settings(stack, machine.port))
    (machine.root / "etc/systemd/system").mkdir(parents=True)
    for block in (PREPARE, RELEASE, CONFIGURE, UNITS, BACK):
        told = machine.run(*block, "echo done")
        assert told.splitlines()[-1] == "done", told
    return machine


def _move(program: Path) -> None:
    """Have a program begin with the interpreter beside it: pip finds it there, and leaves it."""
    text = program.read_text().replace("/opt/convohooks/", f"/opt/convohooks/{VERSION}/")
    program.unlink()
    program.write_text(text)
    program.chmod(0o755)


def value(unit: str, name: str) -> str:
    """Return what a unit says of something that it says once."""
    [found] = values(unit, name)
    return found


def values(unit: str, name: str) -> list[str]:
    """Return every line of a unit that is about something."""
    return re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)


def ended(process: subprocess.Popen[str]) -> int:
    """Stop a service as systemd does; return its exit code."""
    os.kill(sandbox.first_process(process), signal.SIGTERM)
    return process.wait(30)


def kill(*processes: subprocess.Popen[str]) -> None:
    """End what still runs."""
    for process in processes:
        sandbox.kill(process)
