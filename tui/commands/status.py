"""`steersman status`: where a run is, read from its folder."""

from __future__ import annotations

import json
import time

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(run: str, as_json: bool) -> None:
    """Show where a run is: its state, and each stage with its proof.

    RUN is a run's name, its folder, or `latest`. The state is read from disk: a run whose supervisor is gone
    without a word is lost, never finished.

    \b
    Examples:
      steersman status
      steersman status my-run --json
    """
    from rich.console import Console

    from planner.language import say
    from runtime.run.layout import find_run
    from runtime.run.status import read_status
    from runtime.run.task import build_table
    from tui.estimate import expected
    from tui.progress_lines import said
    from tui.progress_stages import details, stage_table
    from tui.run_states import STATES
    from tui.status_json import as_dict

    folder = find_run(run)
    status = read_status(folder, tuple(build_table(folder).stages))
    if as_json:
        click.echo(json.dumps(as_dict(status), ensure_ascii=False, indent=2))
        return
    console, now = Console(), time.time()
    words = f"{folder.name}: {say(STATES[status.state])}, {said(status.reason)}"
    console.print(words, highlight=False, markup=False)
    console.print(stage_table(status.view, now, console.width))
    current = status.view.current()
    if current is not None and status.state == "running":
        console.print(*details(current, expected(folder), now, console.width), sep="\n")
    console.print(say("Folder: {folder}", folder=folder.root), highlight=False, markup=False, soft_wrap=True)
