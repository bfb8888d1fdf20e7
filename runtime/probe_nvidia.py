"""NVIDIA devices through NVIDIA's own management library (NVML): no process starts, no text is parsed."""

from __future__ import annotations

import importlib
import os
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from planner.facts import DeviceFacts
from planner.language import say
from planner.phrases import size

NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASSES = ("0x0300", "0x0302")


class Nvidia(NamedTuple):
    """What NVML knows, and what kept it from knowing more."""

    devices: tuple[DeviceFacts, ...] = ()
    driver_version: str | None = None
    interconnect: str | None = None
    failures: tuple[str, ...] = ()


def probe_nvidia(nvml: Any = None, root: Path = Path("/")) -> Nvidia:
    """Return the visible devices, grouped by model. No driver and no card is an answer, not a failure.

    `nvml` is the module pynvml, or something like it; None imports it, which takes a tenth of a second.
    """
    nvml = nvml or importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Nvidia(failures=_why_no_nvml(error, root))
    try:
        return _read(nvml)
    except nvml.NVMLError as error:
        return Nvidia(
            failures=(say("NVIDIA's driver answered a query with an error: {error}.", error=error),)
        )
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
        say(
            "An NVIDIA card is here, but its driver cannot be reached ({error}); training would use the CPU.",
            error=error,
        ),
    )


def _read(nvml: Any) -> Nvidia:
    failures: list[str] = []
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    handles = _visible(nvml, handles, os.environ.get("CUDA_VISIBLE_DEVICES"), failures)
    link = _interconnect(nvml, handles, failures)
    entries: dict[tuple[str, int, str | None], DeviceFacts] = {}
    for handle in handles:
        device = _device(nvml, handle, failures)
        kind = (device.name, device.memory_bytes, device.compute_capability)
        entries[kind] = _together(entries[kind], device) if kind in entries else device
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    return Nvidia(tuple(entries.values()), driver, link, tuple(dict.fromkeys(failures)))


def _device(nvml: Any, handle: Any, failures: list[str]) -> DeviceFacts:
    """Return one card, or the slice of it that a process can use."""
    part = _slice(nvml, handle, failures)
    memory = nvml.nvmlDeviceGetMemoryInfo(part)
    return DeviceFacts(
        name=_text(nvml.nvmlDeviceGetName(handle)),
        count=1,
        memory_bytes=int(memory.total),
        compute_capability=_capability(nvml, handle, failures),
        free_bytes=int(memory.free),
        used_by=_users(nvml, part),
    )


def _together(one: DeviceFacts, other: DeviceFacts) -> DeviceFacts:
    """Return equal cards as one entry, with the least free memory of any."""
    return one.model_copy(
        update={
            "count": one.count + other.count,
            "free_bytes": min(one.free_bytes or 0, other.free_bytes or 0),
            "used_by": tuple(dict.fromkeys(one.used_by + other.used_by)),
        }
    )


def _slice(nvml: Any, handle: Any, failures: list[str]) -> Any:
    """Return the handle whose memory counts: of a card in MIG mode, its first instance.

    A process sees one instance, whichever the card holds (NVIDIA MIG user guide, "CUDA visible devices").
    """
    try:
        if not nvml.nvmlDeviceGetMigMode(handle)[0]:
            return handle
    except nvml.NVMLError:  # Most cards cannot be divided, and say so.
        return handle
    name = _text(nvml.nvmlDeviceGetName(handle))
    try:
        first = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 0)
    except nvml.NVMLError:
        failures.append(
            say("{name} is in MIG mode without an instance, so nothing can run on it: create one.", name=name)
        )
        return handle
    failures.append(
        say(
            "{name} is divided (MIG): training sees one slice of it, and slices cannot work together.",
            name=name,
        )
    )
    return first


def _users(nvml: Any, handle: Any) -> tuple[str, ...]:
    """Return the other processes on a card as `python (12.0 GiB)`. Other containers hide the name."""
    try:
        processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        return ()
    users: list[str] = []
    for process in processes:
        if process.pid == os.getpid():
            continue
        try:
            name = psutil.Process(process.pid).name()
        except (psutil.Error, ValueError):
            name = say("a process outside of this container")
        used = getattr(process, "usedGpuMemory", None)
        users.append(f"{name} ({size(used)})" if used else name)
    return tuple(users)


def _visible(nvml: Any, handles: list[Any], wanted: str | None, failures: list[str]) -> list[Any]:
    """Keep what CUDA_VISIBLE_DEVICES names by index or UUID prefix; like CUDA, stop at the first unknown."""
    if wanted is None:
        return handles
    chosen: list[Any] = []
    uuids = [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        if name.startswith("MIG-"):  # A slice by its own name; CUDA uses the first one only.
            return [nvml.nvmlDeviceGetHandleByUUID(name)]
        matching = [index for index, uuid in enumerate(uuids) if str(index) == name or uuid.startswith(name)]
        if not matching or (not name.isdigit() and len(name) < 5):
            if name != "-1":
                failures.append(
                    say(
                        "CUDA_VISIBLE_DEVICES names `{name}`, which is not a device of this machine.",
                        name=name,
                    )
                )
            break
        chosen.append(handles[matching[0]])
    return chosen


def _capability(nvml: Any, handle: Any, failures: list[str]) -> str | None:
    try:
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    except nvml.NVMLError as error:
        failures.append(
            say(
                "The compute capability of {device} is unknown: {error}.",
                device=_text(nvml.nvmlDeviceGetName(handle)),
                error=error,
            )
        )
        return None
    return f"{major}.{minor}"


def _interconnect(nvml: Any, handles: list[Any], failures: list[str]) -> str | None:
    """Return `nvlink` if it joins every two devices, else `pcie`; None for fewer than two devices."""
    if len(handles) < 2:
        return None
    pairs = list(combinations(handles, 2))
    try:
        joined = [
            nvml.nvmlDeviceGetP2PStatus(one, other, nvml.NVML_P2P_CAPS_INDEX_NVLINK)
            == nvml.NVML_P2P_STATUS_OK
            for one, other in pairs
        ]
    except nvml.NVMLError:
        return "nvlink" if any(_linked(nvml, handle) for handle in handles) else "pcie"
    if any(joined) and not all(joined):
        failures.append(
            say(
                "NVLink joins {joined} of {pairs} pairs of GPUs; the plan counts on PCIe.",
                joined=sum(joined),
                pairs=len(pairs),
            )
        )
    return "nvlink" if all(joined) else "pcie"


def _linked(nvml: Any, handle: Any) -> bool:
    """Return whether any NVLink of a device is up."""
    for link in range(int(getattr(nvml, "NVML_NVLINK_MAX_LINKS", 18))):
        try:
            if nvml.nvmlDeviceGetNvLinkState(handle, link):
                return True
        except nvml.NVMLError:  # This card has no such link; asking is the only way to learn how many it has.
            return False
    return False


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
