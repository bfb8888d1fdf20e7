"""Which accelerator build of an engine fits a machine: by NVIDIA driver and compute capability.

The table is `recipes/engines/engines.yaml`; every row names its source. A build that lacks kernels for a card
may start and compute wrong numbers (PaddlePaddle/Paddle#73937), so a doubtful build is never chosen.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import Field

from planner.errors import BadInput, NothingFeasible
from planner.facts import DeviceFacts, HardwareFacts
from planner.language import say
from planner.plan import Alternative
from planner.schema import Record

TABLE = Path(__file__).resolve().parent.parent / "recipes" / "engines" / "engines.yaml"
PREFERENCE = ("cu126", "cu118", "cu129")
"""Order of trial: the common build for Volta to Hopper, the one for older drivers and cards, Blackwell's."""


class ByHand(NamedTuple):
    """A build of Paddle for another maker's devices, which Steersman plans for but does not install."""

    build: str
    maker: str
    paddle: str
    page: str


BY_HAND = {
    "kunlun": ByHand("xpu", "Kunlunxin", "paddlepaddle-xpu", "Kunlunxin XPU installation"),
    "ascend": ByHand("npu", "Huawei Ascend", "paddlepaddle and paddle-custom-npu", "Ascend NPU installation"),
    "hygon": ByHand("dcu", "Hygon", "paddlepaddle-dcu", "Hygon DCU installation"),
}
"""Maker -> build. The pages stand under "hardware support" in Paddle's documentation, which names the wheels
and Paddle's own index for each; nothing of it was tried with Steersman."""


class EngineBuild(Record):
    """One accelerator build of an engine."""

    paddle: str = Field(description="Pinned requirement of the Paddle wheel.")
    index: str | None = Field(None, description="Registry of that wheel, if it is not on the ordinary one.")
    cuda: str | None = Field(None, description="CUDA version it was compiled for.")
    min_driver: str | None = Field(None, description="Oldest NVIDIA driver (Linux) with which it is offered.")
    capabilities: tuple[str, str] | None = Field(
        None, description="Lowest and highest compute capability with kernels."
    )
    paddlefleet: str | None = Field(
        None,
        description="Pinned package that some of PaddleFormers' models need, where it has wheels.",
    )
    disk_gb: float = Field(gt=0, description="Free space wanted before an installation, in 10^9 bytes.")
    source: str = Field(description="Where the row's figures come from.")


class Engine(Record):
    """One training toolkit at pinned versions."""

    title: str
    python: tuple[str, ...] = Field(description="Interpreter versions that it installs on.")
    python_because: str = Field(description="Why no others.")
    from_source: tuple[str, ...] = Field((), description="Packages without a wheel that are pure Python.")
    builds: dict[str, EngineBuild]


@lru_cache(maxsize=1)
def engines() -> dict[str, Engine]:
    """Return the table of known engines by name."""
    return {
        name: Engine.model_validate(row) for name, row in yaml.safe_load(TABLE.read_text("utf-8")).items()
    }


def build_of(engine: str, build: str) -> EngineBuild:
    """Return one row of the table; `BadInput` that lists the known names when there is none."""
    if engine not in engines():
        raise BadInput(
            say("There is no engine `{engine}`.", engine=engine),
            remedy=say("Known engines: {names}.", names=", ".join(engines())),
        )
    builds = engines()[engine].builds
    if build not in builds:
        raise BadInput(
            say("Engine {engine} has no build `{build}`.", engine=engine, build=build),
            remedy=say("Known builds: {names}.", names=", ".join(builds)),
        )
    return builds[build]


def pick_build(
    hardware: HardwareFacts, engine: str = "paddlenlp"
) -> tuple[str, str, tuple[Alternative, ...]]:
    """Return the build for this machine, why, and why not each other one.

    Raises `NothingFeasible` when there are NVIDIA devices and no build serves them: their owner should decide
    between a new driver and the CPU, rather than find a run a hundred times slower than expected.
    """
    builds = engines()[engine].builds
    if not hardware.devices:
        reason = say("There is no NVIDIA GPU on this machine.")
        others = tuple(Alternative(value=name, because=reason) for name in builds if name != "cpu")
        return "cpu", say("No NVIDIA GPU, so the CPU build of Paddle is used."), others
    if any(device.maker != "nvidia" for device in hardware.devices):
        return _build_by_hand(hardware, builds)
    objections = {name: _objection(builds[name], hardware) for name in PREFERENCE if name in builds}
    chosen = next((name for name, objection in objections.items() if not objection), None)
    if chosen is None:
        raise _nothing_fits(hardware, builds)
    alternatives = [Alternative(value="cpu", because=say("It would leave the GPU idle."))]
    for name, objection in objections.items():
        if name != chosen:
            reason = objection or say(
                "It would serve too, but {chosen} comes first in the order of trial.", chosen=chosen
            )
            alternatives.append(Alternative(value=name, because=reason))
    return chosen, _because(chosen, builds[chosen], hardware), tuple(alternatives)


def _build_by_hand(
    hardware: HardwareFacts, builds: dict[str, EngineBuild]
) -> tuple[str, str, tuple[Alternative, ...]]:
    """Return the build for devices of another maker; `NothingFeasible` for a mixture of makers."""
    makers = {device.maker for device in hardware.devices}
    if len(makers) > 1:
        raise NothingFeasible(
            say("No Paddle build serves devices of several makers at once."),
            why=say("This machine has {devices}.", devices=", ".join(d.name for d in hardware.devices)),
            remedy=say("Plan for the devices of one maker, named with `--hardware`."),
        )
    found = BY_HAND[makers.pop()]
    because = say(
        "{device} needs Paddle for {maker} devices ({paddle}), which comes from Paddle's own index. "
        'Steersman writes the plan and its files for it; install it by hand as the page "{page}" of '
        "Paddle's documentation says. This build was not tested here.",
        device=hardware.devices[0].name,
        maker=found.maker,
        paddle=found.paddle,
        page=found.page,
    )
    others = [
        Alternative(
            value=name,
            because=say("It would leave the {maker} devices idle.", maker=found.maker)
            if name == "cpu"
            else say("It is for NVIDIA GPUs."),
        )
        for name in builds
    ]
    return found.build, because, tuple(others)


def _because(name: str, build: EngineBuild, hardware: HardwareFacts) -> str:
    cards = ", ".join(_card(device) for device in hardware.devices)
    if hardware.driver_version is None:
        return say(
            "{build} has kernels for {cards}; it needs NVIDIA driver {needed} or newer (unknown here).",
            build=name,
            cards=cards,
            needed=build.min_driver,
        )
    return say(
        "{build} has kernels for {cards}, and driver {driver} is new enough ({needed}).",
        build=name,
        cards=cards,
        driver=hardware.driver_version,
        needed=build.min_driver,
    )


def _objection(build: EngineBuild, hardware: HardwareFacts) -> str:
    """Return why `build` does not serve this machine, or an empty string."""
    lowest, highest = build.capabilities or ("0", "0")
    for device in hardware.devices:
        capability = device.compute_capability
        if capability and not version(lowest) <= version(capability) <= version(highest):
            return say(
                "Its kernels are for compute capability {lowest} to {highest}, not for {card}.",
                lowest=lowest,
                highest=highest,
                card=_card(device),
            )
    driver, needed = hardware.driver_version, build.min_driver
    if driver and needed and version(driver) < version(needed):
        return say(
            "It needs NVIDIA driver {needed} or newer; this machine has {driver}.",
            needed=needed,
            driver=driver,
        )
    return ""


def _nothing_fits(hardware: HardwareFacts, builds: dict[str, EngineBuild]) -> NothingFeasible:
    """Say whether it is the card, the mix of cards or the driver, and what to do about it."""
    on_cpu = say(
        "Or use the CPU: add `--build cpu` to `steersman engines install`, and plan with a CPU `--hardware`."
    )
    without_driver = hardware.model_copy(update={"driver_version": None})
    fitting = [
        build for build in builds.values() if build.capabilities and not _objection(build, without_driver)
    ]
    if fitting:
        needed = min((build.min_driver or "" for build in fitting), key=version)
        return NothingFeasible(
            say(
                "NVIDIA driver {driver} is too old for {card}.",
                driver=hardware.driver_version,
                card=_card(hardware.devices[0]),
            ),
            why=say(
                "The oldest driver with which a Paddle build for this card works is {needed}.", needed=needed
            ),
            remedy=say("Update the driver to {needed} or newer.", needed=needed) + f" {on_cpu}",
        )
    for device in hardware.devices:
        alone = without_driver.model_copy(update={"devices": (device,)})
        if all(_objection(build, alone) for build in builds.values() if build.capabilities):
            ranges = [build.capabilities for build in builds.values() if build.capabilities]
            lowest = min((low for low, _ in ranges), key=version)
            highest = max((high for _, high in ranges), key=version)
            return NothingFeasible(
                say("No Paddle build has kernels for {card}.", card=_card(device)),
                why=say(
                    "They cover compute capability {lowest} to {highest}.", lowest=lowest, highest=highest
                ),
                remedy=say("Choose another card with CUDA_VISIBLE_DEVICES.") + f" {on_cpu}",
            )
    return NothingFeasible(
        say("No single Paddle build has kernels for all GPUs of this machine."),
        why=say("It has {cards}.", cards=", ".join(_card(device) for device in hardware.devices)),
        remedy=say("Choose cards of one kind with CUDA_VISIBLE_DEVICES.") + f" {on_cpu}",
    )


def _card(device: DeviceFacts) -> str:
    known = device.compute_capability
    if not known:
        return say("{device} (compute capability unknown)", device=device.name)
    return say("{device} (compute capability {known})", device=device.name, known=known)


def version(text: str) -> tuple[int, ...]:
    """Return `550.54.14` as comparable numbers; anything after the digits and dots is ignored."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = "".join(character for character in part if character.isdigit())
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
