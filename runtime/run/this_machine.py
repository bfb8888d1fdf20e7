"""Whether a plan can be run here: it may be for another machine, and for data that lie elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planner.errors import BadInput
from planner.facts import HardwareFacts
from planner.language import say
from planner.phrases import plural
from planner.plan import Plan
from runtime.probe import probe_hardware


def check(
    plan: Plan, where: Path, file: str, probe: Callable[[Path], HardwareFacts] = probe_hardware
) -> None:
    """Raise `BadInput` where the plan needs data or devices that are not here; `where` is the folder for runs
    and `file` what the person calls the plan.

    Memory is not compared: what is free changes from one minute to the next.
    """
    data = plan.facts.data
    if data.typed:
        raise BadInput(
            say(
                "{file} was made for data that were described, {rows}, so there is no file to train on.",
                file=file,
                rows=plural(data.train_rows + data.dev_rows, "row"),
            ),
            remedy=say("Plan again with --data FILE."),
        )
    devices = plan.facts.hardware.devices
    if not devices:
        return
    here = probe(where)
    needed, maker = devices[0].count, devices[0].maker
    found = sum(device.count for device in here.devices if device.maker == maker)
    if found < needed:
        raise BadInput(
            say(
                "{file} is for {needed} x {device}, and this machine has {found} devices of that maker.",
                file=file,
                needed=needed,
                device=devices[0].name,
                found=found,
            ),
            remedy=say("Take the file to that machine and run it there, or plan again for this one."),
        )
