"""`steersman run`: take a plan from the first stage to the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from runtime.run.offer import Policy


def execution_options(function: Any) -> Any:
    """Add the options that `run` and `resume` share."""
    options = [
        click.option("--until", metavar="STAGE", help="Stop after this stage."),
        click.option("--dry-run", is_flag=True, help="Print every config and command; run nothing."),
        click.option("--events", is_flag=True, help="Print the run's events as JSON lines."),
        click.option("--detach", is_flag=True, help="Start it in the background and return."),
        click.option(
            "--on-oom",
            type=click.Choice(["stop", "ask", "replan"]),
            help="If memory runs out: stop and offer a smaller plan, wait for --accept, or take it.",
        ),
        click.option("--accept", is_flag=True, help="Go on with the smaller plan that the run offers."),
        click.option(
            "--master",
            metavar="HOST:PORT",
            help="Several machines: address of machine 0 [of the cluster, if it sets it].",
        ),
        click.option(
            "--machine-rank",
            type=click.IntRange(min=0),
            metavar="NUMBER",
            help="Several machines: which one this is; 0 holds the run.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("plan_file", metavar="PLAN.yaml|RUN", type=click.Path(path_type=Path))
@click.option(
    "--run", "run_folder", metavar="FOLDER", type=click.Path(path_type=Path), help="Folder of the run."
)
@execution_options
@click.option(
    "--recipes",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Own templates that replace built-in ones in this run.",
)
@click.option("--yes", is_flag=True, help="Start even if the forecast says that it does not fit.")
@click.pass_context
def command(
    ctx: click.Context,
    plan_file: Path,
    run_folder: Path | None,
    until: str | None,
    dry_run: bool,
    events: bool,
    detach: bool,
    on_oom: Policy | None,
    accept: bool,
    master: str | None,
    machine_rank: int | None,
    recipes: Path | None,
    yes: bool,
) -> None:
    """Run a saved plan: acquire, convert, prepare, preflight, train, merge, generate, report.

    Every stage proves its result before the next one starts. Ctrl-C stops gracefully: training saves a
    checkpoint first; Ctrl-C again ends it at once. The same command continues where the run was.

    A run that was out of memory offers a smaller plan, with the same rows in every step; `run RUN --accept`
    takes it and goes on from the last checkpoint.

    A plan for several machines is started on each, with the run folder on a file system that all share.
    Machine 0 holds the run; the others join it for training and end with it.

    \b
    Examples:
      steersman run plan.yaml
      steersman run plan.yaml --run my-run
      steersman run plan.yaml --until convert
      steersman run plan.yaml --dry-run
      steersman run plan.yaml --events > events.jsonl
      steersman run plan.yaml --detach
      steersman run plan.yaml --run /shared/my-run --master 10.0.0.1:29300 --machine-rank 1
      steersman run plan.yaml --on-oom replan
      steersman run my-run --accept

    \b
    Exit codes: 0 done, 2 bad input, 3 does not fit, 4 a stage failed, 130 stopped and resumable.
    """
    from planner.language import say, template
    from runtime.recent_plans import remember
    from runtime.run.layout import RunFolder, create_run
    from runtime.run.place import folder_of_paths
    from runtime.run.task import read_plan_file, table_module
    from tui import machine_place, session
    from tui.run_choice import choose_run

    if accept:
        from tui.commands import resume

        again = {"until": until, "dry_run": dry_run, "events": events, "detach": detach}
        machine = {"master": master, "machine_rank": machine_rank}
        ctx.invoke(resume.command, run=str(plan_file), on_oom=on_oom, accept=True, **again, **machine)
        return
    text = read_plan_file(Path(plan_file))
    if recipes is not None:
        text = with_recipes(text, plan_file, recipes)
    module = table_module()
    name = module.name_of_plan(text, str(plan_file))
    root, known = choose_run(run_folder, name, text)
    table = module.build(RunFolder(root), text)
    session.check_stage(until, table)
    session.check_runnable(table)
    session.check_fit(table, yes=yes)
    if dry_run:
        session.dry_run(RunFolder(root), table)
        return
    session.check_here(RunFolder(root), table, str(plan_file))
    place = machine_place.find(table, master, machine_rank)
    if place is not None and place.rank > 0:
        ctx.exit(machine_place.join(place, text))
    listening = machine_place.prepared(RunFolder(root), place)
    remember(Path(plan_file))
    plan = getattr(table, "plan", None)
    paths_from = (
        None if plan is None or not hasattr(plan, "facts") else folder_of_paths(plan, Path(plan_file))
    )
    run = RunFolder(root) if known else create_run(root, text, paths_from)
    words = template("The run is in {folder}.")
    words = template("Continuing the run in {folder}: its plan is the same.") if known else words
    click.echo(say(words, folder=root), err=True)
    ctx.exit(
        session.execute(
            run,
            table,
            until=until,
            events=events,
            detach=detach,
            on_oom=on_oom,
            master=listening,
        )
    )


def with_recipes(text: str, plan_file: Path, folder: Path) -> str:
    """Return the plan's text with a person's own templates among its wishes."""
    from planner.planfile import dumps, loads
    from tui.wish_options import own_recipes

    plan = loads(text, str(plan_file))
    wishes = plan.wishes.model_copy(update={"recipes": str(own_recipes(folder))})
    return dumps(plan.model_copy(update={"wishes": wishes}), plan_file.name)
