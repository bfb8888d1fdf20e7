"""`steersman resume`: continue a run from its last proven point."""

from __future__ import annotations

import click

from tui.commands.run import execution_options


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@execution_options
@click.pass_context
def command(
    ctx: click.Context, run: str, until: str | None, dry_run: bool, events: bool, detach: bool
) -> None:
    """Continue a run from its last proven point.

    RUN is a run's name, its folder, or `latest`. Every finished stage is verified by the hashes of its
    outputs; what does not hold is done again, and the reason is said. Training continues from its newest
    complete checkpoint.

    \b
    Examples:
      steersman resume
      steersman resume my-run
      steersman resume ./demo/run --dry-run
    """
    from planner.language import say
    from runtime.run.layout import find_run
    from runtime.run.task import build_table
    from tui import session

    folder = find_run(run)
    table = build_table(folder)
    session.check_stage(until, table)
    session.check_runnable(table)
    if dry_run:
        session.dry_run(folder, table)
        return
    click.echo(say("Continuing the run in {folder}.", folder=folder.root), err=True)
    ctx.exit(session.execute(folder, table, until=until, events=events, detach=detach))
