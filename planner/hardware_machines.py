"""Machines as facts: what was said of them, what is assumed of the rest, and the line that describes them."""

from __future__ import annotations

from typing import NamedTuple

from planner.device_catalogue import Device
from planner.facts import CpuFacts, DeviceFacts, HardwareFacts
from planner.phrases import GIB

ASSUMED_CORES_PER_DEVICE = 8
ASSUMED_HOST_GIB_PER_DEVICE = 64
ASSUMED_HOST_GIB = 16
ASSUMED_CORES = {"Mac": 8, "laptop": 4, "": 4}
"""Of a machine without an accelerator, when the person names no cores."""


class Host(NamedTuple):
    """What was said about the machine itself; None: nothing."""

    cores: int | None
    memory: int | None
    disk: int | None
    driver: str | None


def gpu_machine(
    found: Device,
    nodes: int,
    count: int,
    memory: int,
    link: str | None,
    network: float | None,
    host: Host,
    *,
    alone: bool,
) -> HardwareFacts:
    """Return machines with accelerators of one kind. What was not said of the host is assumed, modestly;
    `alone`: one machine holds more of them than usual."""
    each = DeviceFacts(
        name=found.name,
        maker=found.maker,
        count=count,
        memory_bytes=memory,
        compute_capability=found.capability or None,
    )
    interconnect = (link or found.link) if count > 1 else None
    return HardwareFacts(
        description=("1 machine, " if alone else "") + described(nodes, each, interconnect, network, host),
        origin="typed",
        nodes=nodes,
        cpu=CpuFacts(
            name="not described", cores=host.cores or ASSUMED_CORES_PER_DEVICE * count, vendor="other"
        ),
        devices=(each,),
        memory_bytes=host.memory or ASSUMED_HOST_GIB_PER_DEVICE * count * GIB,
        memory_assumed=None if host.memory else True,
        disk_free_bytes=host.disk or 0,
        interconnect=interconnect,
        network_gbit=network,
        driver_version=host.driver,
    )


def cpu_machine(
    name: str, nodes: int, count: int | None, kind: str, host: Host, memory: int | None, assumed: bool
) -> HardwareFacts:
    """Return a machine without accelerators. The cores of a laptop or a Mac are assumed, and it says so."""
    kind = "" if kind == "none" else kind
    vendor = next(
        (word for word in ("amd", "intel", "arm") if word in name), "arm" if kind == "Mac" else "other"
    )
    cores = host.cores or count or ASSUMED_CORES[kind]
    assumed = assumed or not (host.cores or count)
    ram = host.memory or memory or ASSUMED_HOST_GIB * GIB
    title = {"amd": "AMD", "intel": "Intel", "arm": "Arm"}.get(vendor, "")
    size = f"{cores} {title} CPU cores, {gib(ram)}{' (assumed)' if assumed else ''}".replace("  ", " ")
    parts = [f"{nodes} machines, each" if nodes > 1 else "", f"{kind}," if kind else "", size]
    extra = f", {gib(host.disk)} disk" if host.disk else ""
    return HardwareFacts(
        description=" ".join(part for part in parts if part) + extra,
        origin="typed",
        nodes=nodes,
        cpu=CpuFacts(
            name=f"{title} CPU".strip(),
            cores=cores,
            vendor=vendor,
            flags=("avx2",) if vendor != "arm" else (),
        ),
        memory_bytes=ram,
        disk_free_bytes=host.disk or 0,
    )


def described(nodes: int, each: DeviceFacts, link: str | None, network: float | None, host: Host) -> str:
    """Return one line a person recognises, which `parse` reads back; what is assumed is left out."""
    size = f"{each.memory_bytes // GIB} GiB"
    parts = [f"{nodes} machines, each" if nodes > 1 else "", f"{each.count} x" if each.count > 1 else ""]
    parts += [each.name, "" if f"{each.memory_bytes // GIB}G" in each.name.split() else size]
    parts += [f"({link})" if link else ""]
    extras = [
        f"network {plain(network)} Gbit/s" if network else "",
        f"{host.cores} cores" if host.cores else "",
        f"{gib(host.memory)} RAM" if host.memory else "",
        f"{gib(host.disk)} disk" if host.disk else "",
        f"driver {host.driver}" if host.driver else "",
    ]
    return ", ".join([" ".join(part for part in parts if part), *(extra for extra in extras if extra)])


def gib(size: int) -> str:
    """Return bytes as `80 GiB`, exactly."""
    return f"{plain(size / GIB)} GiB"


def plain(number: float) -> str:
    """Return `400` or `12.5`."""
    return str(int(number)) if number == int(number) else repr(float(number))
