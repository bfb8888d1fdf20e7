"""`steersman stop`: ask a run to stop."""

from __future__ import annotations

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
def command(run: str) -> None:
    """Stop a run: gracefully first, at once when asked twice.

    RUN is a run's name, its folder, or `latest`. On the first request training saves a checkpoint and then
    stops; the second terminates its processes. Either way `steersman resume` continues.

    \b
    Examples:
      steersman stop
      steersman stop my-run
    """
    from planner.errors import BadInput
    from planner.language import say
    from runtime.run.layout import find_run
    from runtime.run.stage_process import end_leftovers
    from runtime.run.status import read_status
    from runtime.run.stopping import request
    from tui.progress_lines import said

    folder = find_run(run)
    status = read_status(folder)
    if status.state == "lost" and status.orphans:
        for stage in sorted((folder.root / "stages").iterdir()):
            for sentence in end_leftovers(folder.stage(stage.name)):
                click.echo(sentence, err=True)
        return
    if status.state != "running":
        raise BadInput(
            say("The run {run} is not running: {reason}.", run=folder.name, reason=said(status.reason))
        )
    if request(folder) == 1:
        told = say("Asked {run} to stop gracefully: what is under way is saved first.", run=folder.name)
        click.echo(told, err=True)
        command = f"steersman stop {folder.reference}"
        click.echo(say("To end it at once: {command}", command=command), err=True)
    else:
        click.echo(say("Asked {run} to end at once.", run=folder.name), err=True)
