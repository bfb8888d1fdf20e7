"""`steersman doctor`: looks this machine over and says what to fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from planner.errors import ExitCode
from planner.language import say, template

if TYPE_CHECKING:
    from runtime.health import Finding

MARKS = {
    "ok": (template("ok"), "green"),
    "note": (template("note"), "blue"),
    "warning": (template("warning"), "yellow"),
    "problem": (template("FIX"), "red"),
}

SUBJECTS = {
    "machine": template("machine"),
    "device": template("device"),
    "processor": template("processor"),
    "probe": template("probe"),
    "build": template("build"),
    "memory": template("memory"),
    "disk": template("disk"),
    "engine": template("engine"),
    "login": template("login"),
    "terminal": template("terminal"),
}
"""What was looked at -> its word; what is missing here is a name, such as Python."""

MARK_CELLS, SUBJECT_CELLS = 9, 11


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of findings.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check this machine: processor, GPU, memory, disk, Python, engines, logins, terminal.

    Of each GPU it says what is free and which other processes hold the rest. Exits with 0 if a fine-tune can
    run here, with 2 if something has to be fixed first.

    \b
    Examples:
      steersman doctor
      steersman doctor --json
    """
    from runtime.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            show(finding)
    if as_json:
        click.echo(json.dumps([finding.model_dump() for finding in findings], indent=2, ensure_ascii=False))
    to_fix = sum(finding.level == "problem" for finding in findings)
    if to_fix:
        one, more = (
            template("{number} thing to fix before a run."),
            template("{number} things to fix before a run."),
        )
        click.echo(say(one if to_fix == 1 else more, number=to_fix), err=True)
        ctx.exit(int(ExitCode.BAD_INPUT))


def show(finding: Finding) -> None:
    """Print one finding with its remedy: in columns on a terminal, else each sentence on one line."""
    from rich.table import Table
    from rich.text import Text

    from tui.commands.plan import stdout

    word, colour = MARKS[finding.level]
    subject = say(SUBJECTS.get(finding.subject, finding.subject))
    console = stdout()
    if console.is_terminal:
        grid = Table.grid()
        grid.add_column(width=MARK_CELLS, style=colour)
        grid.add_column(width=SUBJECT_CELLS)
        grid.add_column(ratio=1, overflow="fold")
        grid.add_row(say(word), subject, Text(finding.sentence))
        if finding.remedy:
            grid.add_row("", "", Text(finding.remedy, style="dim"))
        console.print(grid)
        return
    click.echo(padded(say(word), MARK_CELLS) + padded(subject, SUBJECT_CELLS) + finding.sentence)
    if finding.remedy:
        click.echo(" " * (MARK_CELLS + SUBJECT_CELLS) + finding.remedy)


def padded(text: str, cells: int) -> str:
    """Return a text with blanks up to a width; a Chinese character takes two cells."""
    from rich.cells import cell_len

    return text + " " * max(1, cells - cell_len(text))
