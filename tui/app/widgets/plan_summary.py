"""The plan so far, beside the conversation: what matters of it, and what the last answer changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from textual.content import Content
from textual.widgets import Static

from planner.language import say, template
from planner.phrases import count, duration, size
from planner.plan import Plan
from planner.wishes import Value
from tui.app.dialogue import Dialogue
from tui.app.widgets import memory_bar

if TYPE_CHECKING:
    from planner.difference import Difference

SHOWN = {
    "method": template("Method"),
    "lora_rank": template("Adapter rank"),
    "precision": template("Numbers"),
    "max_length": template("Row length"),
    "per_device_train_batch_size": template("Micro-batch"),
    "gradient_accumulation_steps": template("Accumulation"),
    "learning_rate": template("Learning rate"),
    "num_train_epochs": template("Epochs"),
    "max_steps": template("Steps"),
    "recompute": template("Recompute"),
    "tensor_parallel_degree": template("Tensor parallel"),
    "pipeline_parallel_degree": template("Pipeline"),
    "sharding": template("Sharding"),
    "num_processes": template("Processes"),
    "engine": template("Engine"),
}
"""Settings that matter to a person -> their words."""

IDLE: dict[str, tuple[Value, ...]] = {
    "tensor_parallel_degree": (1,),
    "pipeline_parallel_degree": (1,),
    "sharding": ("none", "", "off"),
    "num_processes": (1,),
    "gradient_accumulation_steps": (1,),
    "recompute": (False,),
}
"""Values that say nothing: such a setting is left out unless it just changed."""

CHANGED = "●"
"""Stands for a value before where there are several."""

MOST_OTHERS = 3
"""Settings of less weight that are named when they changed."""

MARK = 2
"""Cells of the mark before a label."""

FIGURES = ("train_seconds", "tokens_per_second", "cost", "disk_bytes")


class PlanSummary(Static):
    """A column with the plan so far."""

    HELP = template(
        "The plan so far. It is made again after every answer; ● marks what the last answer changed. "
        "The bar shows the memory of one process, part by part, up to all that its device has; "
        "┃ marks how much of that may be used."
    )

    def __init__(self, dialogue: Dialogue) -> None:
        super().__init__(id="plan-summary")
        self.dialogue = dialogue
        self.tooltip = say("The plan so far; ● marks what the last answer changed.")

    def render(self) -> Content:
        """Return the column, as wide as there is room."""
        return Content("\n").join(page(self.dialogue, max(24, self.content_size.width)))


def page(dialogue: Dialogue, width: int) -> list[Content]:
    """Return the lines of the column."""
    plan = dialogue.plan
    if plan is None:
        return [*title(say("Plan so far"), width), *unplanned(dialogue, width)]
    waits = dialogue.interview.facts() is None
    state = "" if dialogue.settled else say("(before this change)") if waits else say("(planning again)")
    lines = [*title(f"{say('Plan so far')} {state}", width)]
    lines += [row(label, text, "", width) for label, text in known(plan)]
    lines += [Content(""), *title(say("Decided"), width)]
    lines += [row(label, text, before, width) for label, text, before in decided(plan, dialogue.difference)]
    lines += [Content(""), *title(say("Memory of one process"), width)]
    lines += [memory_bar.headline(plan), memory_bar.bar(plan, width), *memory_bar.legend(plan, width)]
    lines += [Content(""), *title(say("Forecast"), width)]
    lines += [row(label, text, before, width) for label, text, before in forecast(plan, dialogue.difference)]
    if dialogue.difference is not None and not dialogue.difference.is_empty:
        lines += [Content(""), Content.styled(say("● changed by the last answer"), "$text-accent")]
    return lines


def title(text: str, width: int) -> list[Content]:
    """Return a section's title with a rule behind it."""
    rule = "─" * max(0, width - cell_len(text.strip()) - 1)
    return [Content.assemble((text.strip(), "bold $primary"), " ", (rule, "$border"))]


def row(label: str, text: str, before: str, width: int) -> Content:
    """Return a label, its text in a column of its own, and what it was before the last answer."""
    wide = max(14, min(20, width // 3))
    mark = ("● ", "bold $text-accent") if before else ("  ", "")
    value = Content.assemble(
        (text, "bold $text-accent" if before else ""),
        (f"  {say('was {value}', value=before)}" if before not in ("", CHANGED) else "", "$faint"),
    )
    first, *rest = value.wrap(max(8, width - wide - MARK))
    head = Content.assemble(mark, (set_cell_size(label, wide), "$faint"), first)
    return Content("\n").join([head, *(line.pad_left(wide + MARK) for line in rest)])


def unplanned(dialogue: Dialogue, width: int) -> list[Content]:
    """Return what is known before there can be a plan, and what is still open."""
    lines = []
    answered = {question.key: (question, answer) for question, answer in dialogue.interview.answered()}
    for key, label in (("model", say("Model")), ("data", say("Data")), ("hardware", say("Machine"))):
        if key in answered:
            lines.append(row(f"✓ {label}", answered[key][1].shown, "", width))
        else:
            lines.append(row(f"○ {label}", say("open"), "", width))
    if dialogue.failed is not None:
        lines += [Content(""), Content.styled(f"✗ {say('These together allow no plan.')}", "$text-error")]
    else:
        hint = say("With these three I can plan; everything else has a default.")
        lines += [Content(""), Content.styled(hint, "$faint")]
    return lines


def known(plan: Plan) -> list[tuple[str, str]]:
    """Return what the plan is made from, shortly."""
    from planner.phrases import machine, parameters, plural

    facts = plan.facts
    return [
        (say("Model"), f"{facts.model.name} ({parameters(facts.model.parameters)})"),
        (say("Data"), plural(facts.data.train_rows, "row")),
        (say("Machine"), machine(facts.hardware)),
    ]


def decided(plan: Plan, difference: Difference | None) -> list[tuple[str, str, str]]:
    """Return (label, value, value before if the last answer changed it) of what matters."""
    from planner.solve import show

    changed = {one.name: show(one.before) for one in difference.settings} if difference else {}
    rows = []
    for name, label in SHOWN.items():
        if name not in plan.decisions or (plan.value(name) in IDLE.get(name, ()) and name not in changed):
            continue
        if name == "lora_rank" and "lora" not in str(plan.value("method")):
            continue
        pinned = f" ({say('fixed')})" if plan.decisions[name].rule in ("pin", "edited") else ""
        rows.append((say(label), f"{show(plan.value(name))}{pinned}", changed.get(name, "")))
    others = [one for one in changed if one not in SHOWN]
    if others:
        more = len(others) - MOST_OTHERS
        names = ", ".join(others[:MOST_OTHERS])
        text = say("{names} and {count} more", names=names, count=more) if more > 0 else names
        rows.append((say("Also changed"), text, CHANGED))
    return rows


def forecast(plan: Plan, difference: Difference | None) -> list[tuple[str, str, str]]:
    """Return time, speed, cost and disk, with what they were."""
    from tui.plan_figures import cost, total_time, training_time

    ahead, money = plan.forecast, cost(plan)
    before = {
        one.name: one.shown(one.before)
        for one in (difference.figures if difference else ())
        if one.name in FIGURES and one.before is not None and one.shown(one.before) != one.shown(one.after)
    }
    rows = [
        (say("Training"), training_time(plan).seconds(), before.get("train_seconds", "")),
        (say("Whole run"), total_time(plan).seconds(), ""),
        (
            say("Speed"),
            say("{tokens} tokens/s", tokens=count(ahead.tokens_per_second)),
            before.get("tokens_per_second", ""),
        ),
        (say("Disk"), size(ahead.disk_bytes), before.get("disk_bytes", "")),
    ]
    if money is not None:
        rows.append((say("Cost"), money.money(), before.get("cost", "")))
    return rows


def one_line(dialogue: Dialogue, width: int) -> str:
    """Return the plan so far in one line, for narrow terminals."""
    plan = dialogue.plan
    if plan is None:
        done = sum(1 for question, _ in dialogue.interview.answered())
        return say("No plan yet: {count} answered.", count=done)
    from tui.plan_figures import usable_bytes

    ahead = plan.forecast
    parts = [
        str(plan.value("method")),
        f"{size(ahead.peak_memory_bytes)} / {size(usable_bytes(plan))}",
        duration(ahead.train_seconds),
    ]
    changed = len(dialogue.difference.settings) if dialogue.difference else 0
    if changed:
        parts.append(say("● {count} changed", count=changed))
    line = " · ".join(parts)
    return line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…"
