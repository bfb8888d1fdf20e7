"""`steersman what-if`: one change of a plan, and both plans side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.wish_options import wish_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.facts import DataFacts, Facts, ModelFacts
    from planner.plan import Plan
    from planner.wishes import Wishes


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--model", help="Another model: catalogue name, folder, config.json, or owner/name on a hub.")
@click.option("--hardware", help="Another machine: '8x A100-80G nvlink', '4090'; `here` probes this one.")
@click.option("--data", help="Other data: file, folder, bundled set, or '20000 rows of 800:4096 tokens'.")
@wish_options
@click.option("--release", multiple=True, metavar="NAME", help="Let the planner decide a setting you fixed.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the new plan here."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--why", "-v", is_flag=True, help="Also give both reasons for what is decided otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    plan_file: Path,
    model: str | None,
    hardware: str | None,
    data: str | None,
    release: tuple[str, ...],
    output: Path | None,
    force: bool,
    why: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Change a wish, a fact or a setting of a plan, and see both plans side by side.

    The plan itself stays as it is; -o keeps the new one.

    \b
    Examples:
      steersman what-if plan.yaml --hardware "8x A100-80G nvlink"
      steersman what-if plan.yaml --goal quality --set lora_rank=32
      steersman what-if plan.yaml --model qwen2.5-14b-instruct -o larger.yaml
      steersman what-if plan.yaml --data longer.jsonl
      steersman what-if plan.yaml --data "20000 rows of 800:4096 tokens"
      steersman what-if plan.yaml --release method --why

    \b
    Exit codes: 0 planned, 2 bad input, 3 the change does not fit (with the smallest changes that would).
    """
    from planner.language import say
    from planner.solve import make_plan
    from tui.commands.plan import refuse_overwrite, report, stdout, write_plan
    from tui.comparison import as_data
    from tui.comparison_view import print_comparison
    from tui.plan_input import in_language, read_plan

    plan = in_language(read_plan(plan_file, report))
    wishes = changed_wishes(plan, options, release)
    refuse_overwrite(output, force)
    facts = changed_facts(plan, wishes, report, model=model, hardware=hardware, data=data, output=output)
    refuse_no_change(plan, facts, wishes)
    other = make_plan(facts, wishes)
    names = [say("now"), say("what if")]
    if as_json:
        click.echo(json.dumps(as_data(["now", "what_if"], [plan, other]), ensure_ascii=False, indent=2))
    else:
        print_comparison(names, [plan, other], stdout(), why=why)
    if output is not None:
        write_plan(other, output)


def changed_wishes(plan: Plan, options: dict[str, Any], release: tuple[str, ...]) -> Wishes:
    """Return the plan's wishes with what was given, checked as a whole."""
    from planner.errors import BadInput
    from planner.language import say
    from planner.setting_values import find
    from planner.wishes import Wishes
    from tui.wish_options import read

    given, pins = read(options)
    kept = dict(plan.wishes.pins)
    for name in release:
        if find(name, "--release: ").name not in kept:
            raise BadInput(
                say("{name} is not fixed in this plan.", name=name),
                remedy=say("Fixed are: {names}.", names=", ".join(kept)) if kept else "",
            )
        del kept[name]
    return Wishes.model_validate({**plan.wishes.model_dump(), **given, "pins": kept | pins})


def changed_facts(
    plan: Plan,
    wishes: Wishes,
    tell: Callable[[str], None],
    *,
    model: str | None = None,
    hardware: str | None = None,
    data: str | None = None,
    output: Path | None = None,
) -> Facts:
    """Return the plan's facts with another model, machine or data; `tell` gets what is found on the way.

    Token lengths of data that stay are those of the plan: another model's tokenizer may count somewhat
    otherwise, which is said. What was measured corrects like runs alone.
    """
    from planner.language import say
    from runtime.acquire.resolve import resolve_model
    from runtime.calibration import calibration_for
    from runtime.gather import machine_facts, pinned, preferred_weights

    changes: dict[str, Any] = {}
    if hardware is not None:
        where = output.resolve().parent if output else Path.cwd()
        changes["hardware"] = machine_facts(None if hardware == "here" else hardware, where)
    if model is not None:
        changes["model"] = pinned(resolve_model(model, tell, preferred_weights(wishes.stage)), tell)
        if data is None and changes["model"].model_type != plan.facts.model.model_type:
            lengths = plan.facts.data.lengths.model_copy(update={"counted": False})
            changes["data"] = plan.facts.data.model_copy(update={"lengths": lengths})
            tell(
                say(
                    "Token lengths are those of {model}; another tokenizer differs.",
                    model=plan.facts.model.name,
                )
            )
    if data is not None:
        changes["data"] = other_data(data, changes.get("model", plan.facts.model), wishes, tell)
    facts = plan.facts.model_copy(update=changes)
    return facts.model_copy(update={"calibration": calibration_for(facts)}) if changes else facts


def other_data(text: str, model: ModelFacts, wishes: Wishes, tell: Callable[[str], None]) -> DataFacts:
    """Return the facts of data that are named, every row of them read, or that are described by their size.

    `BadInput` for data that cannot be read, or that teach nothing in the plan's stage.
    """
    from planner.interview.questions.data import described
    from runtime.find_facts import find_data
    from runtime.gather import data_sentence

    found = described(text, wishes.stage)
    if found is None:
        seed = int(str(wishes.pins.get("seed", 42)))
        found = find_data(text, model, stage=wishes.stage, seed=seed, report=tell)
    tell(data_sentence(found))
    return found


def refuse_no_change(plan: Plan, facts: Facts, wishes: Wishes) -> None:
    """Say that nothing was changed, rather than show two equal plans."""
    from planner.errors import BadInput
    from planner.language import say

    if facts == plan.facts and wishes == plan.wishes:
        raise BadInput(
            say("Nothing is different from the plan."),
            remedy=say(
                "Change something: --hardware, --model, --data, --goal, --set name=value, --release name."
            ),
        )
