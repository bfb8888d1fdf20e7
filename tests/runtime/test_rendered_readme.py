"""A rendered folder's README: the script that takes the config too, and the rows that lie beside it."""

from __future__ import annotations

import pytest

from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Stage, Wishes
from runtime.rendered import readme
from tests.planner.scenes import SHORT, facts


def told(stage: Stage, model: str, method: str) -> str:
    """Return the README of a plan for the CPU."""
    wishes = Wishes(stage=stage, pins={"method": method, "num_processes": 1})
    plan: Plan = make_plan(facts(model, SHORT, "cpu"), wishes, alternatives=False)
    return readme(plan)


LAUNCHER = '    PYTHONPATH="$LLM" "$PYTHON" -m paddle.distributed.launch --nproc_per_node 1 --log_dir log '
TAKEN: dict[tuple[Stage, str, str], tuple[str, str]] = {
    ("sft", "smollm2-135m", "lora"): ("run_finetune.py", "`src` and `tgt`"),
    ("dpo", "smollm2-135m", "lora"): ("alignment/dpo/run_dpo.py", "`response` and `sort`"),
    ("kto", "smollm2-135m", "lora"): ("alignment/kto/run_kto.py", "`response` and `sort`"),
    ("reward", "smollm2-135m", "full"): ("alignment/rm/flashmask/run_reward.py", "`response` and `sort`"),
    ("pretrain", "smollm2-135m", "full"): ("run_pretrain.py", "`text`"),
    ("embedding", "qwen2.5-0.5b-instruct", "full"): ("run_embedding.py", "`query`"),
}
"""Stage, model and method -> upstream's script under llm, and what the rows hold."""


@pytest.mark.parametrize("case", TAKEN)
def test_it_has_the_command_for_upstreams_script(case: tuple[Stage, str, str]) -> None:
    script, rows = TAKEN[case]
    text = told(*case)
    assert f'{LAUNCHER}"$LLM/{script}" config.json\n' in text
    assert f"`llm/{script}`, which takes it too" in text
    assert rows in text


@pytest.mark.parametrize(
    "case",
    [
        ("pretrain", "smollm2-135m", "lora"),
        ("embedding", "qwen2.5-0.5b-instruct", "lora"),
        ("embedding", "smollm2-135m", "full"),
    ],
)
def test_it_has_none_where_that_script_would_train_something_else(case: tuple[Stage, str, str]) -> None:
    text = told(*case)
    assert "$LLM" not in text
    assert "takes it too" not in text
