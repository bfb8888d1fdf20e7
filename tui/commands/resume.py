"""`steersman resume`: continue a run from its last proven point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tui.commands.run import execution_options

if TYPE_CHECKING:
    from runtime.run.offer import Policy


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@execution_options
@click.pass_context
def command(
    ctx: click.Context,
    run: str,
    until: str | None,
    dry_run: bool,
    events: bool,
    detach: bool,
    on_oom: Policy | None,
    accept: bool,
    master: str | None,
    machine_rank: int | None,
) -> None:
    """Continue a run from its last proven point.

    RUN is a run's name, its folder, or `latest`. Every finished stage is verified by the hashes of its
    outputs; what does not hold is done again, and the reason is said. Training continues from its newest
    complete checkpoint. If the run was out of memory, --accept goes on with the smaller plan that it offers.

    \b
    Examples:
      steersman resume
      steersman resume my-run
      steersman resume ./demo/run --dry-run
      steersman resume my-run --accept
    """
    from planner.language import say
    from runtime.run.layout import find_run
    from runtime.run.offer import required
    from runtime.run.task import build_table
    from tui import machine_place, session

    folder = find_run(run)
    table = build_table(folder, required(folder).plan_text if accept else None)
    session.check_stage(until, table)
    session.check_runnable(table)
    if dry_run:
        session.dry_run(folder, table)
        return
    place = machine_place.find(table, master, machine_rank)
    if place is not None and place.rank > 0:
        ctx.exit(machine_place.join(place, ""))
    click.echo(say("Continuing the run in {folder}.", folder=folder.root), err=True)
    code = session.execute(
        folder,
        table,
        until=until,
        events=events,
        detach=detach,
        on_oom=on_oom,
        accept=accept,
        master=machine_place.prepared(folder, place),
    )
    ctx.exit(code)
