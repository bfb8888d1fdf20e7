"""Hardware in words: `8x A100-80G nvlink`, `4090`, `2 nodes x 8 H800 ib 400`, `laptop`, `cpu 16 cores 64g`.

The text is eaten piece by piece: every rule below takes what it recognises, and what is left is the name of
the device. The description that a machine gets is in the same language, so it reads back to the same facts.
"""

from __future__ import annotations

import re

from planner.device_catalogue import Device, device, exact_device, find_device
from planner.errors import BadInput
from planner.facts import HardwareFacts
from planner.hardware_machines import Host, cpu_machine, gib, gpu_machine, plain
from planner.hardware_words import SIZE, Words
from planner.language import say
from planner.phrases import GIB

EXAMPLES = "`8x A100-80G nvlink`, `4090`, `2 nodes x 8 H800 ib 400`, `cpu 16 cores 64g`"
MOST_NODES, MOST_DEVICES, MOST_CORES, MOST_GIB, MOST_GBIT = 1024, 64, 1024, 1 << 20, 100_000
LONGEST = 300
"""Characters of a description; more can only be a slip."""

HOSTED = {"colab": ("T4", 1, 1, 12), "kaggle": ("T4", 2, 2, 29)}
"""Notebook service -> device, count, physical cores and GiB of RAM (Kaggle's documentation: 2 T4, 4 threads,
29 GB; Colab guarantees nothing: 2 threads and 12.7 GB are usual)."""

DGX_NETWORK = {"A100": 1600.0, "H100": 3200.0, "H200": 3200.0, "B200": 3200.0}
"""Gbit/s per node of NVIDIA's DGX systems: eight ports of 200 (A100) or 400 Gbit/s (their datasheets)."""

CPU_NAMES = {"", "cpu", "cpus", "amd cpu", "intel cpu", "arm cpu", "amd", "intel", "arm", "x86", "x86 cpu"}


def parse(text: str) -> HardwareFacts:
    """Return the hardware that a person described; `BadInput` with examples or the nearest device name."""
    if len(text) > LONGEST:
        raise BadInput(
            say("This description of hardware has {count} characters.", count=len(text)), remedy=examples()
        )
    refuse_mixture(text)
    words = Words(text)
    assumed = bool(words.take(r"\(?\bassumed\b\)?"))
    hosted = words.word(r"\b(colab|kaggle)\b")
    system = words.take(r"(?:(?<![\w.])(\d{1,4})\s*[x×*]?\s*)?\b(dgx|hgx)\b(\s*station)?")
    spread = words.count(r"\b(?:on|over|across)\s+(\d{1,9})\s*(?:nodes?|machines?|hosts?|servers?)\b")
    named = words.count(r"(?<![\w.])(\d{1,9})\s*(?:nodes?|machines?|hosts?|servers?)\b")
    host = take_host(words)
    network = words.network()
    link = take_link(words)
    kind = take_kind(words)
    grid = words.take(r"(?<![\w.])(\d{1,4})\s*[x×*]\s*(\d{1,2})\s*[x×*]?\s+(?=[a-z]|\d{3,4})")
    count = int(grid[2]) if grid else words.device_count()
    memory = words.size(rf"[\s_-]*(?<![a-z\d.]){SIZE}")
    name = words.rest()
    nodes = int(grid[1]) if grid else named or spread or int(system[1] or 1 if system else 1)
    check(text, nodes, count, host, memory, network)
    if hosted:
        device_name, usual, cores, gib = HOSTED[hosted]
        usual = usual if not name or find_device(name) == find_device(device_name) else 1
        name, count = name or device_name, count or usual
        host = host._replace(cores=host.cores or cores, memory=host.memory or gib * GIB)
    if kind == "none" and name not in CPU_NAMES:
        raise BadInput(
            say("`{text}` names the device `{name}` and says that there is none.", text=text, name=name)
        )
    if name in CPU_NAMES and not system:
        if not name and host.cores is None and kind is None:
            raise BadInput(say("`{text}` names no hardware.", text=text), remedy=examples())
        return cpu_machine(name, nodes, count, kind or "", host, memory, assumed)
    if spread and count and spread > 1:
        count = shared_out(text, count, spread)
    found = resolve(name, memory, link, portable=kind == "laptop")
    count = count or (4 if system and system[3] else 8 if system else 1)
    most = found.most_per_machine or MOST_DEVICES
    if count > most and count % most == 0 and not (grid or named or spread or system):
        nodes, count = count // most, most
    if system and system[2] == "dgx" and nodes > 1:
        network = network or DGX_NETWORK.get(found.name)
    alone = nodes == 1 and count > most
    return gpu_machine(found, nodes, count, device_memory(found, memory), link, network, host, alone=alone)


def take_host(words: Words) -> Host:
    """Take memory, disk, cores and driver of the machine."""
    memory = words.size(rf"{SIZE}\s*(?:of\s*)?(?:ram|host)\b") or words.size(rf"\b(?:ram|host)\s*{SIZE}")
    disk = words.size(rf"{SIZE}\s*(?:of\s*)?disk\b") or words.size(rf"\bdisk\s*{SIZE}")
    cores = words.take(
        r"(?<![\w.])(\d{1,9})[\s-]*((?:amd|intel|arm)\s+)?(cpu\s+)?(?:v?cpus|cores?|threads?)\b"
    )
    if cores:
        words.text += f"{cores[2] or ''} {cores[3] or ''}"
    driver = words.word(r"\bdriver\s*(\d+(?:\.\d+)+)")
    return Host(int(cores[1]) if cores else None, memory, disk, driver)


def take_link(words: Words) -> str | None:
    """Take the link inside a node; `a100 pcie nvlink` is a PCIe card with a bridge: NVLink is the answer."""
    pcie = words.take(r"\bpcie(?:\s*gen\s*\d|\s*\d\.0)?\b")
    match = words.take(r"\b(nvlink|nvswitch|hccs|xpulink)\b")
    if match:
        if pcie:
            words.text += " pcie "
        return "nvlink" if match[1].startswith("nv") else match[1]
    return "pcie" if pcie else None


def take_kind(words: Words) -> str | None:
    """Take what says that there is no accelerator worth naming: `no gpu`, `laptop`, `m2 macbook`."""
    mac = r"(?:macbook|imac|mac)(?:\s*(?:pro|air|mini|studio|max))*"
    chip = r"(?:apple\s*)?\bm[1-5]\b(?:\s*(?:pro|max|ultra))?"
    if words.take(rf"\b(?:{chip}\s*{mac}|{mac}\s*{chip}|{mac}|{chip})\b"):
        words.take(r"\bapple\b")
        return "Mac"
    if words.take(
        r"\b(?:no|without)\s+(?:an?\s+)?(?:gpus?|graphics\s+cards?|accelerators?)\b|\bcpu[\s-]only\b"
    ):
        words.take(r"\b(?:laptop|notebook)\b")
        return "none"
    return "laptop" if words.take(r"\b(?:laptop|notebook)\b") else None


def resolve(name: str, memory: int | None, link: str | None, portable: bool) -> Device:
    """Return the device of that name, in the variant that memory, slot and housing tell apart."""
    size = f"{memory // GIB}g" if memory else ""
    found = find_device(name) or (find_device(name[:-1]) if name.endswith("s") else None) or None
    stem = name
    if found is not None:
        stem = " ".join(word for word in found.name.split() if not (word[0].isdigit() and word.endswith("G")))
        size = size or next(
            (word for word in found.name.split() if word[0].isdigit() and word.endswith("G")), ""
        )
    stems = [stem] if found is None or found.link == "pcie" or link != "pcie" else [f"{stem} pcie", stem]
    stems = [f"{stem} laptop", *stems] if portable else stems
    for each in stems:
        for key in (f"{each} {size}", each):
            variant = exact_device(key)
            if variant and (memory is None or memory // GIB in variant.memory_gib):
                return variant
    return found or device(name)


def device_memory(found: Device, given: int | None) -> int:
    """Return the memory of one device: the size given, which must exist, or the usual one."""
    if given is None:
        return found.memory_gib[0] * GIB
    if given // GIB not in found.memory_gib:
        sizes = " / ".join(f"{size} GiB" for size in found.memory_gib)
        raise BadInput(
            say(
                "{device} has {sizes} of memory, not {given}.",
                device=found.name,
                sizes=sizes,
                given=gib(given),
            )
        )
    return given // GIB * GIB


def shared_out(text: str, total: int, nodes: int) -> int:
    """Return the devices of each node when their sum was named: `16 H100 on 2 nodes`."""
    if total % nodes:
        raise BadInput(
            say(
                "`{text}`: {total} devices do not divide evenly over {nodes} nodes.",
                text=text,
                total=total,
                nodes=nodes,
            ),
            remedy=say("Say how many each node has: `2 nodes x 8 H100`."),
        )
    return total // nodes


def refuse_mixture(text: str) -> None:
    """Refuse devices of several kinds, of which all but the first would be passed over."""
    parts = re.split(r"\s*(?:[+&;,/、，]|\b(?:and|plus)\b|[和与])\s*", text)
    names = [re.sub(r"^\s*\d{1,4}\s*[x×*]?\s+|^\s*\d{1,2}\s*[x×*张块片个]\s*", "", part) for part in parts]
    kinds = list(dict.fromkeys(found.name for name in names if (found := find_device(name)) is not None))
    if len(kinds) > 1:
        raise BadInput(
            say("`{text}` names devices of several kinds: {kinds}.", text=text, kinds=", ".join(kinds)),
            remedy=say(
                "A training takes devices of one kind. Describe those alone, or all as the smallest of them."
            ),
        )


def check(
    text: str, nodes: int, count: int | None, host: Host, memory: int | None, network: float | None
) -> None:
    """Refuse numbers that can only be slips."""
    check_number(text, "machines", nodes, MOST_NODES)
    check_number(text, "devices", 1 if count is None else count, MOST_DEVICES)
    check_number(text, "cores", 1 if host.cores is None else host.cores, MOST_CORES)
    for size in (memory, host.memory, host.disk):
        check_number(text, "GiB", 1 if size is None else size / GIB, MOST_GIB)
    check_number(text, "Gbit/s", 1 if network is None else network, MOST_GBIT)


def check_number(text: str, noun: str, number: float, most: int) -> None:
    """Refuse a number outside of 1 to `most`."""
    if not 1 <= number <= most:
        raise BadInput(
            say(
                "`{text}`: {number} {noun} cannot be meant; from 1 to {most} are planned for.",
                text=text,
                number=plain(number),
                noun=noun,
                most=most,
            )
        )


def examples() -> str:
    """Return the sentence that shows how hardware is described."""
    return say("For example: {examples}.", examples=EXAMPLES)
