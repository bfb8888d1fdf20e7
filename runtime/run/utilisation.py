"""How much of this machine a stage uses right now: an observation for whoever watches, never a record.

The app reads it beside the run instead of the supervisor writing it into the journal: it is of no use a
moment later, the journal is for what must survive, and every figure that counts (peak memory, tokens per
second) comes from the training itself. A run of another machine, on a shared disk, has none.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import Any

import psutil

from runtime.run import processes
from runtime.run.layout import StageFolder
from runtime.run.processes import Identity

MEMBERS_SECONDS = 10.0
"""How long a list of the stage's processes is used; finding them asks every process of the machine."""


@dataclass(frozen=True)
class DeviceUse:
    """One GPU."""

    index: int
    share: float
    """Of the time during which it computed, from 0 to 1, as NVML counts."""
    used_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Utilisation:
    """One observation."""

    processes: int
    cpus_used: float
    """Cores' worth of computing."""
    cpus: float
    """Cores that this machine offers."""
    memory_bytes: int
    """Resident in host RAM, over the stage's processes."""
    memory_total_bytes: int
    devices: tuple[DeviceUse, ...] = ()


class Gauge:
    """Observes the processes of one stage. Call `read` every second or two."""

    def __init__(self, folder: StageFolder) -> None:
        from runtime.probe_limits import cpu_quota, memory_limit

        self._folder = folder
        self._members: list[psutil.Process] = []
        self._next_look = 0.0
        self._cpu_seconds: dict[int, float] = {}
        self._read_at = 0.0
        self._cpus = cpu_quota() or float(len(os.sched_getaffinity(0)))
        self._total = min(memory_limit() or (1 << 62), psutil.virtual_memory().total)
        self._nvml = start_nvml()

    def read(self) -> Utilisation | None:
        """Return what is used since the last call; None while no process of the stage is here."""
        now = time.monotonic()
        if now >= self._next_look:
            self._members = processes.members(self._folder.root, Identity.load(self._folder.process))
            self._next_look = now + MEMBERS_SECONDS
        before, seconds = self._cpu_seconds, now - self._read_at
        self._cpu_seconds, self._read_at = {}, now
        memory, used = 0, 0.0
        for process in self._members:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                spent = float(times.user + times.system)
                memory += process.memory_info().rss
                self._cpu_seconds[process.pid] = spent
                used += spent - before.get(process.pid, spent)
        if not self._cpu_seconds:
            self._next_look = 0.0
            return None
        return Utilisation(
            processes=len(self._cpu_seconds),
            cpus_used=used / seconds,
            cpus=self._cpus,
            memory_bytes=memory,
            memory_total_bytes=self._total,
            devices=read_devices(self._nvml),
        )


def start_nvml() -> Any:
    """Return NVML where a driver answers, else None."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def read_devices(nvml: Any) -> tuple[DeviceUse, ...]:
    """Return every NVIDIA GPU of this machine; one that does not answer is left out."""
    if nvml is None:
        return ()
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        with contextlib.suppress(nvml.NVMLError):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            share = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
            found.append(DeviceUse(index, share, int(memory.used), int(memory.total)))
    return tuple(found)
