"""`steersman render`: a plan as a folder that trains without Steersman."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path),
              help="Folder to write; it may exist if it was rendered before.")  # fmt: skip
@click.option("--configs-only", is_flag=True, help="Write configs and launch.sh; leave model and data out.")
def command(plan_file: Path, folder: Path, configs_only: bool) -> None:
    """Write a plan's configs, data, model and launch.sh into a folder that trains without Steersman.

    The config is in the format of upstream's own script. Nothing in the folder names a path outside of it, so
    it can be copied to another machine. A plan that `steersman run` does not run (another stage than sft,
    PaddleFormers, ...) becomes a folder for the toolkit's own script, without model and data.

    \b
    Examples:
      steersman render plan.yaml -o rendered
      PYTHON=/path/to/engine/bin/python rendered/launch.sh
      steersman render plan.yaml -o rendered --configs-only
    """
    from planner.errors import BadInput
    from planner.language import say
    from planner.methods import runnable
    from planner.planfile import loads_telling
    from runtime.rendered import refuse_foreign, render_folder
    from tui.commands.data import ProgressLine

    try:
        text = plan_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            say(
                "The plan {path} cannot be read: {reason}.",
                path=plan_file,
                reason=getattr(error, "strerror", None) or say("it is not text"),
            )
        ) from error
    plan, lacking = loads_telling(text, str(plan_file))
    if lacking:
        click.echo(lacking, err=True)
    refuse_foreign(folder)
    with ProgressLine(say("rendering")) as progress:
        written = render_folder(plan, folder, configs_only=configs_only, progress=progress)
    for path in written:
        click.echo(path)
    if runnable(plan):
        click.echo(say("{file} says how to run it.", file=folder / "README.md"), err=True)
    else:
        command = f"PYTHON=/path/to/engine/bin/python {folder / 'launch.sh'}"
        click.echo(say("Train with: {command}", command=command), err=True)
