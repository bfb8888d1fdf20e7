"""Figures as people read them: bytes, seconds, counts, machines. Every sentence of a plan uses these."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from planner.language import current, say, template

if TYPE_CHECKING:
    from planner.facts import CpuFacts, DeviceFacts, HardwareFacts

GIB = 1024**3
MIB = 1024**2
KIB = 1024


def size(number: float) -> str:
    """Return bytes as `180 KiB`, `512 MiB`, `3.4 GiB` or `1.2 TiB`; what is there is never called 0."""
    if 0 < number < 0.95 * MIB:
        return f"{max(number / KIB, 1):.0f} KiB"
    if number < 0.95 * GIB:
        return f"{number / MIB:.0f} MiB"
    if number >= 1000 * GIB:
        return f"{number / 1024 / GIB:.1f} TiB"
    return f"{number / GIB:.1f} GiB" if number < 100 * GIB else f"{number / GIB:.0f} GiB"


class Unit(NamedTuple):
    """A unit of time."""

    text: str
    """A template."""
    seconds: int
    digits: int
    """Behind the point."""
    up_to: float
    """Seconds up to which it is used."""


UNITS_OF_TIME = (
    Unit(template("{number} s"), 1, 0, 180),
    Unit(template("{number} min"), 60, 0, 90 * 60),
    Unit(template("{number} h"), 3600, 1, 48 * 3600),
    Unit(template("{number} days"), 86400, 1, math.inf),
)


def duration(seconds: float) -> str:
    """Return seconds as `140 s`, `6 min`, `2.5 h` or `3.1 days`, in the current language."""
    unit = unit_of(seconds)
    return say(unit.text, number=f"{seconds / unit.seconds:.{unit.digits}f}")


def unit_of(seconds: float) -> Unit:
    """Return the unit in which a time is read best."""
    return next(unit for unit in UNITS_OF_TIME if seconds < unit.up_to)


def span(low: float, high: float) -> str:
    """Return a range of seconds as `5 to 8 min`, both ends in the unit of the longer; one figure when both
    read the same."""
    unit, last = unit_of(high), duration(high)
    first = f"{low / unit.seconds:.{unit.digits if low >= unit.seconds else 1}f}"
    same = last == say(unit.text, number=first)
    return last if same else say("{low} to {high}", low=first, high=last)


def count(number: float) -> str:
    """Return a whole number with thousands separated: `11,024`."""
    return f"{round(number):,}"


def parameters(number: int) -> str:
    """Return a number of weights as `135M` or `7.6B`."""
    if number < 1e6:
        return f"{number / 1e3:.0f}K"
    if number < 1e7:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e6:.0f}M" if number < 1e9 else f"{number / 1e9:.1f}B"


def plural(number: int, noun: str, plural_noun: str = "") -> str:
    """Return `1 row`, `2 rows`; in another language the number and the catalogue's word for `noun`."""
    word = noun if number == 1 or current() != "en" else plural_noun or noun + "s"
    return say("{number} {noun}", number=count(number), noun=say(word))


def machine(hardware: HardwareFacts) -> str:
    """Return a probed machine in the current language, and a described one as it was described.

    Facts keep the English line: the same machine gives the same plan, whoever looked at it.
    """
    if hardware.origin == "typed" or current() == "en":
        return hardware.description
    return parts_of(hardware.cpu, hardware.memory_bytes, hardware.devices)


def parts_of(cpu: CpuFacts, memory_bytes: int, devices: Iterable[DeviceFacts]) -> str:
    """Return one line such as `2 cores of AMD EPYC, 25 GB of memory, no GPU`."""
    cards = [f"{device.count} x {device.name} ({_gb(device.memory_bytes)})" for device in devices]
    return say(
        "{cores} of {cpu}, {memory} of memory, {devices}",
        cores=plural(cpu.cores, "core"),
        cpu=cpu.name,
        memory=_gb(memory_bytes),
        devices=", ".join(cards) or say("no GPU"),
    )


def _gb(number: float) -> str:
    """Return bytes in the unit that machines are sold by."""
    return f"{number / 1e9:.0f} GB"
