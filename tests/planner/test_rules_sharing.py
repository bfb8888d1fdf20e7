"""Rules about degrees and switches that most plans leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planner.scenes import SHORT
from tests.planner.test_rules import check

LLAMA = {"model": "llama-3.1-8b-instruct", "found": SHORT, "hardware": "8x A100-80G nvlink"}
SPLIT = {**LLAMA, "tensor_parallel_degree": 2, "method": "lora"}

CASES: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "parallel.sequence": [({}, False), (SPLIT, True)],
    "parallel.virtual": [({}, 1), (LLAMA, 1)],
    "parallel.context": [({}, 1), (LLAMA, 1)],
    "parallel.sep": [({}, 1), (LLAMA, 1)],
    "parallel.expert": [({}, 1), (LLAMA, 1)],
    "parallel.tensor_output": [({}, False), (SPLIT, True)],
    "parallel.tensor_config": [({}, ""), (LLAMA, "")],
    "parallel.pipeline_config": [({}, ""), (LLAMA, "")],
    "parallel.sharding_config": [({}, "")],
    "parallel.auto": [({}, False), (LLAMA, False)],
    "parallel.static": [(LLAMA, False)],
    "optimisation.floor": [({}, 0.0)],
}


@pytest.mark.parametrize(
    ("rule", "scene", "value"),
    [(rule, scene, value) for rule, cases in CASES.items() for scene, value in cases],
    ids=lambda entry: entry if isinstance(entry, str) else None,
)
def test_rule_decides(rule: str, scene: dict[str, Any], value: Any) -> None:
    check(rule, scene, value)
