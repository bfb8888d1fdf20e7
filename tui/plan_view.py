"""A plan as a page: what is to be done, what was found, what was decided and why, what it needs, what else
there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from planner.facts import DataFacts, HardwareFacts, ModelFacts
from planner.language import say, template
from planner.methods import next_command, runnable
from planner.phrases import count, machine, parameters, plural, size
from planner.plan import Plan
from planner.settings import GROUPS
from planner.wishes import Wishes
from tui.alternatives_view import other_ways
from tui.decision_view import FIXED, SUBJECTS, decisions
from tui.forecast_view import assumptions, memory, needs
from tui.page import heading, indented, rows
from tui.plan_figures import Span, cost, total_time, training_time, trains, whole_cost

TASKS = {
    "pretrain": template("Continue the pretraining of {model} on {rows}, method {method}."),
    "sft": template("Fine-tune {model} on {rows}, method {method}."),
    "dpo": template("Teach {model} preferences by DPO from {rows}, method {method}."),
    "kto": template("Teach {model} preferences by KTO from {rows}, method {method}."),
    "orpo": template("Teach {model} answers and preferences at once by ORPO from {rows}, method {method}."),
    "simpo": template("Teach {model} preferences by SimPO from {rows}, method {method}."),
    "reward": template("Make a reward model of {model} from {rows}, method {method}."),
    "embedding": template("Make an embedding model of {model} from {rows}, method {method}."),
    "quantise": template("Quantise {model}, calibrated on {rows}."),
    "export": template("Export {model}."),
}
"""Stage -> what is to be done."""

UNSAVED = "plan.yaml"
"""What the file is called in examples while there is none."""


def print_plan(plan: Plan, console: Console, *, why: bool = False, file: str | None = None) -> None:
    """Print the plan; with `why` also what was rejected, and the source of each decision.

    `file` is where it will be written; None when it is only shown.
    """
    console.print(headline(plan))
    console.print(heading(say("What was found")))
    console.print(indented(facts(plan)))
    for group in GROUPS:
        console.print(heading(say(SUBJECTS[group])))
        console.print(decisions(plan, group, console, why=why))
    console.print(heading(say("Forecast")))
    parts: list[RenderableType] = [memory(plan, console), Text(), needs(plan), Text(), assumptions(plan)]
    if any(decision.rule in FIXED for decision in plan.decisions.values()):
        parts.append(Text(say("* fixed by you"), style="dim"))
    console.print(indented(Group(*parts)))
    others = other_ways(plan, file or UNSAVED, console)
    if others is not None:
        console.print(heading(say("Other ways")))
        console.print(indented(others))
    console.print(heading(say("Next")))
    console.print(indented(rows(next_steps(plan, file)), below=0), soft_wrap=True)


def headline(plan: Plan) -> RenderableType:
    """Return the plan's name and, in three sentences, what is to be done and what it takes."""
    data = plan.facts.data
    task = say(
        TASKS[plan.wishes.stage],
        model=f"{short_name(plan.facts.model)} ({parameters(plan.facts.model.parameters)})",
        method=plan.value("method"),
        rows=plural(data.train_rows, "row"),
    )
    lines = [indented(Text(sentence), below=0) for sentence in (task, *takes(plan))]
    return Group(Text(plan.name, style="bold"), *lines, Text())


def short_name(model: ModelFacts) -> str:
    """Return the model's name; of a local folder its last part."""
    return Path(model.name).name if model.source.kind == "local" else model.name


def takes(plan: Plan) -> Iterator[str]:
    """Yield what it takes: training alone, as that is what plans differ in, then everything around it."""
    where = {
        "machine": machine(plan.facts.hardware),
        "memory": size(plan.forecast.peak_memory_bytes),
    }
    if not trains(plan):
        words = template("It takes {span} on {machine}, {memory} of memory per process{price}.")
        yield say(words, span=total_time(plan).seconds(), price=and_costs(whole_cost(plan)), **where)
        return
    words = template("Training takes {span} on {machine}, {memory} of memory per process{price}.")
    yield say(words, span=training_time(plan).seconds(), price=and_costs(cost(plan)), **where)
    yield say(
        "The whole run, from download to tested model, takes {span}{price}.",
        span=total_time(plan).seconds(),
        price=and_costs(whole_cost(plan)),
    )


def and_costs(money: Span | None) -> str:
    """Return the end of a sentence that names a price; empty without one."""
    return say(", and costs {money}", money=money.money()) if money else ""


def facts(plan: Plan) -> RenderableType:
    """Return what was known before anything was decided."""
    known = plan.facts
    measured = known.calibration
    return rows(
        (
            (say("Model"), model_words(known.model)),
            (say("Data"), data_words(known.data)),
            (say("Machine"), machine_words(known.hardware)),
            (say("Measured"), measured.because if measured else ""),
            (say("Wishes"), wishes_words(plan.wishes)),
        )
    )


def model_words(model: ModelFacts) -> str:
    """Return name, size and shape."""
    shape = say(
        "{name}: {parameters} weights, {model_type}, {layers} blocks of width {width}, context {context}",
        name=model.name,
        parameters=parameters(model.parameters),
        model_type=model.model_type,
        layers=model.num_hidden_layers,
        width=count(model.hidden_size),
        context=count(model.max_position_embeddings),
    )
    if model.experts is None:
        return shape
    return shape + say(
        ", {active} of them used by each token ({count} experts)",
        active=parameters(model.active_parameters),
        count=model.experts.count,
    )


def data_words(data: DataFacts) -> str:
    """Return rows and lengths, and how sure they are."""
    lengths = data.lengths
    words = say(
        "{path}: {rows} to train on, {held_out} held out, {mean:.0f} tokens on average, longest {longest}",
        path=data.path,
        rows=plural(data.train_rows, "row"),
        held_out=plural(data.dev_rows, "row"),
        mean=lengths.mean,
        longest=count(lengths.max),
    )
    if data.typed:
        return words + say(" (described by you)")
    return words if lengths.counted else words + say(" (estimated)")


def machine_words(hardware: HardwareFacts) -> str:
    """Return the machine, and whether it was probed or described."""
    words = machine(hardware)
    return words + say(" (described by you)") if hardware.origin == "typed" else words


def wishes_words(wishes: Wishes) -> str:
    """Return what the person asked for, other than the settings they fixed."""
    words = [say("goal {goal}", goal=wishes.goal)]
    if wishes.time_limit_minutes:
        words.append(say("training within {minutes:g} min", minutes=wishes.time_limit_minutes))
    if wishes.context_length:
        words.append(say("texts of {tokens:,} tokens", tokens=wishes.context_length))
    if wishes.target != "huggingface":
        words.append(say("for {target}", target=wishes.target))
    if wishes.recipes:
        words.append(say("own recipes in {folder}", folder=wishes.recipes))
    return ", ".join(words)


def next_steps(plan: Plan, file: str | None) -> Iterator[tuple[str, str | Text]]:
    """Yield commands that a person may want next."""
    name = file or UNSAVED
    if file is None:
        yield say("Keep it"), say("add -o {file} to the command", file=name)
    yield say("Ask why"), f"steersman explain {name} {'learning_rate' if trains(plan) else 'engine'}"
    yield say("Ask what if"), f"steersman what-if {name} --goal quality"
    reason = runnable(plan)
    if reason:
        yield say("Render it"), f"steersman render {name} -o folder"
        yield "", reason
    elif plan.facts.data.typed:
        yield say("Run it"), say("after planning again with --data FILE: these data were only described")
    else:
        yield say("Run it"), next_command(plan, name)
