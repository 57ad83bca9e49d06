"""Which files outlive a restart of the machine."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})


def is_in_memory(path: Path, mounts: Path = MOUNTS) -> bool:
    """Whether a file there would be gone after a restart; False where nobody can tell."""
    return filesystem(path, mounts) in IN_MEMORY


def filesystem(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the file system that a path lies on; None where nobody can tell."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    return _innermost(path.resolve(), lines)


def _innermost(path: Path, lines: list[str]) -> str | None:
    """Return the type of the innermost mount; of two on one point the later hides the other."""
    # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    found: tuple[int, str | None] = (0, None)
    for line in lines:
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4].replace("\\040", " "))
        depth = len(point.parts)
        if depth >= found[0] and path.is_relative_to(point):
            found = (depth, right.split()[0])
    return found[1]
