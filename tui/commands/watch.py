"""`steersman watch`: SwanLab's dashboard for a run, on this machine."""

from __future__ import annotations

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to serve on. Default: 5092, or a free one.")
@click.pass_context
def command(ctx: click.Context, run: str, port: int | None) -> None:
    """Open SwanLab's local dashboard for a run. Nothing leaves this machine. Ctrl-C ends it.

    RUN is a run's name, its folder, or `latest`.

    \b
    Examples:
      steersman watch
      steersman watch my-run --port 6006
    """
    import os
    import subprocess

    from planner.errors import BadInput
    from planner.language import say
    from planner.planfile import loads
    from runtime.engines.registry import python_of
    from runtime.run.environment import HARMLESS
    from runtime.run.layout import find_run

    folder = find_run(run)
    plan = loads(folder.plan.read_text(encoding="utf-8"), str(folder.plan))
    logs = folder.root / "tracker"
    if plan.value("tracker") == "none":
        raise BadInput(say("The plan of {run} keeps no curves: its tracker is none.", run=folder.name))
    if not logs.is_dir():
        raise BadInput(say("The run {run} has no curves yet: training has not begun.", run=folder.name))
    python = python_of(str(plan.value("engine")), str(plan.value("engine_build")))
    arguments = [str(python), "-m", "swanlab", "watch", str(logs), "--host", "127.0.0.1"]
    arguments += ["--port", str(port)] if port else []
    environment = {name: value for name, value in os.environ.items() if name in HARMLESS}
    told = say("Curves in {folder}; Ctrl-C ends the dashboard, not the run.", folder=logs)
    click.echo(told, err=True)
    process = subprocess.Popen(arguments, env=environment, cwd=folder.root)
    try:
        ctx.exit(process.wait())
    except KeyboardInterrupt:
        process.wait()
