"""`steersman plan`: facts and wishes in, a plan out, with the reason for every decision."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planner.language import current, join, say
from tui.wish_options import wish_options

if TYPE_CHECKING:
    from planner.facts import Facts
    from planner.plan import Plan
    from planner.wishes import Wishes
    from tui.ask import Given

EXAMPLE = "steersman plan --model smollm2-135m-instruct --data steersman-demo"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--model", help="Catalogue name, Hugging Face folder, config.json, or owner/name on a hub.")
@click.option("--data", help="File or folder of conversations, or a bundled name.")
@click.option("--data-rows", type=click.IntRange(2), metavar="ROWS",
              help="Instead of --data, when it is elsewhere: how many rows there are.")  # fmt: skip
@click.option("--data-tokens", metavar="MEAN[:LONGEST]", help="With --data-rows: tokens of a row, 350:2048.")
@click.option(
    "--hardware", help="Describe a machine instead of probing this one: '8x A100-80G nvlink', '4090'."
)
@wish_options
@click.option("--dev-fraction", type=click.FloatRange(0, 0.5), default=0.05, show_default=True,
              help="Share of rows to hold out when the data has no dev file.")  # fmt: skip
@click.option("--trial", is_flag=True, help="Measure a few real steps here first, and correct the forecast.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan file here."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--why", "-v", is_flag=True, help="Also show what was rejected, and each decision's source.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON instead of the readable view.")
@click.option("--ask", "asks", is_flag=True, help="Be asked for what is not given, line by line; pipes work.")
@click.option("--list-settings", is_flag=True, help="Print every setting that --set takes, and stop.")
def command(
    model: str | None,
    data: str | None,
    data_rows: int | None,
    data_tokens: str | None,
    hardware: str | None,
    dev_fraction: float,
    trial: bool,
    output: Path | None,
    force: bool,
    why: bool,
    as_json: bool,
    asks: bool,
    list_settings: bool,
    **options: Any,
) -> None:
    """Make a plan: model, data and hardware in; every decision with its reason out.

    The readable plan is printed; -o writes the plan file, which `steersman run` takes and which you may edit.

    \b
    Examples:
      steersman plan --ask
      steersman plan --model smollm2-135m-instruct --data steersman-demo -o plan.yaml
      steersman plan --model Qwen/Qwen2.5-7B-Instruct --data chats.jsonl --hardware "8x A100-80G"
      steersman plan --model qwen2.5-72b --data-rows 50000 --data-tokens 350:2048 --hardware "16x H800"
      steersman plan --model ./my_model --data chats.jsonl --set lora_rank=16 --time-limit 30 --why
      steersman plan --list-settings

    \b
    Exit codes: 0 planned, 2 bad input, 3 nothing fits (with the smallest changes that would).
    """
    if list_settings:
        show_settings(as_json)
        return
    from planner.solve import make_plan

    if asks:
        refuse_overwrite(output, force)
        given = given_already(model, data, data_rows, data_tokens, hardware, dev_fraction, options)
        ask_and_write(given, output, trial=trial, why=why, as_json=as_json)
        return
    wishes = read_wishes(options)
    model, data = required(model, data, data_rows, data_tokens)
    refuse_overwrite(output, force)
    where = output.resolve().parent if output else Path.cwd()
    if data is None:
        assert data_rows is not None and data_tokens is not None
        facts = described(model, data_rows, data_tokens, hardware, where, dev_fraction, wishes.stage)
    else:
        if options["stage"] is None:
            wishes = wishes.model_copy(update={"stage": stage_of(data)})
        facts = gathered(model, data, hardware, where, dev_fraction, wishes)
    plan = make_plan(facts, wishes)
    if trial:
        plan = after_trial(plan)
    show_plan(plan, as_json, why, output)
    if output is not None:
        write_plan(plan, output)


def given_already(
    model: str | None,
    data: str | None,
    rows: int | None,
    tokens: str | None,
    hardware: str | None,
    dev_fraction: float,
    options: dict[str, Any],
) -> Given:
    """Return what the command line answers already, so that nobody is asked for it."""
    from tui.ask import Given, as_answers
    from tui.wish_options import read

    fields, pins = read(options)
    if rows is not None or tokens is not None:
        required(model or EXAMPLE, data, rows, tokens)
        data = f"{rows} rows of {tokens} tokens"
    recipes = fields.pop("recipes", None)
    answers = as_answers({"hardware": hardware, "model": model, "data": data}, fields)
    return Given(answers, pins, recipes, dev_fraction)


def ask_and_write(given: Given, output: Path | None, *, trial: bool, why: bool, as_json: bool) -> None:
    """Ask for what is not given, show the plan, and write it where the person wants it."""
    from rich.console import Console

    from runtime.saved_answers import forget
    from tui.ask import ask

    console = Console(stderr=True, highlight=False) if as_json else stdout()
    plan, file = ask(console, given, output, lambda plan: show_plan(plan, as_json, why, output))
    if trial:
        plan = after_trial(plan)
        show_plan(plan, as_json, why, file)
    if file is not None:
        write_plan(plan, file)
        forget()


def show_settings(as_json: bool) -> None:
    """Print the settings on stdout."""
    from tui.plan_settings import as_data, print_settings

    if as_json:
        click.echo(json.dumps(as_data(), ensure_ascii=False, indent=2))
    else:
        print_settings(stdout())


def read_wishes(options: dict[str, Any]) -> Wishes:
    """Return the wishes of the command line, in the language that is spoken."""
    from planner.wishes import Wishes
    from tui.wish_options import read

    given, pins = read(options)
    return Wishes(**given, language=current(), pins=pins)


def required(
    model: str | None, data: str | None, rows: int | None, tokens: str | None
) -> tuple[str, str | None]:
    """Return model and data, or say what is missing or given twice; data is None when it is described."""
    from planner.errors import BadInput

    described = rows is not None or tokens is not None
    if data and described:
        raise BadInput(
            say("--data names the data and --data-rows and --data-tokens describe it."),
            remedy=say("Give one of them."),
        )
    data_options = ("--data-rows", rows), ("--data-tokens", tokens)
    needed = (("--model", model), *(data_options if described else (("--data", data),)))
    missing = [name for name, value in needed if not value]
    if model and not missing:
        return model, data
    names = (
        say("{first} and {second}", first=", ".join(missing[:-1]), second=missing[-1])
        if missing[1:]
        else missing[0]
    )
    example = say("For example: {command}", command=EXAMPLE)
    ask = say("Or be asked: steersman plan --ask") if sys.stdin.isatty() else ""
    raise BadInput(say("A plan needs {names}.", names=names), remedy=join((example, ask)))


def refuse_overwrite(output: Path | None, force: bool) -> None:
    """Refuse to replace a plan that may have been edited, before time is spent on making another."""
    from planner.errors import BadInput

    if output is not None and output.exists() and not force:
        raise BadInput(
            say("{path} exists already.", path=output),
            remedy=say("Add --force to replace it, or choose another name."),
        )


def stage_of(data: str) -> str:
    """Return the training that the data are made for, saying it where it is not sft; raises `BadInput`."""
    from planner.interview.questions.stage import DETECTED, layout_words
    from runtime.data.bundled import resolve_data
    from runtime.find_other_data import other_layout
    from tui.commands.data import ProgressLine

    with ProgressLine(say("reading")) as progress:
        layout = other_layout(resolve_data(data, progress))
    if layout is None:
        return "sft"
    stage = DETECTED[layout]
    words = say(
        "Your rows are {layout}, so the stage is {stage}; another one: --stage.",
        layout=layout_words(layout),
        stage=stage,
    )
    report(words)
    return stage


def gathered(
    model: str, data: str, hardware: str | None, where: Path, dev_fraction: float, wishes: Wishes
) -> Facts:
    """Return the facts of a model, data that lies here, and a machine."""
    from runtime.gather import gather
    from tui.commands.data import ProgressLine

    with ProgressLine(say("reading")) as progress:
        return gather(
            model,
            data,
            hardware,
            where=where,
            dev_fraction=dev_fraction,
            seed=int(str(wishes.pins.get("seed", 42))),
            stage=wishes.stage,
            report=report,
            progress=progress,
        )


def described(
    model: str, rows: int, tokens: str, hardware: str | None, where: Path, dev_fraction: float, stage: str
) -> Facts:
    """Return the facts of a model, data that is elsewhere, and a machine."""
    from planner.data_text import parse
    from planner.facts import Facts
    from runtime.acquire.resolve import resolve_model
    from runtime.calibration import calibration_for
    from runtime.gather import machine_facts, pinned, preferred_weights

    data = parse(rows, tokens, stage, dev_fraction)
    machine = machine_facts(hardware, where)
    facts = Facts(
        model=pinned(resolve_model(model, report, preferred_weights(stage)), report),
        data=data,
        hardware=machine,
    )
    return facts.model_copy(update={"calibration": calibration_for(facts)})


def after_trial(plan: Plan) -> Plan:
    """Return the plan made again with what a few real steps on this machine measured."""
    from planner.solve import make_plan
    from runtime.calibration import calibration_for
    from runtime.trial import trial

    trial(plan, report=report)
    facts = plan.facts.model_copy(update={"calibration": calibration_for(plan.facts)})
    return make_plan(facts, plan.wishes)


def report(sentence: str) -> None:
    """Say on stderr what is going on."""
    click.echo(sentence, err=True)


def show_plan(plan: Plan, as_json: bool, why: bool, output: Path | None) -> None:
    """Print the plan on stdout."""
    if as_json:
        click.echo(plan.model_dump_json(indent=2))
        return
    from tui.plan_view import print_plan

    print_plan(plan, stdout(), why=why, file=str(output) if output else None)


def stdout() -> Any:
    """Return a rich console on stdout; 100 columns when it is no terminal, so that files and pipes read
    well."""
    from rich.console import Console

    from tui.line_breaks import break_between_characters

    break_between_characters()
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=100)


def write_plan(plan: Plan, output: Path) -> None:
    """Write the plan file and say what comes next."""
    from planner.methods import next_command, runnable
    from planner.planfile import dumps
    from runtime.paths import write_atomically
    from runtime.recent_plans import remember

    write_atomically(output, dumps(plan, output.name))
    remember(output)
    if plan.facts.data.typed and not runnable(plan):
        words = say("Wrote {path}. Before it is run, plan again with --data FILE.", path=output)
    else:
        command = next_command(plan, str(output))
        words = say("Wrote {path}. Run it with: {command}", path=output, command=command)
    click.echo(words, err=True)
