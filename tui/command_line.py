"""The `steersman` command: one lazily imported module per subcommand, so that `--help` answers at once."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import click

from planner import did_you_mean
from planner.language import join, say, speaking, template
from tui import click_words, help_texts
from tui.speech import from_arguments, from_environment, language_option

SECTIONS = {
    template("Plan"): {
        "demo": template("Plan and run a real fine-tune on this machine, with bundled data."),
        "plan": template("Make a plan: model, data and hardware in; every decision with its reason out."),
        "explain": template(
            "Say why a plan is as it is: one setting, a subject, memory, time or cost, in full."
        ),
        "what-if": template("Change a wish, a fact or a setting of a plan, and see both plans side by side."),
        "compare": template("Show plans side by side: what differs, and what each needs."),
        "audit": template(
            "Check an existing PaddleNLP or PaddleFormers config: what is refused, ignored, too large."
        ),
        "recipes": template("List, show and copy the templates that turn a plan into an engine's config."),
    },
    template("Run"): {
        "run": template("Run a saved plan: acquire, convert, prepare, train, merge, generate, report."),
        "resume": template("Continue an interrupted or failed run from its last proven point."),
        "status": template("Show where a run is."),
        "runs": template("List runs with their state."),
        "stop": template("Stop a run: gracefully first, at once when asked twice."),
        "pause": template("Pause a run: save, free the machine, and remember that it was a pause."),
        "checkpoint": template("Save a checkpoint of a training now, while it goes on."),
        "logs": template("Print or follow the log of a run's stage."),
        "watch": template("Open SwanLab's local dashboard for a run."),
        "render": template("Write a plan's configs and launch.sh, to run without Steersman."),
        "replay": template(
            "Run a run's plan again, say what has changed, and compare the two float by float."
        ),
        "bundle": template("Pack a run for support: journal, logs, plan and versions; no secrets, no data."),
    },
    template("Use the result"): {
        "chat": template("Talk to the result of a run."),
        "predict": template("Answer every row of a data file with the result of a run."),
        "serve-model": template("Serve the result of a run to clients of OpenAI's API."),
        "export": template(
            "Export the result of a run as a static graph, and prove that it answers the same."
        ),
        "quantise": template(
            "Measure what few bits would cost the result of a run, and write the config for them."
        ),
        "convert": template("Turn a model folder into another format, with proof that it is the same model."),
        "export-adapter": template("Write a run's adapter as Hugging Face PEFT loads it."),
        "merge-adapters": template("Mix what several adapters learnt on one base model into one model."),
        "upload": template("Upload the result of a run to a hub, with a model card."),
    },
    template("Data, machine, app"): {
        "data": template("Inspect data: format, findings by row, token lengths, loss mask."),
        "engines": template("List, install, check and remove engines."),
        "doctor": template("Check this machine and say what to fix."),
        "serve": template("Show the app in a browser, on this machine alone."),
    },
}
"""Heading of the help -> subcommand -> its purpose in one line. The code of `a-b`: `tui/commands/a_b.py`."""

COMMANDS = {name: line for section in SECTIONS.values() for name, line in section.items()}
"""Subcommand -> what it does, in the order of the help text."""


class LazyGroup(click.Group):
    """A click group that imports a subcommand's module only when that subcommand is used."""

    context_class = help_texts.Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the subcommands in table order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tui.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        help_texts.speak(command)
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
        """Write the subcommands under their headings without importing any of them."""
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


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
click_words.speak()


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script: returns an exit code, never a traceback for an expected failure.

    Speaks the language that `--lang` asks for, wherever it stands, or that of the locale. It is known before
    anything is read, so that help and errors about what was typed are spoken in it, too.
    """
    typed = sys.argv[1:] if arguments is None else arguments
    with speaking(from_arguments(typed) or from_environment()):
        try:
            return cli.main(args=typed, prog_name="steersman", standalone_mode=False) or 0
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
