"""Limits that a container or a service manager puts on this process: CPU quota and memory, cgroup 1 and 2.

psutil and /proc report the whole machine. A training that believes them is killed for memory or starts
more threads than it is given time for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

UNLIMITED = 1 << 60
"""Bytes from which a version 1 memory limit means none; the kernel writes a page-aligned 2^63."""


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many CPUs' worth of time this process may use, or None without a quota."""
    quotas: list[float] = []
    for folder in _folders(root, "cpu"):
        text = _read(folder / "cpu.max")
        if text and text.split()[0] != "max":
            quota, period = text.split()
            quotas.append(int(quota) / int(period))
        text, period_text = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if text and period_text and int(text) > 0:
            quotas.append(int(text) / int(period_text))
    return min(quotas, default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the smallest memory limit in bytes that applies to this process, or None."""
    limits: list[int] = []
    for folder in _folders(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text and text != "max" and int(text) < UNLIMITED:
                limits.append(int(text))
    return min(limits, default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield this process's control-group folders for `controller`, innermost first, up to the mount point.

    Inside a container the path in /proc/self/cgroup may be the host's; then only the mount point exists.
    """
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [root / "sys/fs/cgroup" / name for name in (controllers, controller)] if controllers else []
        mounts = mounts or [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        for mount in dict.fromkeys(mounts):
            inner = mount / path.strip("/")
            while inner != mount:
                if inner.is_dir():
                    yield inner
                inner = inner.parent
            if mount.is_dir():
                yield mount


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
