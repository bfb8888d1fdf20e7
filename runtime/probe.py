"""What this machine offers to this process: processor, memory, disk, accelerators.

A probe that fails is told, never swallowed.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from planner.facts import CpuFacts, HardwareFacts
from planner.language import say, speaking
from planner.phrases import parts_of
from runtime.probe_cpu import probe_cpu
from runtime.probe_limits import memory_limit
from runtime.probe_makers import Found, probe_makers
from runtime.probe_nvidia import Nvidia, probe_nvidia

SHARED_MEMORY = Path("/dev/shm")
Value = TypeVar("Value")


class Probe(NamedTuple):
    """Facts, and one sentence for each thing that could not be found out (it then has a cautious value)."""

    hardware: HardwareFacts
    failures: tuple[str, ...]


def probe_hardware(where: Path) -> HardwareFacts:
    """Return the facts of this machine; `where` is the folder for runs, which need not exist yet."""
    return probe(where).hardware


def probe(where: Path) -> Probe:
    """Probe everything; a probe that fails is replaced by a cautious value and told in `failures`."""
    failures: list[str] = []

    def attempt(what: str, read: Callable[[], Value], otherwise: Value) -> Value:
        try:
            return read()
        except (OSError, ValueError, psutil.Error) as error:
            failures.append(say("{what} could not be read: {error}.", what=what, error=error))
            return otherwise

    unknown_cpu = CpuFacts(name=platform.machine() or "unknown", cores=os.cpu_count() or 1, vendor="other")
    cpu = attempt(say("The processor"), probe_cpu, unknown_cpu)
    memory = attempt(say("The memory size"), _memory_bytes, 1 << 30)
    disk = attempt(
        say("Free space of {folder}", folder=where), lambda: shutil.disk_usage(existing(where)).free, 0
    )
    shared = attempt(str(SHARED_MEMORY), lambda: shutil.disk_usage(SHARED_MEMORY).total, 0)
    nvidia = attempt(say("NVIDIA devices"), probe_nvidia, Nvidia())
    failures.extend(nvidia.failures)
    others = Found() if nvidia.devices else attempt(say("Accelerators"), probe_makers, Found())
    failures.extend(others.failures)
    devices = nvidia.devices or others.devices
    with speaking("en"):  # facts are the same in every language; `phrases.machine` says them in a person's
        description = parts_of(cpu, memory, devices)
    hardware = HardwareFacts(
        description=description,
        origin="probed",
        cpu=cpu,
        devices=devices,
        memory_bytes=memory,
        disk_free_bytes=disk,
        shm_bytes=shared,
        interconnect=nvidia.interconnect or others.interconnect,
        driver_version=nvidia.driver_version,
    )
    return Probe(hardware, tuple(failures))


def existing(path: Path) -> Path:
    """Return `path` or its nearest parent that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _memory_bytes() -> int:
    total = int(psutil.virtual_memory().total)
    return min(total, memory_limit() or total)
