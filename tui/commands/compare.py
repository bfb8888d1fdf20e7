"""`steersman compare`: plans side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("plan_files", metavar="PLAN PLAN...", type=click.Path(path_type=Path), nargs=-1)
@click.option("--why", "-v", is_flag=True, help="Also give each plan's reason for what it decides otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(plan_files: tuple[Path, ...], why: bool, as_json: bool) -> None:
    """Show plans side by side: what they were made from, what they need, what they decide otherwise.

    \b
    Examples:
      steersman compare lora.yaml full.yaml
      steersman compare a.yaml b.yaml c.yaml --why
      steersman compare a.yaml b.yaml --json
    """
    from planner.errors import BadInput
    from planner.language import say
    from tui.commands.plan import report, stdout
    from tui.comparison import as_data
    from tui.comparison_view import print_comparison
    from tui.plan_input import in_language, read_plan

    if len(plan_files) < 2:
        raise BadInput(
            say("A comparison needs two plans or more."),
            remedy=say("For example: {command}", command="steersman compare lora.yaml full.yaml"),
        )
    plans = [in_language(read_plan(path, report)) for path in plan_files]
    names = distinct(plan_files)
    if as_json:
        click.echo(json.dumps(as_data(names, plans), ensure_ascii=False, indent=2))
        return
    print_comparison(names, plans, stdout(), why=why)


def distinct(paths: tuple[Path, ...]) -> list[str]:
    """Return a short name for each file: its name, or the whole path where names repeat."""
    stems = [path.stem for path in paths]
    names = [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, paths, strict=True)]
    return [name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names, 1)]
