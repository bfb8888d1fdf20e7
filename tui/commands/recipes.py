"""`steersman recipes`: the templates that turn a plan into an engine's config."""

from __future__ import annotations

import json
from pathlib import Path

import click

from planner.language import say


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def command() -> None:
    """List, show and copy the templates that turn a plan into an engine's config.

    A recipe is a Jinja2 template, one for each engine and kind of training. A folder of your own recipes goes
    before ours: `steersman plan --recipes DIR`.

    \b
    Examples:
      steersman recipes list
      steersman recipes show paddlenlp/sft
      steersman recipes new mine --from paddlenlp/sft
      steersman plan --model smollm2-135m-instruct --data steersman-demo --recipes mine
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_recipes(as_json: bool) -> None:
    """List the recipes, each with what it makes; those in `parts` are included by others.

    \b
    Example:
      steersman recipes list
    """
    from rich.text import Text

    from tui.commands.plan import stdout
    from tui.page import rows
    from tui.recipe_files import recipes

    known = recipes()
    if as_json:
        listed = [{"name": name, "description": each.description} for name, each in known.items()]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    stdout().print(rows((name, Text(each.gist or "-")) for name, each in known.items()))


@command.command()
@click.argument("name", metavar="ENGINE/RECIPE")
def show(name: str) -> None:
    """Print a recipe as it is.

    \b
    Example:
      steersman recipes show paddlenlp/sft
    """
    from tui.recipe_files import find

    click.echo(find(name).path.read_text(encoding="utf-8"), nl=False)


@command.command()
@click.argument("name", metavar="NAME")
@click.option("--from", "origin", required=True, metavar="ENGINE/RECIPE", help="The recipe to begin with.")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
def new(name: str, origin: str, folder: Path) -> None:
    """Copy a recipe into the folder DIR/NAME, to edit it and plan with it.

    \b
    Examples:
      steersman recipes new mine --from paddlenlp/sft
      steersman recipes new mine --from paddlenlp/dpo ~/recipes
    """
    from tui.recipe_files import find, start

    click.echo(start(name, find(origin), folder))
    click.echo(say("Edit it, then plan with: --recipes {folder}", folder=folder / name), err=True)
