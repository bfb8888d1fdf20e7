"""The options that fill the wishes, shared by the commands that plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from planner.wishes import Value

STAGES = ("pretrain", "sft", "dpo", "kto", "orpo", "simpo", "reward", "embedding", "quantise", "export")
GOALS = ("quality", "balance", "speed", "memory")
TARGETS = ("huggingface", "paddle_static", "fastdeploy")
METHODS = ("full", "lora", "qlora", "prefix_tuning", "vera", "lokr", "reft")
ENGINES = ("paddlenlp", "paddleformers")

FIELDS = {
    "stage": "stage",
    "goal": "goal",
    "time_limit": "time_limit_minutes",
    "cost_per_hour": "cost_per_device_hour",
    "target": "target",
    "context_length": "context_length",
    "test_prompts": "test_prompts",
    "recipes": "recipes",
}
"""Option -> field of `Wishes`."""


def wish_options(function: Any) -> Any:
    """Add the options; each is None, or empty, when it was not given. `read` turns them into wishes."""
    positive = click.FloatRange(0, min_open=True)
    options = [
        click.option(
            "--stage", type=click.Choice(STAGES), help="What kind of training [what the rows are for]."
        ),
        click.option("--goal", type=click.Choice(GOALS), help="What to favour on conflict [balance]."),
        click.option("--method", type=click.Choice(METHODS), help="Fix what is trained."),
        click.option("--engine", type=click.Choice(ENGINES), help="Fix the training toolkit."),
        click.option(
            "--time-limit", type=positive, metavar="MINUTES", help="Training should end within this."
        ),
        click.option("--cost-per-hour", type=positive, metavar="MONEY", help="Price of one device and hour."),
        click.option(
            "--target", type=click.Choice(TARGETS), help="What the result is for [huggingface, vLLM too]."
        ),
        click.option(
            "--context-length", type=click.IntRange(16), metavar="TOKENS", help="Longest text to train on."
        ),
        click.option(
            "--test-prompts", type=click.Path(), help="Held-out prompts for the end of the run [dev rows]."
        ),
        click.option(
            "--set", "pins", multiple=True, metavar="NAME=VALUE", help="Fix a setting; may be repeated."
        ),
        click.option(
            "--recipes", type=click.Path(), metavar="DIR", help="Own templates that replace built-in ones."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def read(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Value]]:
    """Return what was given: fields of `Wishes`, and the settings that the person fixed.

    Pins are checked against the settings table. Raises `BadInput`.
    """
    from planner.errors import BadInput
    from planner.language import say
    from planner.setting_values import read_pin

    pins = dict(read_pin(text) for text in options["pins"])
    for name in ("method", "engine"):
        value = options[name]
        if value is not None and pins.setdefault(name, value) != value:
            raise BadInput(
                say(
                    "--{name} says {value} and --set says {name}={other}.",
                    name=name,
                    value=value,
                    other=pins[name],
                ),
                remedy=say("Give one of them."),
            )
    given = {field: options[option] for option, field in FIELDS.items() if options[option] is not None}
    if "test_prompts" in given and not Path(given["test_prompts"]).is_file():
        raise BadInput(say("There is no file {path} with test prompts.", path=given["test_prompts"]))
    if "recipes" in given:
        given["recipes"] = str(own_recipes(Path(given["recipes"])))
    return given, pins


def own_recipes(folder: Path) -> Path:
    """Return a person's recipe folder, absolute; `BadInput` if it is none, or holds no template."""
    from planner.errors import BadInput
    from planner.language import say

    if not folder.is_dir():
        raise BadInput(say("There is no recipe folder {folder}.", folder=folder))
    if not any(folder.glob("*/*.j2")):
        raise BadInput(
            say("The folder {folder} holds no template, such as paddlenlp/sft.json.j2.", folder=folder),
            remedy=say("Copy one with `steersman recipes new`."),
        )
    return folder.resolve()
