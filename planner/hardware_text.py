"""Hardware in words: `8x A100-80G nvlink`, `4090`, `V100 32g x4`, `2 nodes x 8 H800 ib 400`, `cpu 16 cores
64g`.

The text is eaten piece by piece: every rule below takes what it recognises, and what is left is the name of
the device.
"""

from __future__ import annotations

import re

from planner.device_catalogue import Device, device
from planner.errors import BadInput
from planner.facts import CpuFacts, DeviceFacts, HardwareFacts
from planner.phrases import GIB

EXAMPLES = "For example: `8x A100-80G nvlink`, `4090`, `2 nodes x 8 H800 ib 400`, `cpu 16 cores 64g`."
SIZE = r"(\d+(?:\.\d+)?)\s*(g|gb|gib|t|tb|tib)\b"
MOST_NODES, MOST_DEVICES, MOST_CORES = 1024, 64, 1024

ASSUMED_CORES_PER_DEVICE = 8
ASSUMED_HOST_GIB_PER_DEVICE = 64
ASSUMED_HOST_GIB = 16


def parse(text: str) -> HardwareFacts:
    """Return the hardware that a person described; `BadInput` with examples or the nearest device name."""
    words = Words(text)
    nodes = words.count(r"(\d+)\s*(?:nodes?|machines?|hosts?)\b") or 1
    host = words.size(rf"{SIZE}\s*(?:of\s*)?(?:ram|host)\b") or words.size(rf"\b(?:ram|host)\s*{SIZE}")
    disk = words.size(rf"{SIZE}\s*(?:of\s*)?disk\b") or words.size(rf"\bdisk\s*{SIZE}")
    cores = words.count(r"(\d+)[\s-]*(?:cores?|threads?)\b")
    driver = words.word(r"\bdriver\s*(\d+(?:\.\d+)+)")
    link = words.link()
    grid = words.take(r"(?<![\w.])(\d+)\s*[x×*]\s*(\d+)\s*[x×*]?\s+(?=[a-z]|\d{4})")
    if grid:
        nodes, count = int(grid[1]), int(grid[2])
    else:
        count = words.device_count()
    memory = words.size(rf"[\s_-]*{SIZE}")
    name = words.rest()
    limit(text, "machines", nodes, MOST_NODES)
    limit(text, "devices", count, MOST_DEVICES)
    limit(text, "cores", cores or 1, MOST_CORES)
    if name in ("", "cpu", "cpus", "amd cpu", "intel cpu", "arm cpu", "amd", "intel", "arm", "x86"):
        if not name and cores is None:
            raise BadInput(f"`{text}` names no hardware.", remedy=EXAMPLES)
        return cpu_machine(text, name, nodes, cores or count, host or memory, disk)
    found = device(name)
    each = DeviceFacts(
        name=found.name,
        count=count,
        memory_bytes=device_memory(found, memory),
        compute_capability=found.capability,
    )
    interconnect = link or (found.link if count > 1 else None)
    return HardwareFacts(
        description=described(nodes, each, interconnect),
        origin="typed",
        nodes=nodes,
        cpu=CpuFacts(
            name="not described",
            cores=cores or ASSUMED_CORES_PER_DEVICE * count,
            vendor="other",
        ),
        devices=(each,),
        memory_bytes=host or ASSUMED_HOST_GIB_PER_DEVICE * count * GIB,
        disk_free_bytes=disk or 0,
        interconnect=interconnect,
        driver_version=driver,
    )


def cpu_machine(
    text: str, name: str, nodes: int, cores: int, memory: int | None, disk: int | None
) -> HardwareFacts:
    """Return a machine without accelerators."""
    vendor = next((word for word in ("amd", "intel", "arm") if word in name), "other")
    flags = ("avx2",) if vendor in ("amd", "intel", "other") else ()
    host = memory or ASSUMED_HOST_GIB * GIB
    title = {"amd": "AMD", "intel": "Intel", "arm": "Arm"}.get(vendor, "")
    return HardwareFacts(
        description=f"{cores} {title} CPU cores, {host // GIB} GiB".replace("  ", " "),
        origin="typed",
        nodes=nodes,
        cpu=CpuFacts(name=f"{title} CPU".strip(), cores=cores, vendor=vendor, flags=flags),
        memory_bytes=host,
        disk_free_bytes=disk or 0,
    )


def device_memory(found: Device, given: int | None) -> int:
    """Return the memory of one device: the size given, which must exist, or the usual one."""
    if given is None:
        return found.memory_gib[0] * GIB
    if given // GIB not in found.memory_gib:
        sizes = " or ".join(f"{size} GiB" for size in found.memory_gib)
        raise BadInput(f"{found.name} has {sizes} of memory, not {given // GIB} GiB.")
    return given


def described(nodes: int, each: DeviceFacts, link: str | None) -> str:
    """Return one line a person recognises."""
    parts = [f"{nodes} machines, each" if nodes > 1 else ""]
    parts.append(f"{each.count} x" if each.count > 1 else "")
    parts += [each.name, f"{each.memory_bytes // GIB} GiB", f"({link})" if link else ""]
    return " ".join(part for part in parts if part)


def limit(text: str, noun: str, number: int, most: int) -> None:
    """Refuse a number that can only be a slip."""
    if not 1 <= number <= most:
        raise BadInput(f"`{text}`: {number} {noun} cannot be meant; from 1 to {most} are planned for.")


class Words:
    """The text that is still to be understood."""

    def __init__(self, text: str) -> None:
        self.text = f" {text.lower().strip()} "

    def take(self, pattern: str) -> re.Match[str] | None:
        """Return the first match and cut it out."""
        match = re.search(pattern, self.text)
        if match:
            self.text = f"{self.text[: match.start()]} {self.text[match.end() :]}"
        return match

    def count(self, pattern: str) -> int | None:
        """Return a whole number."""
        match = self.take(pattern)
        return int(match[1]) if match else None

    def word(self, pattern: str) -> str | None:
        """Return a word."""
        match = self.take(pattern)
        return match[1] if match else None

    def size(self, pattern: str) -> int | None:
        """Return bytes; `80g`, `80 GB` and `80 GiB` all mean GiB, as devices are sold."""
        match = self.take(pattern)
        if match is None:
            return None
        return int(float(match[1]) * GIB * (1024 if match[2].startswith("t") else 1))

    def link(self) -> str | None:
        """Return the interconnect: nvlink, pcie, ib-400, roce-200."""
        match = self.take(r"\b(ib|infiniband|roce)[\s-]*(\d+)?(?:\s*g(?:b(?:ps)?)?(?:it)?(?:/s)?)?\b")
        if match:
            kind = "roce" if match[1] == "roce" else "ib"
            self.take(r"\b(nvlink|nvswitch|pcie)\b")
            return f"{kind}-{match[2]}" if match[2] else kind
        match = self.take(r"\b(nvlink|nvswitch|pcie)\b")
        return None if match is None else "pcie" if match[1] == "pcie" else "nvlink"

    def device_count(self) -> int:
        """Return `8` of `8x`, `x8`, `8 gpus` and of a number that stands alone before a name."""
        for pattern in (
            r"(?<![\w.])(\d{1,2})\s*[x×*](?!\w*\d*g\b)",
            r"[x×*]\s*(\d{1,3})(?![\w.])",
            r"(?<![\w.])(\d{1,3})\s*(?:gpus?|cards?|devices?)\b",
            r"(?<![\w.])(\d{1,2})(?=\s+[a-z\d])(?!\s*(?:g|gb|gib|t|tb)\b)",
        ):
            number = self.count(pattern)
            if number is not None:
                return number
        return 1

    def rest(self) -> str:
        """Return what is left, without filler words."""
        text = re.sub(
            r"\b(nvidia|geforce|tesla|with|each|of|per|node|and|gpus?|cards?|x)\b|[,;:×*()]", " ", self.text
        )
        return re.sub(r"\s+", " ", text).strip(" -_")
