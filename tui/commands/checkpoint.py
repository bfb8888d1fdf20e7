"""`steersman checkpoint`: save a training now."""

from __future__ import annotations

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
def command(run: str) -> None:
    """Save a checkpoint of a training now, while it goes on.

    RUN is a run's name, its folder, or `latest`. It is written at the end of the step under way, beside the
    planned ones, of which the oldest is removed as always.

    \b
    Examples:
      steersman checkpoint
      steersman checkpoint my-run
    """
    from planner.language import say
    from runtime.run.layout import find_run
    from runtime.run.saving import request_checkpoint

    folder = find_run(run)
    request_checkpoint(folder)
    click.echo(say("Asked {run} for a checkpoint: it is saved after this step.", run=folder.name), err=True)
