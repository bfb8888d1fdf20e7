"""The `steersman` command: one lazily imported module per subcommand, so that `--help` answers at once."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import click

from planner import did_you_mean
from planner.language import join, say, speaking
from tui.speech import from_environment, language_option

COMMANDS = {
    "demo": "Plan and run a real fine-tune on this machine, with bundled data.",
    "plan": "Make a plan: model, data and hardware in; every decision with its reason out.",
    "explain": "Say why a plan is as it is: one setting, a subject, memory, time or cost, in full.",
    "what-if": "Change a wish, a fact or a setting of a plan, and see both plans side by side.",
    "compare": "Show plans side by side: what differs, and what each needs.",
    "audit": "Check an existing PaddleNLP or PaddleFormers config: what is refused, ignored, too large.",
    "recipes": "List, show and copy the templates that turn a plan into an engine's config.",
    "run": "Run a saved plan: acquire, convert, prepare, train, merge, generate, report.",
    "render": "Write a plan's configs and launch.sh, to run without Steersman.",
    "resume": "Continue an interrupted or failed run from its last proven point.",
    "status": "Show where a run is.",
    "runs": "List runs with their state.",
    "stop": "Stop a run: gracefully first, at once when asked twice.",
    "pause": "Pause a run: save, free the machine, and remember that it was a pause.",
    "checkpoint": "Save a checkpoint of a training now, while it goes on.",
    "logs": "Print or follow the log of a run's stage.",
    "replay": "Run a run's plan again, say what has changed, and compare the two float by float.",
    "bundle": "Pack a run for support: journal, logs, plan and versions; no secrets, no data.",
    "data": "Inspect data: format, findings by row, token lengths, loss mask.",
    "convert": "Turn a model folder into another format, with proof that it is the same model.",
    "export-adapter": "Write a run's adapter as Hugging Face PEFT loads it.",
    "merge-adapters": "Mix what several adapters learnt on one base model into one model.",
    "engines": "List, install, check and remove engines.",
    "doctor": "Check this machine and say what to fix.",
    "chat": "Talk to the result of a run.",
    "predict": "Answer every row of a data file with the result of a run.",
    "export": "Export the result of a run as a static graph, and prove that it answers the same.",
    "quantise": "Measure what few bits would cost the result of a run, and write the config for them.",
    "upload": "Upload the result of a run to a hub, with a model card.",
    "serve-model": "Serve the result of a run to clients of OpenAI's API.",
    "serve": "Show the app in a browser, on this machine alone.",
    "watch": "Open SwanLab's local dashboard for a run.",
}
"""Subcommand -> one-line help, in the order of the help text. The code of `a-b` is `tui/commands/a_b.py`."""


class LazyGroup(click.Group):
    """A click group that imports a subcommand's module only when that subcommand is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the subcommands in table order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tui.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        if not any(parameter.name == "lang" for parameter in command.params):
            command.params.append(language_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that the first argument names; of an unknown one, the nearest that exists."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            near = did_you_mean.hint(name, COMMANDS)
            ctx.fail(join((say("There is no command `{name}`.", name=name), near)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of subcommands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def fail(error: Exception) -> int:
    """Print what went wrong as one clear sentence on stderr and return the exit code.

    The traceback of an error that nobody foresaw goes to a log file, whose path is named.
    """
    from planner.errors import SteersmanError

    if isinstance(error, SteersmanError):
        click.echo(f"steersman: {one_per_line(error.sentence())}", err=True)
        return int(error.exit_code)
    sentence = say(
        "Something unforeseen went wrong: {kind}: {error}. The details are in {place}; please report them.",
        kind=type(error).__name__,
        error=error,
        place=_write_traceback(error),
    )
    click.echo(f"steersman: {sentence}", err=True)
    return 4


def one_per_line(sentence: str) -> str:
    """Return a sentence with numbered choices, `(1) ... (2) ...`, each on a line of its own."""
    return re.sub(r"\s+(?=\(\d\) )", "\n  ", sentence) if "(2) " in sentence else sentence


def _write_traceback(error: Exception) -> str:
    """Save the traceback of `error` in the data folder, or print it where that is impossible."""
    import time
    import traceback

    from runtime.paths import home, write_atomically

    log = home() / "logs" / f"unforeseen-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    text = "".join(traceback.format_exception(error))
    try:
        write_atomically(log, f"steersman {' '.join(sys.argv[1:])}\n\n{text}")
    except OSError:
        click.echo(text, err=True)
        return say("the lines above")
    return str(log)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--plan-file", type=click.Path(), help="Run this plan headless; the same as `steersman run PLAN`."
)
@click.version_option(package_name="steersman", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, plan_file: str | None) -> None:
    """Plan, run and prove fine-tunes of large language models on PaddlePaddle.

    Without a command it opens the app, which asks what it needs to know.

    \b
    Examples:
      steersman
      steersman plan --model smollm2-135m-instruct --data steersman-demo -o plan.yaml
      steersman explain plan.yaml method
      steersman what-if plan.yaml --hardware "8x A100-80G nvlink"
      steersman run plan.yaml
      steersman --plan-file plan.yaml
      steersman resume latest
    """
    if plan_file is not None:
        from pathlib import Path

        command = cli.get_command(ctx, "run")
        assert command is not None
        ctx.invoke(command, plan_file=Path(plan_file))
    elif ctx.invoked_subcommand is None and sys.stdin.isatty() and sys.stdout.isatty():
        from tui.app.start import open_app

        asked = ctx.get_parameter_source("lang") is click.core.ParameterSource.COMMANDLINE
        ctx.exit(open_app(language_asked=asked))
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


cli.params.append(language_option())


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script: returns an exit code, never a traceback for an expected failure.

    Speaks the language of the locale, until `--lang` asks for another; errors are spoken in it, too.
    """
    with speaking(from_environment()):
        try:
            return cli.main(args=arguments, prog_name="steersman", standalone_mode=False) or 0
        except click.ClickException as error:
            error.show()
            return 2
        except click.Abort:
            click.echo(say("Interrupted."), err=True)
            return 130
        except Exception as error:
            return fail(error)


if __name__ == "__main__":
    sys.exit(main())
