"""`steersman runs`: all runs with their state."""

from __future__ import annotations

import json
import time

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per run.")
def command(as_json: bool) -> None:
    """List the runs in the runs folder, most recently active first.

    \b
    Examples:
      steersman runs
      steersman runs --json
    """
    from planner.errors import SteersmanError
    from runtime.paths import runs_folder
    from runtime.run.layout import last_active, list_runs
    from runtime.run.status import read_status

    rows = []
    for run in list_runs():
        try:
            status = read_status(run)
            state, reason = str(status.state), status.reason
        except SteersmanError as error:
            state, reason = "damaged", error.sentence()
        rows.append(
            {
                "run": run.reference,
                "state": state,
                "reason": reason,
                "last_active": round(last_active(run), 3),
                "folder": str(run.root),
            }
        )
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not rows:
        click.echo(f"There are no runs in {runs_folder()} yet.", err=True)
    width = max((len(str(row["run"])) for row in rows), default=0)
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(str(row["last_active"]))))
        click.echo(f"{row['run']:<{width}}  {row['state']:<9} {when}  {row['reason']}")
