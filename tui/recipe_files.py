"""The templates that turn a plan into an engine's config: what there is, and copies to edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from planner.catalogue import RECIPES
from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import join, say

COMMENT = re.compile(r"\{#-?(.*?)-?#\}", re.DOTALL)
"""A template's first comment describes it."""

CONFIGS = (".json", ".yaml")

ENGINES = ("paddlenlp", "paddleformers")


class Recipe(NamedTuple):
    """One template: its name, such as paddlenlp/sft or paddlenlp/launch.sh, its file, and what it makes."""

    name: str
    path: Path
    description: str

    @property
    def gist(self) -> str:
        """The first sentence of what it makes."""
        return self.description.split(": ")[0].split(". ")[0].rstrip(".")


def recipes(folder: Path = RECIPES) -> dict[str, Recipe]:
    """Return a folder's recipes by name, engine by engine: configs, then scripts and texts, then parts."""
    found = {}
    for engine in ENGINES:
        paths = sorted((folder / engine).rglob("*.j2"), key=lambda path: (rank(path), path))
        for path in paths:
            shown = path.relative_to(folder).as_posix().removesuffix(".j2")
            name = shown.rpartition(".")[0] if rank(path) == 0 else shown
            found[name] = Recipe(name, path, description(path))
    return found


def rank(path: Path) -> int:
    """Return 0 for the template of a config, 1 for a script or text beside it, 2 for a part of configs."""
    if path.parent.name == "parts":
        return 2
    return 0 if path.name.removesuffix(".j2").endswith(CONFIGS) else 1


def description(path: Path) -> str:
    """Return a template's first comment as one line; empty if it has none."""
    match = COMMENT.search(path.read_text(encoding="utf-8"))
    return " ".join(match[1].split()) if match else ""


def find(name: str) -> Recipe:
    """Return the built-in recipe of that name; `BadInput` with the nearest one."""
    known = recipes()
    if name in known:
        return known[name]
    raise BadInput(
        say("There is no recipe `{name}`.", name=name),
        remedy=hint(name, known) or say("`steersman recipes list` lists them."),
    )


def start(name: str, recipe: Recipe, folder: Path) -> Path:
    """Copy a recipe into `folder/name`, where `--recipes` finds it, and return the copy's path.

    Raises `BadInput` if the name is no folder name, or the copy is there already.
    """
    if not re.fullmatch(r"[\w][\w.-]*", name):
        raise BadInput(
            say("`{name}` cannot be the name of a folder of recipes.", name=name),
            remedy=say("Use letters, digits, dashes and dots."),
        )
    target = folder / name / recipe.path.relative_to(RECIPES)
    if target.exists():
        raise BadInput(
            join((say("{path} exists already.", path=target), say("Choose another name, or edit that one.")))
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(recipe.path.read_bytes())
    except OSError as error:
        raise BadInput(
            say("{path} cannot be written: {reason}.", path=target, reason=error.strerror or error)
        ) from error
    return target
