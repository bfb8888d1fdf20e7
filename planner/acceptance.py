"""Whether the engine accepts a plan's own config: rendered, parsed and judged as any other would be."""

from __future__ import annotations

from planner import arguments, render
from planner.facts import DeviceFacts
from planner.findings import Finding
from planner.methods import runnable
from planner.plan import Plan

MENDED = ("method.reft-cpu", "data.embedding-family")
"""What upstream's script cannot do, and Steersman's own worker can."""

REFUSING = ("rejects", "fails", "ignored")
"""Severities that no plan may have."""


def refusals(plan: Plan) -> tuple[Finding, ...]:
    """Return everything that the engine would refuse, fail on or ignore in the plan's own config."""
    engine = str(plan.value("engine"))
    name = script(plan)
    if name not in arguments.schema.scripts(engine):
        return ()
    text = render.train_config(plan, model="model", data="data", output_dir="output")
    values = render.read_config(text, engine)
    found = arguments.check(engine, name, values, world(plan))
    mended = () if runnable(plan) else MENDED
    return tuple(one for one in found if one.severity in REFUSING and one.code not in mended)


def script(plan: Plan) -> str:
    """Return the script whose parser reads the plan's config."""
    if plan.value("engine") == "paddleformers":
        return "export" if plan.wishes.stage == "export" else "train"
    return render.SCRIPT[render.family(plan)]


def world(plan: Plan) -> arguments.World:
    """Return where the plan runs, as the judge of configs sees it."""
    hardware, processes = plan.facts.hardware, int(str(plan.value("num_processes")))
    return arguments.World(
        processes=processes,
        per_node=max(1, processes // hardware.nodes),
        device=str(render.values(plan)["device"]),
        capability=capability(hardware.devices),
        model_type=plan.facts.model.model_type,
        model=plan.facts.model,
    )


def capability(devices: tuple[DeviceFacts, ...]) -> float | None:
    """Return the lowest CUDA compute capability of the devices; None when one is unknown."""
    known = [device.compute_capability for device in devices]
    return min((float(text) for text in known if text), default=None) if all(known) else None
