"""The installed engines: their dataclasses are those of the catalogue, and their parsers refuse the
configs that `planner.arguments` says they refuse, and no others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner import arguments, catalogue
from tests import arguments_catalogue, engine_verdicts
from tests.planner.argument_cases import BASES, NLP_CASES, Broken
from tests.planner.argument_cases_formers import FORMERS_CASES

pytestmark = pytest.mark.engine
IN_WHEEL = ("LlmMetaConfig", "TrainingArguments")
"""Groups that every class of training arguments has already."""
SCRIPTS = (
    "run_finetune",
    "run_quantization",
    "run_dpo",
    "run_kto",
    "run_pretrain",
    "run_reward",
    "train",
    "export",
)
GROUPED = {
    name: entry["groups"] for name, entry in catalogue.read("engines/paddlenlp/scripts")["scripts"].items()
}
UNSEEN = {"device": "cpu"}
"""Put under every config, as there is no accelerator here."""


def needs(engine: str) -> None:
    """Skip where the engine is not installed."""
    if not arguments_catalogue.interpreter(engine).exists():
        pytest.skip(f"the {engine} CPU engine is not installed")


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
    verdicts = real_verdicts(engine, judged, tmp_path)
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


def real_verdicts(engine: str, cases: list[Broken], folder: Path) -> dict[str, str]:
    """Return index -> error of the configs that the engine's own parser refuses."""
    written = catalogue.read("engines/paddlenlp/scripts")
    groups: dict[str, Any] = {
        script: {
            group: written["groups"].get(group, {})
            for group in names
            if group not in IN_WHEEL
        }
        for script, names in GROUPED.items()
        if script in SCRIPTS
    }  # fmt: skip
    file = folder / "cases.json"
    file.write_text(
        json.dumps({
            "scripts": groups,
            "cases": [[one.script, one.values, one.world.processes] for one in cases],
        }),
        encoding="utf-8",
    )  # fmt: skip
    command = [str(arguments_catalogue.interpreter(engine)), engine_verdicts.__file__, engine, str(file)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = [line for line in said.stdout.splitlines() if line.startswith("VERDICTS")]
    assert lines, said.stderr[-3000:]
    found: dict[str, str] = json.loads(lines[0].removeprefix("VERDICTS"))
    return found
