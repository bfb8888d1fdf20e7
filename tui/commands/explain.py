"""`steersman explain`: why a plan is as it is."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@click.argument("fields", metavar="[FIELD]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: field -> value, reason, source, rejected.")
def command(plan_file: Path, fields: tuple[str, ...], as_json: bool) -> None:
    """Say why a plan is as it is: value, reason, source, and every rejected value with its reason.

    FIELD is a setting, a subject such as parallel, or memory, time or cost. Without one, everything is
    explained, by subject. In another language than the plan's, the plan is made again in that language.

    \b
    Examples:
      steersman explain plan.yaml
      steersman explain plan.yaml learning_rate sharding
      steersman explain plan.yaml parallel
      steersman explain plan.yaml memory --lang zh
    """
    from tui.commands.plan import report, stdout
    from tui.explanation import as_data, known, page
    from tui.plan_input import in_language, read_plan

    asked = tuple(known(field) for field in fields)
    plan = in_language(read_plan(plan_file, report))
    if as_json:
        click.echo(json.dumps(as_data(plan, asked), ensure_ascii=False, indent=2))
        return
    console = stdout()
    for part in page(plan, asked, console):
        console.print(part)
