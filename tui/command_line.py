"""The `steersman` command: one lazily imported module per subcommand, so that `--help` answers at once."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

COMMANDS = {
    "demo": "Plan and run a real fine-tune on this machine, with bundled data.",
    "plan": "Make a plan: model, data and hardware in; every decision with its reason out.",
    "run": "Run a saved plan: acquire, convert, prepare, train, merge, generate, report.",
    "render": "Write a plan's configs and launch.sh, to run without Steersman.",
    "resume": "Continue an interrupted or failed run from its last proven point.",
    "status": "Show where a run is.",
    "runs": "List runs with their state.",
    "stop": "Stop a run: gracefully first, at once when asked twice.",
    "logs": "Print or follow the log of a run's stage.",
    "data": "Inspect data: format, findings by row, token lengths, loss mask.",
    "engines": "List, install, check and remove engines.",
    "doctor": "Check this machine and say what to fix.",
    "chat": "Talk to the result of a run.",
    "watch": "Open SwanLab's local dashboard for a run.",
}
"""Subcommand -> one-line help, in the order in which help shows them. The code of `x` is `tui/commands/x.py`."""


class LazyGroup(click.Group):
    """A click group that imports a subcommand's module only when that subcommand is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the subcommands in table order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tui.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of subcommands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def fail(error: Exception) -> int:
    """Print a `SteersmanError` as one clear sentence on stderr and return its exit code."""
    from planner.errors import SteersmanError

    if not isinstance(error, SteersmanError):
        raise error
    click.echo(f"steersman: {error.sentence()}", err=True)
    return int(error.exit_code)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--plan-file", type=click.Path(), help="Run this plan headless; the same as `steersman run PLAN`.")
@click.version_option(package_name="steersman", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, plan_file: str | None) -> None:
    """Plan, run and prove fine-tunes of large language models on PaddlePaddle.

    \b
    Examples:
      steersman plan --model smollm2-135m-instruct --data steersman-demo -o plan.yaml
      steersman run plan.yaml
      steersman --plan-file plan.yaml
      steersman resume latest
    """
    if plan_file is not None:
        from tui.commands import run

        ctx.invoke(run.command, plan_file=plan_file)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script: returns an exit code, never a traceback for an expected failure."""
    try:
        return cli.main(args=arguments, prog_name="steersman", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return 130
    except Exception as error:
        return fail(error)


if __name__ == "__main__":
    sys.exit(main())
