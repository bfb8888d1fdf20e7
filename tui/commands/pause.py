"""`steersman pause`: stop a run for a while."""

from __future__ import annotations

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
def command(run: str) -> None:
    """Pause a run: save, free the machine, and remember that it was a pause.

    RUN is a run's name, its folder, or `latest`. Training saves a checkpoint at the end of its step, and
    every process ends, so memory and devices are free and the machine may be switched off. `steersman resume`
    continues; the numbers are those of a run that was never paused. A stage other than training begins again.

    \b
    Examples:
      steersman pause
      steersman pause my-run
    """
    from planner.errors import BadInput
    from planner.language import say
    from runtime.run.layout import find_run
    from runtime.run.status import read_status
    from runtime.run.stopping import pause
    from tui.progress_lines import said

    folder = find_run(run)
    status = read_status(folder)
    if status.state != "running":
        raise BadInput(
            say("The run {run} is not running: {reason}.", run=folder.name, reason=said(status.reason))
        )
    pause(folder)
    click.echo(
        say("Asked {run} to pause: what is under way is saved first.", run=folder.name)
        + "\n"
        + say("Continue with: {command}", command=f"steersman resume {folder.reference}"),
        err=True,
    )
