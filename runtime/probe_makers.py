"""Accelerators of Kunlunxin, Huawei Ascend and Hygon, through their makers' own tools.

Each tool's text is read by a pure function. The formats were seen in public documents, which the docstrings
name, and not on such machines. What a tool prints otherwise becomes a failure that the person sees.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from planner.facts import DeviceFacts
from planner.language import say

MIB = 1 << 20
PATIENCE_S = 5.0
"""Seconds that a tool may take: eight devices take a second or two, and a driver that hangs is told."""

Maker = Literal["kunlun", "ascend", "hygon"]
Run = Callable[[Sequence[str]], str]


class Chip(NamedTuple):
    """One device as a tool shows it."""

    name: str
    memory_bytes: int
    free_bytes: int | None = None
    used_by: tuple[str, ...] = ()


class Found(NamedTuple):
    """What the tools of all makers know."""

    devices: tuple[DeviceFacts, ...] = ()
    interconnect: str | None = None
    failures: tuple[str, ...] = ()


class Tool(NamedTuple):
    """How one maker's devices are asked for."""

    maker: Maker
    command: tuple[str, ...]
    read: Callable[[str], tuple[Chip, ...]]
    visible: str
    link: str | None = None


def parse_xpu_smi(text: str) -> tuple[Chip, ...]:
    """Return the devices in the output of `xpu-smi -q`, or of the older `xpu_smi`.

    `-q` prints a block for each device (`XPU 00000000:CC:00.0`, `Product Name : P800 OAM`, a section `Memory
    Usage` with `Total : 98304 MiB` and `Used`): PaddlePaddle/FastDeploy#5360. The older tool prints a table
    with `| 0 | 0000:53:00.0 | R300 | ... | 0 / 32768 MB |`: Paddle's XPU installation page.
    """
    chips: list[Chip] = []
    for block in re.split(r"(?m)^\s*XPU\s+[\da-fA-F]{4,8}:[\da-fA-F]{2}:[\da-fA-F]{2}\.\d.*$", text)[1:]:
        name = re.search(r"Product Name\s*:\s*(.+)", block)
        memory = re.search(r"(?m)^\s*Memory Usage\s*$((?:\n\s+\w+\s*:.*)+)", block)
        sizes = dict(re.findall(r"(\w+)\s*:\s*(\d+)\s*Mi?B", memory[1])) if memory else {}
        if name and "Total" in sizes:
            chips.append(_chip(name[1].strip(), sizes["Total"], sizes.get("Used", "0")))
    row = r"(?m)^\|\s*\d+\s*\|\s*[\da-fA-F:.]+\s*\|\s*([^|]+?)\s*\|.*\|\s*(\d+)\s*/\s*(\d+)\s*MB\s*\|\s*$"
    return tuple(chips) or tuple(_chip(name, total, used) for name, used, total in re.findall(row, text))


def parse_npu_smi(text: str) -> tuple[Chip, ...]:
    """Return the devices in the output of `npu-smi info`.

    A device is two rows: `| 0  910B3 | OK | ... |` and `| 0 | 0000:C1:00.0 | 0  0 / 0  3318 / 65536 |`; a
    table of processes follows. Chips of the third generation are all called `Ascend910`, have a second number
    in their second row, and show 64 GiB: vllm-project/vllm-ascend#1130, #2534, #12980 (with processes).
    """
    chips: list[Chip] = []
    places: list[tuple[str, str]] = []
    head: re.Match[str] | None = None
    for line in text.splitlines():
        name = re.match(r"\|\s*(\d+)\s+(\S+)\s*\|\s*(?:OK|Warning|Alarm|Critical|UNKNOWN)\b", line)
        usage = re.match(
            r"\|\s*(\d+)(?:\s+\d+)?\s*\|\s*[\da-fA-F:.]+\s*\|.*?(\d+)\s*/\s*(\d+)\s*\|\s*$", line
        )
        task = re.match(r"\|\s*(\d+)\s+(\d+)\s*\|\s*\d+\s*\|\s*(\S+)\s*\|\s*\d+\s*\|", line)
        if name:
            head = name
        elif usage and head:
            third = head[2] == "Ascend910" and int(usage[3]) > 40 * 1024
            chips.append(_chip("910C" if third else head[2], usage[3], usage[2]))
            places.append((head[1], usage[1]))
            head = None
        elif task and (task[1], task[2]) in places:
            index = places.index((task[1], task[2]))
            chips[index] = chips[index]._replace(used_by=(*chips[index].used_by, task[3]))
    return tuple(chips)


def parse_hy_smi(text: str) -> tuple[Chip, ...]:
    """Return the devices in the output of `hy-smi --showproductname --showmeminfo vram --json`.

    `{"card0": {"Card Series": "K100_AI", "VRAM Total Memory (B)": "...", "VRAM Total Used Memory (B)": ..}}`:
    the first key as SwanLab reads it (swanlab/data/run/metadata/hardware/dcu/hygon.py), the others as
    rocm-smi prints them, from which hy-smi descends. Sizes in MiB are understood too.
    """
    start = text.find("{")
    cards = json.loads(text[start:]) if start >= 0 else {}
    chips: list[Chip] = []
    for key, card in cards.items():
        sizes: dict[str, int] = {}
        for word, value in card.items():
            match = re.fullmatch(r"vram total (used )?memory \((b|mib)\)", word.lower())
            if match:
                sizes["used" if match[1] else "total"] = int(value) * (MIB if match[2] == "mib" else 1)
        if key.startswith("card") and "total" in sizes:
            name = str(card.get("Card Series") or card.get("Card series") or "DCU")
            chips.append(Chip(name, sizes["total"], sizes["total"] - sizes.get("used", 0)))
    return tuple(chips)


HYGON = ("--showproductname", "--showmeminfo", "vram", "--json")
TOOLS = (
    Tool("kunlun", ("xpu-smi", "-q"), parse_xpu_smi, "XPU_VISIBLE_DEVICES", "xpulink"),
    Tool("kunlun", ("xpu_smi",), parse_xpu_smi, "XPU_VISIBLE_DEVICES"),
    Tool("ascend", ("npu-smi", "info"), parse_npu_smi, "ASCEND_RT_VISIBLE_DEVICES", "hccs"),
    Tool("hygon", ("hy-smi", *HYGON), parse_hy_smi, "HIP_VISIBLE_DEVICES"),
)


def probe_makers(which: Callable[[str], str | None] = shutil.which, run: Run | None = None) -> Found:
    """Return the devices of the first tool that shows any. No tool at all is an answer, not a failure."""
    failures: list[str] = []
    for tool in TOOLS:
        if which(tool.command[0]) is None:
            continue
        try:
            chips = tool.read((run or _output)(tool.command))
        except (OSError, ValueError, TypeError, AttributeError, subprocess.SubprocessError) as error:
            failures.append(
                say("`{command}` gave no answer: {error}.", command=" ".join(tool.command), error=error)
            )
            continue
        if not chips:
            failures.append(
                say("`{command}` shows no device that Steersman understands.", command=" ".join(tool.command))
            )
            continue
        chips = visible(chips, os.environ.get(tool.visible))
        return Found(grouped(tool.maker, chips), tool.link if len(chips) > 1 else None, tuple(failures))
    return Found(failures=tuple(failures))


def visible(chips: tuple[Chip, ...], wanted: str | None) -> tuple[Chip, ...]:
    """Keep what the maker's variable names by index; a word that is no index ends the list, as with CUDA."""
    if wanted is None:
        return chips
    chosen: list[Chip] = []
    for word in wanted.split(","):
        if not word.strip().isdecimal() or int(word) >= len(chips):
            break
        chosen.append(chips[int(word)])
    return tuple(chosen)


def grouped(maker: Maker, chips: tuple[Chip, ...]) -> tuple[DeviceFacts, ...]:
    """Return equal devices as one entry, with the least free memory of any."""
    kinds = dict.fromkeys((chip.name, chip.memory_bytes) for chip in chips)
    entries: list[DeviceFacts] = []
    for name, memory in kinds:
        same = [chip for chip in chips if (chip.name, chip.memory_bytes) == (name, memory)]
        free = [chip.free_bytes for chip in same if chip.free_bytes is not None]
        users = tuple(dict.fromkeys(user for chip in same for user in chip.used_by))
        entries.append(
            DeviceFacts(
                name=name,
                maker=maker,
                count=len(same),
                memory_bytes=memory,
                free_bytes=min(free, default=None),
                used_by=users,
            )
        )
    return tuple(entries)


def _chip(name: str, total_mib: str, used_mib: str) -> Chip:
    total = int(total_mib) * MIB
    return Chip(name, total, total - int(used_mib) * MIB)


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return done.stdout
