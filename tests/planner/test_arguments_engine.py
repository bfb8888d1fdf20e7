"""The installed engines: their dataclasses are those of the catalogue, and their parsers refuse the
configs that `planner.arguments` says they refuse, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from planner import arguments, catalogue
from tests import arguments_catalogue
from tests.planner.argument_cases import BASES, NLP_CASES, Broken
from tests.planner.argument_cases_formers import FORMERS_CASES
from tests.verdicts import SCRIPTS, needs, real_verdicts

pytestmark = pytest.mark.engine
UNSEEN = {"device": "cpu"}
"""Put under every config, as there is no accelerator here."""


@pytest.mark.parametrize("engine", arguments.RULES)
def test_the_catalogue_is_what_the_wheel_defines(engine: str) -> None:
    needs(engine)
    written = catalogue.read(f"engines/{engine}/arguments")["groups"]
    fresh = yaml.safe_load(arguments_catalogue.text(engine, arguments_catalogue.installed(engine)))
    assert fresh["groups"] == written


@pytest.mark.parametrize(("engine", "cases"), [("paddlenlp", NLP_CASES), ("paddleformers", FORMERS_CASES)])
def test_the_engine_refuses_what_we_say_it_refuses(
    engine: str, cases: tuple[Broken, ...], tmp_path: Path
) -> None:
    needs(engine)
    good = [Broken("good", engine, name, values, arguments.World()) for name, values in BASES.items()]
    known = [one for one in (*cases, *good) if one.script in SCRIPTS and script_engine(one.script) == engine]
    judged = [one._replace(values={**one.values, **UNSEEN}) for one in known]
    given = [(one.script, one.values, one.world.processes) for one in judged]
    verdicts = real_verdicts(engine, given, tmp_path)
    wrong = {}
    for index, one in enumerate(judged):
        found = arguments.check(engine, one.script, one.values, one.world)
        ours = arguments.refuses(found) or any(finding.code == "parser.output-dir" for finding in found)
        if ours != (str(index) in verdicts):
            wrong[f"{one.script} {one.code}"] = verdicts.get(str(index), "accepted")
    assert wrong == {}


def script_engine(script: str) -> str:
    """Return the engine of a script."""
    return "paddleformers" if script in ("train", "export") else "paddlenlp"
