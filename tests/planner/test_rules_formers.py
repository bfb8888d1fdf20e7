"""What only PaddleFormers wants to know, and what a look at the dev rows does: scene -> value."""

from __future__ import annotations

from typing import Any

import pytest

from planner.solve import make_plan
from planner.wishes import Value, Wishes
from tests.planner.scenes import DEMO, MANY, SHORT, data, facts
from tests.planner.test_rules import check, wished

ERNIE = {"model": "ernie-4.5-0.3b-pt", "found": SHORT, "hardware": "8x A100-80G", "engine": "paddleformers"}
LAPTOP = {"engine": "paddleformers"}
QWEN = {"model": "qwen2.5-7b-instruct", "found": MANY, "hardware": "8x A100-80G"}
SMALL = {"model": "qwen2.5-0.5b-instruct", "found": SHORT, "hardware": "8x A100-80G"}

CASES: dict[str, list[tuple[dict[str, Any], Value]]] = {
    "data.dataset_type": [(ERNIE, "messages"), ({**ERNIE, "stage": "pretrain"}, "erniekit")],
    "data.mix_strategy": [(ERNIE, "concat")],
    "kernels.attention": [
        (ERNIE, "flashmask"),
        ({**ERNIE, "zero_padding": False}, "sdpa"),
        (LAPTOP, "eager"),
    ],
    "kernels.recompute_method": [(ERNIE, "uniform")],
    "kernels.recompute_num_layers": [(ERNIE, 1)],
    "checkpoints.format": [(ERNIE, "flex_checkpoint")],
    "checkpoints.generation": [
        ({}, False),
        ({"goal": "quality"}, False),
        ({**SMALL, "goal": "quality"}, True),
        ({**SMALL, "goal": "quality", "minutes": 600}, False),
        ({**SMALL, "goal": "quality", "found": data(dev=0)}, False),
        ({"goal": "quality", "stage": "pretrain"}, False),
        ({**LAPTOP, "goal": "quality"}, False),
        ({**QWEN, "goal": "quality", "tensor_parallel_degree": 2}, False),
    ],
    "safety.on_oom": [({}, "stop")],
    "safety.rehearsal": [({}, False), ({**QWEN, "num_train_epochs": 40}, True)],
    "checkpoints.patience": [
        ({}, 0),
        ({"goal": "quality"}, 3),
        ({"goal": "quality", "found": data(dev=0)}, 0),
        ({**ERNIE, "goal": "quality"}, 0),
    ],
}
"""Rule -> scenes and what it decides there."""


@pytest.mark.parametrize(
    ("rule", "scene", "value"),
    [(rule, scene, value) for rule, cases in CASES.items() for scene, value in cases],
    ids=lambda entry: entry if isinstance(entry, str) else None,
)
def test_rule_decides(rule: str, scene: dict[str, Any], value: Any) -> None:
    check(rule, scene, value)


@pytest.mark.parametrize("name", ["sdpa", "eager"])
def test_another_attention_turns_the_mask_off(name: str) -> None:
    made = wished({**ERNIE, "attn_implementation": name})
    assert not made.value("flash_mask")
    assert made.value("use_flash_attention") == (name == "sdpa")


def test_the_other_engine_has_no_such_settings_and_the_plan_says_so() -> None:
    made = wished({"found": DEMO})
    for name in ("dataset_type", "mix_strategy", "attn_implementation", "save_checkpoint_format"):
        assert made.decisions[name].because == "Not used: only PaddleFormers has such a setting."
    assert "only PaddleNLP" in wished(LAPTOP).decisions["async_save"].because


def test_experts_are_spread_over_whole_groups_of_those_who_shard() -> None:
    # PaddleFormers refuses a sharding degree that is no multiple of the processes per expert.
    made = make_plan(
        facts("glm-4.5-air", MANY, "4 nodes x 8 A100-80G nvlink"),
        Wishes(stage="pretrain"),
        alternatives=False,
    )
    assert made.value("engine") == "paddleformers"
    split = int(str(made.value("expert_parallel_degree")))
    groups = 32 // (split * int(str(made.value("pipeline_parallel_degree"))))
    assert split == 1 or int(str(made.value("sharding_parallel_degree"))) % groups == 0
