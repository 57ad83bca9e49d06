"""The stack's Postgres: whose it is, where it lies, how it runs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from services.local import checkout, toolchain
from services.local.dotenv import Address
from services.local.errors import LocalStackError
from services.local.parts import Account, Part, accepts_queries
from services.local.ports import HOST
from services.local.state import State, remove_tree, write_private

ACCOUNTS = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # A forgotten replication slot must not fill the disk.
    "max_slot_wal_keep_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A database cluster of one stack: its programs, its folder, and who runs it."""

    programs: Path
    home: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data folder, which exists once the cluster has been made."""
        return self.home / "data"


def cluster(state: State) -> Cluster:
    """Say where the state's cluster lies.

    Postgres refuses to run as root. As root it runs as another user, who may not be able to enter
    the checkout (a home of mode 0700), so programs and data lie in a folder of their own.
    """
    account = _account()
    if account is None:
        return Cluster(
            programs=toolchain.postgres_home(), home=state.folder / "postgres", account=None
        )
    shared = _shared_folder()
    return Cluster(
        programs=shared / f"postgres-{toolchain.version()}", home=shared / state.id, account=account
    )


def prepare(cluster: Cluster) -> None:
    """Make the folders of the cluster, and as root the copy of the programs."""
    if cluster.account is None:
        cluster.home.mkdir(mode=0o700, exist_ok=True)
        return
    _make_own_folder(cluster.home.parent)
    # First, for it keeps the programs from being removed with those of another stack.
    cluster.home.mkdir(mode=0o700, exist_ok=True)
    _copy_programs(cluster.programs)
    os.chown(cluster.home, cluster.account.uid, cluster.account.gid)


def remove(cluster: Cluster) -> None:
    """Remove the cluster with all it holds."""
    if cluster.account is not None and cluster.home.parent.exists():
        _require_own(cluster.home.parent)
    remove_tree(cluster.home)


def remove_programs(cluster: Cluster) -> None:
    """Remove root's copies of the programs with their folder, unless another stack lies there."""
    folder = cluster.home.parent
    if cluster.account is None or not folder.exists():
        return
    _require_own(folder)
    copies = {*folder.glob("postgres-*"), *folder.glob("draft-*")}
    # A server that runs opens files of its programs at every new connection.
    if set(folder.iterdir()) - copies:
        return
    for copy in copies:
        remove_tree(copy)
    folder.rmdir()


def parts(cluster: Cluster, address: Address, database_url: str) -> list[Part]:
    """Return the server, preceded by the making of the cluster where there is none."""
    server = _server(cluster, address, database_url)
    return [server] if cluster.data.exists() else [_initdb(cluster, address), server]


def _initdb(cluster: Cluster, address: Address) -> Part:
    draft, password = cluster.home / "draft", cluster.home / "password"

    def before() -> None:
        remove_tree(draft)
        write_private(password, address.password)
        if cluster.account:
            os.chown(password, cluster.account.uid, cluster.account.gid)

    options = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--no-instructions")
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    return Part(
        name="initdb",
        command=(
            str(cluster.programs / "bin" / "initdb"),
            *options,
            *locale,
            f"--pgdata={draft}",
            f"--username={address.user}",
            f"--pwfile={password}",
        ),
        cwd=cluster.home,
        env=_environ(cluster),
        account=cluster.account,
        once=True,
        before=before,
    )


def _server(cluster: Cluster, address: Address, database_url: str) -> Part:
    settings = {**SETTINGS, "port": str(address.port)}
    flags = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]

    def before() -> None:
        if not cluster.data.exists():
            (cluster.home / "draft").rename(cluster.data)
            (cluster.home / "password").unlink()
        # Whatever ran here has been ended by now; the number in a stale file may since have
        # been given to a stranger, for whom Postgres would wait.
        (cluster.data / "postmaster.pid").unlink(missing_ok=True)

    return Part(
        name="postgres",
        command=(str(cluster.programs / "bin" / "postgres"), "-D", str(cluster.data), *flags),
        cwd=cluster.home,
        env=_environ(cluster),
        after=() if cluster.data.exists() else ("initdb",),
        before=before,
        ready=accepts_queries(database_url),
        account=cluster.account,
        stop_signal=signal.SIGINT,
        grace=15.0,
    )


def _environ(cluster: Cluster) -> dict[str, str]:
    # Without a locale of its own macOS starts threads in the server, which then refuses to run.
    return {"LC_ALL": "C", "HOME": str(cluster.home), "TZ": "UTC"}


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in known:
            return Account(name=name, uid=known[name].pw_uid, gid=known[name].pw_gid)
    raise LocalStackError(f"Postgres does not run as root; add one of the users {ACCOUNTS}.")


def _shared_folder() -> Path:
    return Path("/var/tmp") / f"convohooks-{sha256(str(checkout.ROOT).encode()).hexdigest()[:12]}"  # noqa: S108 (whose it is, is checked)


def _make_own_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o711)
        folder.chmod(0o711)
    except FileExistsError:
        _require_own(folder)


def _require_own(folder: Path) -> None:
    """Refuse a folder that somebody else has put, or can change, where ours belongs."""
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or found.st_mode & 0o022:
        raise LocalStackError(f"{folder} is not a folder of ours alone. Look at it and remove it.")


def _copy_programs(target: Path) -> None:
    if target.exists():
        return
    draft = target.with_name(f"draft-{os.getpid()}")
    # One of this number who was killed while copying may have left it.
    remove_tree(draft)
    shutil.copytree(toolchain.postgres_home(), draft, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))
    try:
        draft.rename(target)
    except OSError:
        # Another stack of this checkout was sooner.
        remove_tree(draft)
        if not target.exists():
            raise
