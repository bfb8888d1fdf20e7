"""`steersman replay`: run a plan again with everything as it was, and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runtime.replay import Comparison
    from runtime.replay_versions import Difference
    from runtime.run.layout import RunFolder

MOST_ROWS = 12


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--check", is_flag=True, help="Only say what is not as it was; run nothing.")
@click.option("--compare", "other", metavar="RUN", help="Compare with this run, which is there; run nothing.")
@click.option(
    "--run", "folder", metavar="FOLDER", type=click.Path(path_type=Path), help="Folder of the new run."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, run: str, check: bool, other: str | None, folder: Path | None, as_json: bool
) -> None:
    """Run the plan of RUN again as a new run, and compare the two.

    First it says what is not as it was: packages, model files, data, plan, machine. At the end it compares
    the loss curves float by float, and the results byte by byte. Where nothing has changed, a curve that
    differs is a failure.

    \b
    Examples:
      steersman replay my-run
      steersman replay my-run --check
      steersman replay my-run --compare my-run-replay

    \b
    Exit codes: 0 done (with --check: nothing has changed), 2 bad input, 4 it differs although nothing has
    changed (with --check: something has changed).
    """
    from planner.errors import ExitCode
    from planner.language import say
    from runtime.replay import changed_since, compare
    from runtime.run.layout import find_run

    old = find_run(run)
    if other is not None:
        found = compare(old, find_run(other))
        show([], found, as_json=as_json)
        ctx.exit(int(ExitCode.OK if found.equal else ExitCode.STAGE_FAILED))
    changed = changed_since(old)
    if check:
        show(changed, None, as_json=as_json)
        ctx.exit(int(ExitCode.STAGE_FAILED if changed else ExitCode.OK))
    for difference in changed:
        click.echo(difference.sentence(), err=True)
    if not changed:
        click.echo(say("Everything is as it was: packages, model, data, plan and machine."), err=True)
    new, code = run_again(old, folder)
    if code:
        ctx.exit(code)
    found = compare(old, new)
    show(changed, found, as_json=as_json)
    ctx.exit(int(ExitCode.OK if found.equal or changed else ExitCode.STAGE_FAILED))


def run_again(old: RunFolder, folder: Path | None) -> tuple[RunFolder, int]:
    """Run the plan of a run in a new folder; return it and the exit code."""
    from planner.language import say
    from runtime.paths import runs_folder
    from runtime.run.layout import create_run
    from runtime.run.task import build_table, read_plan_file
    from tui import machine_place, session

    machine_place.check_alone(build_table(old))
    root = folder.expanduser() if folder is not None else free_name(runs_folder() / f"{old.name}-replay")
    new = create_run(root, read_plan_file(old.plan), old.started_in())
    table = build_table(new)
    session.check_runnable(table)
    click.echo(say("The new run is in {folder}.", folder=new.root), err=True)
    return new, session.execute(new, table, until=None, events=False, detach=False)


def free_name(folder: Path) -> Path:
    """Return a folder that does not exist: this one, or with a number behind its name."""
    number, path = 2, folder
    while path.exists():
        path, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return path


def show(changed: list[Difference], found: Comparison | None, *, as_json: bool) -> None:
    """Print what has changed and how the runs compare."""
    from planner.language import say

    if as_json:
        values = {
            "changed": [difference.model_dump() for difference in changed],
            "comparison": found.model_dump() if found is not None else None,
            "equal": found.equal if found is not None else None,
        }
        click.echo(json.dumps(values, ensure_ascii=False, indent=2))
        return
    if found is None:
        for difference in changed:
            click.echo(difference.sentence())
        if not changed:
            click.echo(say("Everything is as it was: packages, model, data, plan and machine."))
        return
    click.echo(found.sentence())
    if found.differing:
        table(found)
    for name, equal in found.results.items():
        words = (
            say("{output}: the same bytes", output=name)
            if equal
            else say("{output}: other bytes", output=name)
        )
        click.echo(words)


def table(found: Comparison) -> None:
    """Print the first points that differ."""
    from rich.console import Console
    from rich.table import Table

    from planner.language import say

    grid = Table(box=None)
    for title in (say("curve"), say("step"), say("then"), say("now"), say("difference")):
        grid.add_column(title, justify="right" if title != say("curve") else "left")
    for point in found.differing[:MOST_ROWS]:
        figures = [repr(value) for value in (point.then, point.now)]
        grid.add_row(point.curve, str(point.step), *figures, f"{point.difference:.2e}")
    console = Console()
    console.print(grid)
    if len(found.differing) > MOST_ROWS:
        console.print(say("... and {more} more", more=len(found.differing) - MOST_ROWS))
