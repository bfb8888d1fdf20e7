"""`steersman demo`: the whole job on the bundled data, as the commands that a person would type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from planner.language import say
from tui.wish_options import ENGINES

MODEL = "smollm2-135m-instruct"
DATA = "steersman-demo"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the plan and the run go.  [default: demo, or demo-ENGINE for another engine]",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="Toolkit that trains; it is installed first if it is not there.",
)
@click.pass_context
def command(ctx: click.Context, folder: Path | None, engine: str) -> None:
    """Plan and run a real fine-tune of a small model on this machine: about ten minutes on two cores.

    Each step is printed as the command that does it. What is there already is used; interrupt it at any
    moment and call it again to continue.

    \b
    Examples:
      steersman demo
      steersman demo --folder /tmp/demo
      steersman demo --engine paddleformers
    """
    folder = folder or Path("demo" if engine == ENGINES[0] else f"demo-{engine}")
    plan, run = folder / "plan.yaml", folder / "run"
    code = _do("engines", "install", engine)
    if code == 0 and plan.exists():
        told = say("{file} is there already; it is used as it is. Remove it to plan again.", file=plan)
        click.echo(told, err=True)
    elif code == 0:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = () if engine == ENGINES[0] else ("--engine", engine)
        code = _do("plan", "--model", MODEL, "--data", DATA, *wanted, "-o", str(plan))
    if code == 0:
        code = _do("run", str(plan), "--run", str(run))
    ctx.exit(code)


def _do(*arguments: str) -> int:
    """Run one subcommand in a process of its own and return its exit code.

    Ctrl-C reaches that process too; it needs time to save, so it is waited for as often as Ctrl-C is pressed.
    """
    click.echo(f"\n$ steersman {' '.join(arguments)}", err=True)
    process = subprocess.Popen([sys.executable, "-m", "tui.command_line", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
