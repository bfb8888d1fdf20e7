"""The accelerators that Steersman knows by name: `recipes/devices.yaml` as records."""

from __future__ import annotations

import re
from functools import cache

from pydantic import Field

from planner.catalogue import read
from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.schema import Record

MAKERS = ("nvidia", "geforce", "tesla", "")


class Device(Record):
    """One accelerator model of `recipes/devices.yaml`."""

    name: str
    aliases: tuple[str, ...] = ()
    memory_gib: tuple[int, ...] = Field(description="Sizes it is sold with; the first is assumed.")
    capability: str = Field(description="NVIDIA compute capability.")
    tflops: dict[str, float] = Field(description="Dense peak in TFLOP/s by precision.")
    link: str = Field(description="Usual link between the devices of one node.")
    source: str


@cache
def devices() -> dict[str, Device]:
    """Return every known accelerator by its catalogue name."""
    return {name: Device(name=name, **row) for name, row in read("devices").items()}


@cache
def _device_names() -> dict[str, str]:
    return {_key(word): name for name, device in devices().items() for word in (name, *device.aliases)}


def find_device(text: str) -> Device | None:
    """Return the accelerator that a name means, typed or as a driver reports it; None if unknown.

    `4090`, `a100 sxm4` and `NVIDIA A100-SXM4-80GB` are known by their leading words; `a10x` is not an A10.
    """
    words = [word for word in re.split(r"[\s_\-]+", text.lower()) if word not in MAKERS]
    for end in range(len(words), 0, -1):
        name = _device_names().get("".join(words[:end]))
        if name is not None:
            return devices()[name]
    return None


def device(text: str) -> Device:
    """Return the accelerator that a person named; `BadInput` with the nearest name when it is unknown."""
    found = find_device(text)
    if found is None:
        raise BadInput(
            f"There is no device `{text}` in the catalogue.",
            remedy=hint(text, [*devices(), *(word for entry in devices().values() for word in entry.aliases)])
            or f"It knows {', '.join(devices())}.",
        )
    return found


def peak_flops(name: str, precision: str) -> float | None:
    """Return one device's dense peak in operations per second; None for a device that is not in the
    catalogue."""
    found = find_device(name)
    return found.tflops[precision] * 1e12 if found and found.tflops.get(precision) else None


def _key(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", text.lower())
