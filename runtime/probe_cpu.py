"""The host processor as this process may use it: name, physical cores, instruction sets."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Literal

from planner.facts import CpuFacts
from runtime.probe_limits import cpu_quota

FLAGS = (
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_tile",
    "asimd",
    "bf16",
)
"""Instruction sets that change which kernels Paddle's math libraries choose."""

VENDORS: dict[str, Literal["amd", "intel"]] = {"AuthenticAMD": "amd", "GenuineIntel": "intel"}


def probe_cpu(root: Path = Path("/"), allowed: set[int] | None = None) -> CpuFacts:
    """Read /proc/cpuinfo and the topology in /sys, limited to this process's affinity and CPU quota.

    `cores` counts physical cores: two hardware threads of one core share its arithmetic units, so a training
    thread on each of them gains nothing.
    """
    fields = _cpuinfo(root)
    logical = os.sched_getaffinity(0) if allowed is None else allowed
    cores = len({_core(root, number) for number in logical})
    quota = cpu_quota(root)
    if quota is not None:
        cores = min(cores, int(quota))
    machine = platform.machine()
    vendor: Literal["amd", "intel", "arm", "other"] = VENDORS.get(fields.get("vendor_id", ""), "other")
    if vendor == "other" and ("CPU implementer" in fields or machine in ("aarch64", "arm64")):
        vendor = "arm"
    present = set(fields.get("flags", fields.get("Features", "")).split())
    return CpuFacts(
        name=fields.get("model name", machine),
        cores=max(cores, 1),
        vendor=vendor,
        flags=tuple(flag for flag in FLAGS if flag in present),
    )


def _cpuinfo(root: Path) -> dict[str, str]:
    """Return the fields of the first processor in /proc/cpuinfo."""
    first = (root / "proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _core(root: Path, number: int) -> tuple[str, str]:
    """Return (socket, core) of a logical CPU; without topology each logical CPU counts as a core."""
    folder = root / f"sys/devices/system/cpu/cpu{number}/topology"
    try:
        socket = (folder / "physical_package_id").read_text(encoding="utf-8").strip()
        return socket, (folder / "core_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "", str(number)
