"""Four whole plans, as files: what a person reads. A change of a rule shows here as a difference to be read.

After a wanted change: `STEERSMAN_UPDATE_GOLDEN=1 python -m pytest tests/planner/test_golden.py`, then read
the diff.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from planner.planfile import dumps
from tests.planner.scenes import MANY, SHORT, plan

GOLDEN = Path(__file__).parent / "golden"
SCENES: dict[str, dict[str, Any]] = {
    "demo-two-amd-cores": {},
    "qwen-1.5b-lora-one-4090-half-an-hour": {
        "model": "qwen2.5-1.5b-instruct",
        "found": SHORT,
        "hardware": "4090",
        "minutes": 30,
    },
    "llama-8b-full-eight-a100": {
        "model": "llama-3.1-8b-instruct",
        "found": MANY,
        "hardware": "8x A100-80G nvlink",
        "goal": "quality",
    },
    "qwen-72b-lora-two-machines-pinned": {
        "model": "qwen2.5-72b-instruct",
        "found": SHORT,
        "hardware": "2 nodes x 8 H800 ib 400",
        "lora_rank": 4,
        "max_steps": 50,
    },
}


@pytest.mark.parametrize("name", SCENES)
def test_plan_is_as_it_was(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    text = dumps(plan(**SCENES[name]), path.name)
    if os.environ.get("STEERSMAN_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_a_scene() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(SCENES)
