"""`python -m tests.arguments_catalogue ENGINE`: rewrite recipes/engines/ENGINE/arguments.yaml from the
installed engine. What only upstream's scripts define stands in scripts.yaml beside it and is kept by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from planner.catalogue import RECIPES
from runtime.paths import home

VERSIONS = {"paddlenlp": "3.0.0b4", "paddleformers": "1.2.0"}
BASES = {"SFTConfig": ("LlmMetaConfig", "TrainingArguments")}
"""Groups of which only what differs from their bases is written."""
LEFT_OUT = {"paddleformers": ("LlmMetaConfig",)}
"""Groups that others already contain."""
SCRIPT = Path(__file__).with_name("engine_arguments.py")


def interpreter(engine: str) -> Path:
    """Return the Python of the CPU build of an engine; it may not exist."""
    return home() / "engines" / f"{engine}-cpu" / "bin" / "python"


def installed(engine: str) -> dict[str, dict[str, list[Any]]]:
    """Return group -> name -> [kind, default] of the installed engine, as the file holds them."""
    command = [str(interpreter(engine)), str(SCRIPT), engine]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("ARGUMENTS"))
    groups: dict[str, dict[str, list[Any]]] = json.loads(line.removeprefix("ARGUMENTS"))
    for group, bases in BASES.items():
        if group in groups:
            known = {name: value for base in bases for name, value in groups[base].items()}
            groups[group] = {name: value for name, value in groups[group].items() if known.get(name) != value}
    return {name: group for name, group in groups.items() if name not in LEFT_OUT.get(engine, ())}


def text(engine: str, groups: dict[str, dict[str, list[Any]]]) -> str:
    """Return the file: one line per argument."""
    lines = [
        f"# The arguments of {engine} {VERSIONS[engine]}: group -> name -> [kind, default].",
        f"# Written by `python -m tests.arguments_catalogue {engine}` from the installed wheel; do not edit.",
        f'version: "{VERSIONS[engine]}"',
        "groups:",
    ]
    for group, arguments in groups.items():
        lines.append(f"  {group}:")
        for name, (kind, value) in arguments.items():
            lines.append(f"    {name}: [{json.dumps(kind)}, {json.dumps(value)}]")
    return "\n".join(lines) + "\n"


def main(engine: str) -> None:
    """Rewrite the file of one engine."""
    path = RECIPES / "engines" / engine / "arguments.yaml"
    path.write_text(text(engine, installed(engine)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
