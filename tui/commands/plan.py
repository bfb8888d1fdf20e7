"""`steersman plan`: facts and wishes in, a plan out, with the reason for every decision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from planner.plan import Plan
    from planner.wishes import Wishes

EXAMPLE = "steersman plan --model smollm2-135m-instruct --data steersman-demo"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--model", help="Catalogue name, Hugging Face folder, or owner/name on a hub.")
@click.option("--data", help="File or folder of conversations, or a bundled name.")
@click.option(
    "--hardware", help="Describe a machine instead of probing this one: '8x A100-80G nvlink', '4090'."
)
@click.option(
    "--method", type=click.Choice(["full", "lora"]), help="Fix what is trained; same as --set method=..."
)
@click.option("--goal", type=click.Choice(["quality", "balance", "speed", "memory"]), default="balance",
              show_default=True, help="What to favour when settings conflict.")  # fmt: skip
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="MINUTES",
              help="Training should end within this.")  # fmt: skip
@click.option("--test-prompts", type=click.Path(), help="Held-out prompts for the end of the run [dev rows].")
@click.option("--set", "pins", multiple=True, metavar="NAME=VALUE", help="Fix a setting; may be repeated.")
@click.option("--dev-fraction", type=click.FloatRange(0, 0.5), default=0.05, show_default=True,
              help="Share of rows to hold out when the data has no dev file.")  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan file here."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--why", "-v", is_flag=True, help="Also show what was rejected, and each decision's source.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON instead of the readable view.")
@click.option("--list-settings", is_flag=True, help="Print every setting that --set takes, and stop.")
def command(
    model: str | None,
    data: str | None,
    hardware: str | None,
    method: str | None,
    goal: str,
    time_limit: float | None,
    test_prompts: str | None,
    pins: tuple[str, ...],
    dev_fraction: float,
    output: Path | None,
    force: bool,
    why: bool,
    as_json: bool,
    list_settings: bool,
) -> None:
    """Make a plan: model, data and hardware in; every decision with its reason out.

    The readable plan is printed; -o writes the plan file, which `steersman run` takes and which you may edit.

    \b
    Examples:
      steersman plan --model smollm2-135m-instruct --data steersman-demo -o plan.yaml
      steersman plan --model Qwen/Qwen2.5-7B-Instruct --data chats.jsonl --hardware "8x A100-80G"
      steersman plan --model ./my_model --data chats.jsonl --set lora_rank=16 --time-limit 30 --why
      steersman plan --list-settings
    """
    if list_settings:
        from tui.plan_view import print_settings

        print_settings(stdout())
        return
    from planner.solve import make_plan
    from runtime.gather import gather
    from tui.commands.data import ProgressLine

    wishes = read_wishes(method, goal, time_limit, test_prompts, pins)
    model, data = required(model, data)
    refuse_overwrite(output, force)
    with ProgressLine("reading") as progress:
        facts = gather(
            model,
            data,
            hardware,
            where=output.resolve().parent if output else Path.cwd(),
            dev_fraction=dev_fraction,
            seed=int(str(wishes.pins.get("seed", 42))),
            report=lambda sentence: click.echo(sentence, err=True),
            progress=progress,
        )
    plan = make_plan(facts, wishes)
    show_plan(plan, as_json, why)
    if output is not None:
        write_plan(plan, output)


def read_wishes(
    method: str | None, goal: str, time_limit: float | None, test_prompts: str | None, texts: tuple[str, ...]
) -> Wishes:
    """Return the wishes of the command line; pins are checked against the settings table."""
    from planner.errors import BadInput
    from planner.setting_values import read_pin
    from planner.wishes import Wishes

    pins = dict(read_pin(text) for text in texts)
    if method is not None and pins.setdefault("method", method) != method:
        raise BadInput(
            f"--method says {method} and --set says method={pins['method']}.", remedy="Give one of them."
        )
    if test_prompts is not None and not Path(test_prompts).is_file():
        raise BadInput(f"There is no file {test_prompts} with test prompts.")
    values: dict[str, Any] = {"goal": goal, "time_limit_minutes": time_limit, "test_prompts": test_prompts}
    return Wishes(**values, pins=pins)


def required(model: str | None, data: str | None) -> tuple[str, str]:
    """Return both, or say which one is missing."""
    from planner.errors import BadInput

    missing = [name for name, value in (("--model", model), ("--data", data)) if not value]
    if model and data:
        return model, data
    raise BadInput(f"A plan needs {' and '.join(missing)}.", remedy=f"For example: {EXAMPLE}")


def refuse_overwrite(output: Path | None, force: bool) -> None:
    """Refuse to replace a plan that may have been edited, before time is spent on making another."""
    from planner.errors import BadInput

    if output is not None and output.exists() and not force:
        raise BadInput(
            f"{output} exists already.", remedy="Add --force to replace it, or choose another name."
        )


def show_plan(plan: Plan, as_json: bool, why: bool) -> None:
    """Print the plan on stdout."""
    if as_json:
        click.echo(plan.model_dump_json(indent=2))
        return
    from tui.plan_view import print_plan

    print_plan(plan, stdout(), why=why)


def stdout() -> Any:
    """Return a rich console on stdout; 100 columns when it is no terminal, so that files and pipes read
    well."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=100)


def write_plan(plan: Plan, output: Path) -> None:
    """Write the plan file and say what comes next."""
    from planner.planfile import dumps
    from runtime.paths import write_atomically

    write_atomically(output, dumps(plan, output.name))
    click.echo(f"Wrote {output}. Run it with: steersman run {output}", err=True)
