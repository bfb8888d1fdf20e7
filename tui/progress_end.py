"""What a person sees when a run has ended: before and after, forecast and figures, places, next steps."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.errors import SteersmanError
from planner.language import say, template
from runtime.run.layout import RunFolder
from runtime.run.next_steps import next_steps, output_path
from runtime.run.view import RunView
from runtime.stages.measured import Comparison, comparisons, question, samples
from runtime.stages.report_page import quantity
from tui.run_states import padded

PLACES = (
    (template("Tuned model"), "merge", "model"),
    (template("Adapter"), "train", "adapter"),
    (template("Weights"), "train", "model"),
    (template("Static graph"), "export", "static"),
    (template("Answers"), "generate", "samples"),
    (template("Report"), "report", "page"),
)


def ending(run: RunFolder, view: RunView) -> Group:
    """Return the end of a run, whatever end it was."""
    parts: list[RenderableType] = []
    answers = samples(run, view) if view.stage("generate").proven else []
    if answers:
        parts += [Text(say("Before and after"), style="bold"), before_and_after(answers), Text()]
    figures = planned_and_measured(run, view)
    if view.state == "finished" and figures:
        parts += [Text(say("Planned and measured"), style="bold"), comparison_table(figures), Text()]
    parts += [Text(say("Where everything lies"), style="bold"), *places(run, view), Text()]
    parts += [
        Text(say("Next"), style="bold"),
        *(to_copy(what, command) for what, command in next_steps(run, view)),
    ]
    return Group(*parts)


def before_and_after(answers: list[dict[str, Any]]) -> Table:
    """Return the same prompts answered by the base model and by the tuned one, side by side."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), expand=True, show_lines=False)
    table.add_column(say("prompt"), ratio=3, overflow="fold")
    table.add_column(say("base model"), ratio=5, overflow="fold")
    table.add_column(say("tuned model"), ratio=5, overflow="fold")
    for index, answer in enumerate(answers):
        table.add_row(
            Text(question(answer)),
            Text(words(answer, "base"), style="dim"),
            Text(words(answer, "tuned")),
            end_section=index == len(answers) - 1,
        )
        if index < len(answers) - 1:
            table.add_row("", "", "")
    return table


def words(answer: dict[str, Any], which: str) -> str:
    """Return an answer in one paragraph; `...` tells that it was cut at the longest length."""
    text = " ".join(str(answer.get(which, "")).split())
    return text if answer.get(f"{which}_ended", True) else f"{text} ..."


def planned_and_measured(run: RunFolder, view: RunView) -> list[Comparison]:
    """Return the comparisons that deserve a person's eye: all but stages of a few seconds."""
    from planner.planfile import loads

    try:
        plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    except (OSError, SteersmanError):
        return []
    return [
        row for row in comparisons(plan, view) if row.unit != "seconds" or max(row.planned, row.measured) > 2
    ]


def comparison_table(rows: list[Comparison]) -> Table:
    """Return forecast beside measurement."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("")
    for name in (template("planned"), template("measured"), template("measured / planned")):
        table.add_column(say(name), justify="right")
    for row in rows:
        planned = quantity(row.planned, row.unit) if row.planned else "-"
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.what, planned, quantity(row.measured, row.unit), ratio)
    return table


def places(run: RunFolder, view: RunView) -> list[Text]:
    """Return where the results and the records lie."""
    found = [(say(name), output_path(run, view, stage, key)) for name, stage, key in PLACES]
    return [to_copy(name, path) for name, path in [*found, (say("Run folder"), str(run.root))] if path]


def to_copy(name: str, value: str) -> Text:
    """Return a name and a value on one line that is never broken, because people copy it."""
    return Text(f"  {padded(name + ':', 25)} {value}", no_wrap=True, overflow="ignore")
