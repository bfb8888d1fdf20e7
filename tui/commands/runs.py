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
    from rich.cells import cell_len

    from planner.errors import SteersmanError
    from planner.language import say
    from runtime.paths import runs_folder
    from runtime.run.layout import last_active, list_runs
    from runtime.run.status import read_status
    from tui.progress_lines import said
    from tui.run_states import STATES, padded

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
        click.echo(say("There are no runs in {folder} yet.", folder=runs_folder()), err=True)
    width = max((cell_len(str(row["run"])) for row in rows), default=0)
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(str(row["last_active"]))))
        state = padded(say(STATES[str(row["state"])]), 9)
        click.echo(f"{padded(str(row['run']), width)}  {state} {when}  {said(str(row['reason']))}")
