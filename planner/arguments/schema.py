"""The arguments that each script of an engine accepts, as data from `recipes/engines/<engine>/`."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from planner import catalogue

REQUIRED = "__required__"
"""Default of an argument that has none."""

OPAQUE = "__object__"
"""Default that only the engine can build (a nested object or a function)."""

ALIKE = 0.75
"""Least likeness of a guessed argument: with hundreds of long names, 0.6 would find one for any word."""


class Argument(NamedTuple):
    """One argument of a script."""

    name: str
    kind: str
    """int, float, bool, str, list[...], dict, any, or the words of an enum joined by `|`."""
    default: Any
    group: str
    """Dataclass that defines it."""

    @property
    def choices(self) -> tuple[str, ...]:
        """Words that an enum accepts; empty for other kinds."""
        return tuple(self.kind.split("|")) if "|" in self.kind else ()


@cache
def scripts(engine: str) -> tuple[str, ...]:
    """Return the names of the scripts of an engine."""
    return tuple(catalogue.read(f"engines/{engine}/scripts")["scripts"])


@cache
def arguments(engine: str, script: str) -> dict[str, Argument]:
    """Return name -> argument of one script, in the order of its parser. Do not change it: it is shared.

    KeyError for an engine or a script that does not exist.
    """
    written = catalogue.read(f"engines/{engine}/scripts")
    groups = {**catalogue.read(f"engines/{engine}/arguments")["groups"], **written["groups"]}
    found: dict[str, Argument] = {}
    for group in written["scripts"][script]["groups"]:
        for name, (kind, default) in groups[group].items():
            found[name] = Argument(name, kind, default, group)
    return found


def version(engine: str) -> str:
    """Return the version of the engine that the schema describes."""
    return str(catalogue.read(f"engines/{engine}/arguments")["version"])
