"""The accelerators that Steersman knows by name: `recipes/devices.yaml` as records."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from pydantic import Field

from planner.catalogue import read
from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import say
from planner.schema import Record

Maker = Literal["nvidia", "kunlun", "ascend", "hygon"]

MAKERS = ("nvidia", "geforce", "tesla", "huawei", "ascend", "kunlunxin", "hygon", "dcu", "")
"""Words before a name that do not tell devices apart."""

PORTABLE = ("laptop", "mobile", "max-q")
"""Words of cards in portable computers: they share the number of a faster desktop card, never its figures."""


WELL_KNOWN = ("A100", "H100", "V100", "T4", "RTX 4090", "RTX 3090", "P800", "910B")
"""Examples for whoever named something that the catalogue does not hold."""


class Device(Record):
    """One accelerator model of `recipes/devices.yaml`."""

    name: str
    maker: Maker = "nvidia"
    aliases: tuple[str, ...] = ()
    memory_gib: tuple[int, ...] = Field(description="Sizes it is sold with; the first is assumed.")
    memory_bandwidth_gb_s: float | None = Field(None, gt=0, description="Of device memory; None: not public.")
    capability: str = Field("", description="NVIDIA compute capability; empty for other makers.")
    tflops: dict[str, float] = Field(
        description="Dense peak in TFLOP/s (int8: TOP/s) by precision; what is missing is not public or none."
    )
    trains_in: str = Field(
        "", description="16-bit format of upstream's recipes for it, where no maker's figure decides."
    )
    link: str = Field(description="Usual link between the devices of one node.")
    link_gb_s: float | None = Field(
        None, gt=0, description="What that link carries per device and direction; None: not public."
    )
    most_per_machine: int | None = Field(
        None, gt=0, description="Devices that the usual machine holds; more of them are several machines."
    )
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

    `4090`, `a100 sxm4` and `NVIDIA A100-SXM4-80GB` are known by their leading words; `a10x` is not an A10,
    and a laptop's card is not the desktop card of that number.
    """
    words = [word for word in re.split(r"[\s_\-]+", text.lower()) if word not in MAKERS]
    for end in range(len(words), 0, -1):
        name = _device_names().get("".join(words[:end]))
        if name is not None:
            portable = any(word in PORTABLE for word in words[end:])
            return None if portable else devices()[name]
    return None


def exact_device(text: str) -> Device | None:
    """Return the accelerator that has exactly this name or alias."""
    name = _device_names().get(_key(text))
    return devices()[name] if name else None


def device(text: str) -> Device:
    """Return the accelerator that a person named; `BadInput` with the nearest name when it is unknown."""
    found = find_device(text)
    if found is None:
        raise BadInput(
            say("There is no device `{name}` in the catalogue.", name=text),
            remedy=hint(text, [*devices(), *(word for entry in devices().values() for word in entry.aliases)])
            or say(
                "It knows {count} devices of NVIDIA, Kunlunxin, Huawei and Hygon, such as {names}. Name the "
                "one that is most like yours, and its memory.",
                count=len(devices()),
                names=", ".join(WELL_KNOWN),
            ),
        )
    return found


def _key(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", text.lower())
