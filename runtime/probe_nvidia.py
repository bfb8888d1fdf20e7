"""NVIDIA devices through NVIDIA's own management library (NVML): no process starts, no text is parsed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pynvml

from planner.facts import DeviceFacts

NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASSES = ("0x0300", "0x0302")


class Nvidia(NamedTuple):
    """What NVML knows, and what kept it from knowing more."""

    devices: tuple[DeviceFacts, ...] = ()
    driver_version: str | None = None
    interconnect: str | None = None
    failures: tuple[str, ...] = ()


def probe_nvidia(nvml: Any = pynvml, root: Path = Path("/")) -> Nvidia:
    """Return the visible devices, grouped by model. No driver and no card is an answer, not a failure."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Nvidia(failures=_why_no_nvml(error, root))
    try:
        return _read(nvml)
    except nvml.NVMLError as error:
        return Nvidia(failures=(f"NVIDIA's driver answered a query with an error: {error}.",))
    finally:
        nvml.nvmlShutdown()


def _why_no_nvml(error: Exception, root: Path) -> tuple[str, ...]:
    """Explain a failed start of NVML only where a card is present."""
    cards = 0
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        cards += vendor == NVIDIA_VENDOR and kind.startswith(DISPLAY_CLASSES)
    if not cards and not (root / "proc/driver/nvidia/version").exists():
        return ()
    return (
        f"There is an NVIDIA card, but its driver cannot be reached ({error}); training would use the CPU.",
    )


def _read(nvml: Any) -> Nvidia:
    failures: list[str] = []
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    handles = _visible(nvml, handles, os.environ.get("CUDA_VISIBLE_DEVICES"), failures)
    kinds: Counter[tuple[str, int, str | None]] = Counter()
    free: dict[tuple[str, int, str | None], int] = {}
    for handle in handles:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        kind = (_text(nvml.nvmlDeviceGetName(handle)), int(memory.total), _capability(nvml, handle, failures))
        kinds[kind] += 1
        free[kind] = min(int(memory.free), free.get(kind, int(memory.free)))
    devices = tuple(
        DeviceFacts(
            name=kind[0], count=count, memory_bytes=kind[1], compute_capability=kind[2], free_bytes=free[kind]
        )
        for kind, count in kinds.items()
    )
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    return Nvidia(devices, driver, _interconnect(nvml, handles), tuple(failures))


def _visible(nvml: Any, handles: list[Any], wanted: str | None, failures: list[str]) -> list[Any]:
    """Keep what CUDA_VISIBLE_DEVICES names by index or UUID prefix; like CUDA, stop at the first unknown."""
    if wanted is None:
        return handles
    chosen: list[Any] = []
    uuids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        matching = [index for index, uuid in enumerate(uuids) if str(index) == name or uuid.startswith(name)]
        if not matching or (not name.isdigit() and len(name) < 5):
            if name != "-1":
                failures.append(
                    f"CUDA_VISIBLE_DEVICES names {name!r}, which is not a device of this machine."
                )
            break
        chosen.append(handles[matching[0]])
    return chosen


def _capability(nvml: Any, handle: Any, failures: list[str]) -> str | None:
    try:
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    except nvml.NVMLError as error:
        failures.append(
            f"The compute capability of {_text(nvml.nvmlDeviceGetName(handle))} is unknown: {error}."
        )
        return None
    return f"{major}.{minor}"


def _interconnect(nvml: Any, handles: list[Any]) -> str | None:
    """Return `nvlink` if a link of the first device is up, else `pcie`; None for fewer than two devices."""
    if len(handles) < 2:
        return None
    for link in range(int(getattr(nvml, "NVML_NVLINK_MAX_LINKS", 18))):
        try:
            if nvml.nvmlDeviceGetNvLinkState(handles[0], link):
                return "nvlink"
        except nvml.NVMLError:  # This card has no such link; asking is the only way to learn how many it has.
            break
    return "pcie"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
