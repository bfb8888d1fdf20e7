"""What the installed engines' own parsers say about configs; the parsing itself runs inside an engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from planner import catalogue
from tests import arguments_catalogue, engine_verdicts

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
"""Scripts whose parser can be built from what the wheels define."""


def needs(engine: str) -> None:
    """Skip where the engine is not installed."""
    if not arguments_catalogue.interpreter(engine).exists():
        pytest.skip(f"the {engine} CPU engine is not installed")


def real_verdicts(
    engine: str, cases: Sequence[tuple[str, Mapping[str, Any], int]], folder: Path
) -> dict[str, str]:
    """Return index -> error of the configs that the engine's own parser refuses.

    A case is a script, the values of its config, and a number of processes.
    """
    written = catalogue.read("engines/paddlenlp/scripts")
    groups: dict[str, Any] = {
        script: {
            group: written["groups"].get(group, {}) for group in entry["groups"] if group not in IN_WHEEL
        }
        for script, entry in written["scripts"].items()
        if script in SCRIPTS
    }
    file = folder / "cases.json"
    file.write_text(json.dumps({"scripts": groups, "cases": [list(one) for one in cases]}), encoding="utf-8")
    command = [str(arguments_catalogue.interpreter(engine)), engine_verdicts.__file__, engine, str(file)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=900)
    lines = [line for line in said.stdout.splitlines() if line.startswith("VERDICTS")]
    assert lines, said.stderr[-3000:]
    found: dict[str, str] = json.loads(lines[0].removeprefix("VERDICTS"))
    return found
