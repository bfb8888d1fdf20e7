"""Why a plan is as it is: what a person may ask about, and the answer as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import join, say, template
from planner.phrases import plural, size
from planner.plan import Plan
from planner.setting_values import settings
from planner.settings import GROUPS
from tui.decision_view import SUBJECTS, decisions, in_full
from tui.forecast_view import PARTS, assumptions, memory, memory_reasons, needs, said
from tui.page import NARROW, heading, indented, rows
from tui.plan_figures import cost, on_devices, total_time, training_time, units, whole_cost

FORECASTS = {
    "memory": template("Memory"),
    "time": template("Time"),
    "cost": template("Cost"),
}
"""Topics beside settings and subjects."""

WEIGHTS, STATES = ("weights", "reference model"), ("gradients", "master weights", "optimizer")
ROWS = ("activations", "logits", "pipeline")
CONCERNS = {
    "method": ("weights", "adapter", *STATES),
    "lora_rank": ("adapter", *STATES),
    "lora_target_modules": ("adapter", *STATES),
    "weight_quantize_algo": ("weights",),
    "reference_free": ("reference model",),
    "precision": (*WEIGHTS, *STATES, *ROWS),
    "fp16_opt_level": (*WEIGHTS, "master weights"),
    "amp_master_grad": ("gradients",),
    "optim": ("optimizer",),
    "max_length": ROWS,
    "zero_padding": ROWS,
    "per_device_train_batch_size": ROWS,
    "gradient_accumulation_steps": ("pipeline",),
    "use_flash_attention": ("activations",),
    "flash_mask": ("activations",),
    "use_fused_linear_cross_entropy": ("logits",),
    "recompute": ("activations",),
    "recompute_granularity": ("activations",),
    "offload_optim": ("optimizer",),
    "tensor_parallel_degree": (*WEIGHTS, "adapter", *STATES, *ROWS),
    "sequence_parallel": ("activations",),
    "pipeline_parallel_degree": (*WEIGHTS, "adapter", *STATES, *ROWS),
    "virtual_pp_degree": ("pipeline", "activations"),
    "sharding": (*STATES, "weights"),
    "sharding_parallel_degree": (*STATES, "weights"),
    "context_parallel_degree": ROWS,
    "sep_parallel_degree": ROWS,
    "expert_parallel_degree": ("weights", *STATES),
    "tensor_parallel_output": ("logits",),
}
"""Setting -> the parts of the memory forecast that it moves."""


def topics() -> list[str]:
    """Return everything that can be asked about."""
    return [*settings(), *GROUPS, *FORECASTS]


def known(topic: str) -> str:
    """Return the topic; `BadInput` with the nearest one when there is none of that name."""
    if topic in topics():
        return topic
    raise BadInput(
        say("A plan has no setting, subject or forecast called `{topic}`.", topic=topic),
        remedy=hint(topic, topics())
        or say(
            "`steersman plan --list-settings` lists the settings; subjects: {names}.", names=", ".join(GROUPS)
        ),
    )


def page(plan: Plan, asked: tuple[str, ...], console: Console) -> Iterator[RenderableType]:
    """Yield the answers to what was asked; without a question every decision in full, by subject."""
    if not asked:
        for group in GROUPS:
            yield from subject(plan, group, console)
    for topic in asked:
        if topic in FORECASTS:
            yield from forecast(plan, topic, console)
        if topic in settings():
            yield in_full(plan, topic)
            yield from concerned(plan, topic)
        if topic in GROUPS:
            yield from subject(plan, topic, console)
    if set(asked) & set(FORECASTS):
        yield indented(assumptions(plan), below=0)


def subject(plan: Plan, group: str, console: Console) -> Iterator[RenderableType]:
    """Yield the decisions of one subject with what was rejected and their sources."""
    yield heading(say(SUBJECTS[group]))
    yield decisions(plan, group, console, why=True)


def concerned(plan: Plan, name: str) -> Iterator[RenderableType]:
    """Yield the parts of the memory forecast that a setting moves."""
    found = {part: plan.forecast.memory_parts.get(part) for part in CONCERNS.get(name, ())}
    shown = [(said(PARTS, name), part) for name, part in found.items() if part is not None and part.bytes]
    if shown:
        yield indented(Text(say("Memory that it moves:"), style="bold"), below=0)
        yield indented(rows((label, f"{size(part.bytes)}  {part.because}") for label, part in shown))


def forecast(plan: Plan, topic: str, console: Console) -> Iterator[RenderableType]:
    """Yield one part of the forecast."""
    yield heading(say(FORECASTS[topic]))
    if topic == "memory":
        yield indented(memory(plan, console))
        if console.width < NARROW:
            yield indented(memory_reasons(plan))
    elif topic == "time":
        yield indented(needs(plan))
    else:
        yield indented(Text(cost_sentence(plan)))


def cost_sentence(plan: Plan) -> str:
    """Return how the cost comes about, or how to get one."""
    training, whole = cost(plan), whole_cost(plan)
    if training is None or whole is None:
        return join(
            (
                say("No price was given."),
                say("Plan with --cost-per-hour, or ask: steersman what-if PLAN --cost-per-hour 2.5"),
            )
        )
    paid = {
        "units": plural(units(plan), "device" if on_devices(plan) else "machine"),
        "price": plan.wishes.cost_per_device_hour,
    }
    return join(
        (
            say(
                "{span} of training x {units} x {price:g} per hour = {money}.",
                span=training_time(plan).seconds(),
                money=training.money(),
                **paid,
            ),
            say(
                "If the whole run is paid, downloads included: {span} x {units} x {price:g} per hour = "
                "{money}.",
                span=total_time(plan).seconds(),
                money=whole.money(),
                **paid,
            ),
        )
    )


def as_data(plan: Plan, asked: tuple[str, ...]) -> dict[str, Any]:
    """Return the same as plain data: topic -> decision, decisions of a subject, or part of the forecast."""
    answers: dict[str, Any] = {}
    for topic in asked or tuple(settings()):
        if topic in FORECASTS:
            answers[topic] = forecast_data(plan, topic)
            continue
        names = list(GROUPS[topic].model_fields) if topic in GROUPS else [topic]
        answers |= {name: plan.decisions[name].model_dump(mode="json") for name in names}
    return answers


def forecast_data(plan: Plan, topic: str) -> dict[str, Any]:
    """Return one part of the forecast as plain data: bytes, seconds, money."""
    ahead = plan.forecast.model_dump(mode="json")
    if topic == "memory":
        return {name: ahead[name] for name in ("peak_memory_bytes", "memory_limit_bytes", "memory_parts")}
    if topic == "time":
        training, total = training_time(plan), total_time(plan)
        spans = {"train_seconds": list(training), "total_seconds": list(total)}
        return spans | {name: ahead[name] for name in ("stage_seconds", "step_seconds", "tokens_per_second")}
    money, whole = cost(plan), whole_cost(plan)
    return {
        "cost": list(money) if money else None,
        "whole_cost": list(whole) if whole else None,
        "per_device_hour": plan.wishes.cost_per_device_hour,
    }
