"""What an engine does with a config: which values its parser refuses, which fail later, which it ignores.

`check` reads nothing and runs nothing of an engine: the schema of arguments lies in `recipes/engines/`, the
constraints in `planner/arguments/paddlenlp/` and `planner/arguments/paddleformers/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.arguments import json_parser, paddleformers, paddlenlp, schema, yaml_parser
from planner.arguments.case import Case, World
from planner.arguments.rule import findings
from planner.findings import Finding

RULES = {"paddlenlp": paddlenlp.RULES, "paddleformers": paddleformers.RULES}
"""Engine -> all of its constraints."""

__all__ = ["RULES", "Case", "World", "check", "examine", "refuses", "schema"]


def examine(
    engine: str, script: str, values: Mapping[str, Any], world: World | None = None
) -> tuple[Case, tuple[Finding, ...]]:
    """Return the config as the engine's parser would leave it, and everything that is wrong with it.

    `values` are those of the file, as json.load or yaml.safe_load gives them; `script` is one of
    `schema.scripts(engine)`. KeyError for an unknown engine or script.
    """
    world = world or World()
    if engine == "paddlenlp":
        parsed, given, found = json_parser.parse(script, values)
    else:
        parsed, given, found = yaml_parser.parse(script, values, world.processes)
    case = Case(engine, script, parsed, given, world)
    spoken = {finding.field for finding in found if finding.severity == "rejects"}
    found += [one for one in findings(RULES[engine], case) if one.field not in spoken]
    return case, tuple(found)


def check(
    engine: str, script: str, values: Mapping[str, Any], world: World | None = None
) -> tuple[Finding, ...]:
    """Return everything that is wrong with a config; see `examine`."""
    return examine(engine, script, values, world)[1]


def refuses(found: tuple[Finding, ...]) -> bool:
    """Return whether the engine's parser would stop at this config."""
    return any(finding.severity == "rejects" for finding in found)
