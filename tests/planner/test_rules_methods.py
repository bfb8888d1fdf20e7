"""Rules about methods, preferences, formats, kernels and what follows: what they decide in each stage and
engine, and that every way not taken is named with its reason."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from planner.methods import methods, runnable, variants
from planner.plan import Plan
from planner.setting_values import settings
from planner.settings import MethodSettings
from planner.stage_workers import WORKERS
from planner.unused import TRAINING_STAGES, WITHOUT_TRAINING
from tests.planner.scenes import LONG, MANY, SHORT, data
from tests.planner.test_rules import check, wished

SMALL, MEDIUM = "qwen2.5-0.5b-instruct", "qwen2.5-7b-instruct"
A100, V100 = "8x A100-80G nvlink", "V100 32g x4"
NEW = {"model": SMALL, "found": SHORT, "hardware": A100}
BIG = {"model": MEDIUM, "found": SHORT, "hardware": A100}
LLAMA = {"model": "llama-3.1-8b-instruct", "found": SHORT, "hardware": A100}
MISTRAL = {"model": "mistral-7b-instruct-v0.3", "found": SHORT, "hardware": A100}
BLOOM = {"model": "bloomz-560m", "found": data(100, 60, 100), "hardware": A100}
UPSTREAM = {"model": "bloomz-560m", "stage": "dpo"}
"""What upstream's script trains, and no worker of Steersman's."""

QWEN3 = {"model": "qwen3-8b", "found": SHORT, "hardware": A100}
DCU = {"model": SMALL, "found": SHORT, "hardware": "8x K100"}
NPU = {"model": SMALL, "found": SHORT, "hardware": "8x 910B"}

CASES: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "method.engine": [
        (BIG, "paddlenlp"),
        (QWEN3, "paddleformers"),
        ({**QWEN3, "stage": "dpo"}, "paddleformers"),
        ({**BIG, "stage": "kto"}, "paddlenlp"),
        ({**BIG, "stage": "embedding"}, "paddlenlp"),
    ],
    "method.method": [
        ({**NEW, "stage": "pretrain"}, "full"),
        ({**NEW, "stage": "embedding"}, "full"),
        ({**LLAMA, "stage": "reward"}, "full"),
        ({**BIG, "stage": "dpo"}, "lora"),
        ({**BIG, "goal": "memory"}, "qlora"),
        ({**BIG, "goal": "memory", "stage": "dpo"}, "lora"),
        ({**BIG, "goal": "memory", "hardware": "8x 910B"}, "lora"),
    ],
    "method.weight_format": [
        ({}, "none"),
        (BIG, "none"),
        ({**BIG, "goal": "memory", "stage": "dpo"}, "none"),
        ({**BIG, "method": "qlora"}, "weight_only_int8"),
    ],
    "method.lora_variant": [
        ({}, "plain"),
        ({"lora_rank": 64}, "plain"),
        ({**NEW, "lora_rank": 128}, "rslora"),
        ({**NEW, "lora_plus_scale": 8.0}, "lora_plus"),
        ({**NEW, "lora_plus_scale": 8.0, "lora_rank": 128}, "rslora_plus"),
    ],
    "method.lora_plus_scale": [
        ({}, 1.0),
        ({**NEW, "lora_variant": "lora_plus"}, 16.0),
        ({**NEW, "lora_variant": "rslora_plus"}, 4.0),
    ],
    "method.lora_alpha": [({}, 16), ({**NEW, "lora_rank": 128}, 4), ({**NEW, "lora_variant": "rslora"}, 4)],
    "method.lora_targets": [
        ({"goal": "memory"}, "attention"),
        ({**BIG, **UPSTREAM, "goal": "memory"}, "all-linear"),
    ],
    "method.prefix_tokens": [({}, 128)],
    "method.double_quant": [({}, False), ({**BIG, "method": "qlora", "weight_quantize_algo": "nf4"}, True)],
    "method.neftune": [({}, False)],
    "method.neftune_alpha": [({}, 5.0)],
    "method.ssa": [({}, False), ({**LLAMA, "found": LONG}, False)],
    "preference.loss": [
        ({**BIG, "stage": "dpo"}, "sigmoid"),
        ({**BIG, "stage": "orpo"}, "or"),
        ({**BIG, "stage": "simpo"}, "simpo"),
    ],
    "preference.beta": [({**BIG, "stage": "dpo"}, 0.1), ({**BIG, "stage": "simpo"}, 2.0)],
    "preference.gamma": [({**BIG, "stage": "simpo"}, 1.0), ({**BIG, "stage": "simpo", "beta": 3.0}, 1.5)],
    "preference.weight": [({**BIG, "stage": "dpo"}, 1.0), ({**BIG, "stage": "orpo"}, 0.1)],
    "preference.sft": [({**BIG, "stage": "dpo"}, 0.0), ({**BIG, "stage": "orpo"}, 1.0)],
    "preference.reference": [
        ({**BIG, "stage": "dpo"}, False),
        ({**BIG, "stage": "orpo"}, True),
        ({**BIG, "stage": "simpo"}, True),
    ],
    "data.max_length": [
        ({**NEW, "stage": "pretrain"}, 4_096),
        ({**NEW, "context": 8_000}, 8_000),
        ({**NEW, "context": 8_001}, 8_008),
        ({**NEW, "stage": "embedding"}, 1_800),
    ],
    "data.zero_padding": [
        ({**NEW, "method": "prefix_tuning"}, False),
        ({**NEW, "num_prefix_tokens": 64}, False),
        ({**NEW, "method": "reft"}, False),
        ({**NEW, "method": "vera"}, True),
        ({**NEW, "stage": "pretrain"}, True),
        ({**NEW, "stage": "dpo"}, True),
        ({**NEW, "stage": "embedding"}, False),
    ],
    "data.greedy_zero_padding": [({**NEW, "stage": "pretrain"}, False), ({**NEW, "stage": "dpo"}, True)],
    "precision.precision": [(NPU, "bf16"), ({**NEW, "hardware": "GTX 1080 Ti"}, "fp32")],
    "precision.scale_loss": [({}, 32768.0), ({**NEW, "hardware": V100}, 32768.0)],
    "precision.optimizer": [
        ({}, "adamw"),
        ({**NEW, "goal": "memory"}, "adamw"),
        ({**NEW, "goal": "memory", "method": "full"}, "adamw_16bit_moment"),
        ({"goal": "memory", "method": "full"}, "adamw"),
    ],
    "kernels.flash_attention": [
        ({}, False),
        (NEW, True),
        ({**NEW, "hardware": V100}, False),
        (NPU, True),
        (DCU, False),
        ({**NEW, "precision": "fp32"}, False),
    ],
    "kernels.flash_mask": [
        ({}, False),
        (NEW, True),
        ({**NEW, "stage": "dpo"}, True),
        ({**NEW, "stage": "pretrain"}, False),
        ({**NEW, "zero_padding": False}, False),
        ({**NEW, "hardware": V100}, False),
        (MISTRAL, False),
        (NPU, False),
    ],
    "kernels.fused_norm": [({}, False), (NEW, False)],
    "kernels.fused_rope": [({}, False), (NEW, True), (MISTRAL, False), (NPU, False)],
    "kernels.fuse_qkv": [
        ({}, False),
        (NEW, False),
        ({**LLAMA, "stage": "pretrain"}, False),
        ({**LLAMA, "stage": "pretrain", "target": "paddle_static"}, True),
        ({**LLAMA, "stage": "dpo", "target": "paddle_static"}, False),
    ],
    "kernels.fuse_ffn": [(NEW, False), ({**LLAMA, "stage": "pretrain", "target": "paddle_static"}, True)],
    "kernels.fused_loss": [({}, False), (NEW, False)],
    "kernels.recompute": [
        ({}, False),
        ({**BIG, "recompute_granularity": "full", "found": MANY, "hardware": "4090"}, True),
    ],
    "kernels.granularity": [({}, "full")],
    "kernels.offload": [({}, False), (NEW, False)],
    "checkpoints.evaluation": [({**NEW, "stage": "embedding"}, "steps"), ({**NEW, "stage": "export"}, "no")],
    "checkpoints.best": [
        ({}, False),
        ({**NEW, "goal": "quality"}, True),
        ({**NEW}, False),
        ({**BIG, "stage": "dpo", "goal": "quality"}, True),
        ({**BIG, "stage": "dpo"}, False),
        ({**BIG, **UPSTREAM, "hardware": "H100", "goal": "quality"}, False),
        ({**BIG, "stage": "dpo", "goal": "quality", "evaluation_strategy": "no"}, False),
    ],
    "checkpoints.unified": [
        (NEW, True),
        ({**NEW, "method": "lokr"}, False),
        (QWEN3, False),
    ],
    "checkpoints.async": [({}, False)],
    "embedding.group_size": [({**NEW, "stage": "embedding"}, 8)],
    "embedding.temperature": [({**NEW, "stage": "embedding"}, 0.02)],
    "worker.network": [({}, ""), ({**BIG, "hardware": "2 nodes x 8 H800 ib 400"}, "")],
    "worker.tracker": [(NEW, "swanlab-offline"), ({**NEW, **UPSTREAM}, "none"), (QWEN3, "none")],
    "after.merge": [
        ({}, True),
        ({"method": "full"}, False),
        ({**NEW, "method": "vera"}, True),
        ({**NEW, "method": "lokr"}, True),
        ({**NEW, "method": "prefix_tuning"}, False),
        ({**NEW, "method": "reft"}, False),
        ({**NEW, "lora_variant": "mora"}, True),
        ({**NEW, "lora_variant": "pissa"}, True),
        ({**BLOOM, "lora_variant": "mora"}, False),
        ({**NEW, "stage": "export"}, False),
    ],
    "after.export": [
        ({}, "huggingface"),
        ({**BIG, "target": "fastdeploy"}, "fastdeploy"),
        ({**BIG, "target": "paddle_static"}, "paddle_static"),
        ({**NEW, "stage": "embedding"}, "none"),
        ({**BIG, "stage": "quantise"}, "none"),
    ],
    "after.quantise": [
        ({}, "none"),
        ({**BIG, "stage": "quantise"}, "weight_only_int8"),
        ({**LLAMA, "stage": "quantise", "goal": "speed"}, "a8w8"),
        ({**LLAMA, "stage": "quantise", "goal": "memory"}, "gptq"),
    ],
    "after.max_new_tokens": [({}, 80), ({**NEW, "found": LONG}, 512)],
}


@pytest.mark.parametrize(
    ("rule", "scene", "value"),
    [(rule, scene, value) for rule, cases in CASES.items() for scene, value in cases],
    ids=lambda entry: entry if isinstance(entry, str) else None,
)
def test_rule_decides(rule: str, scene: dict[str, Any], value: Any) -> None:
    check(rule, scene, value)


COMPLETE = (
    "method",
    "lora_variant",
    "weight_quantize_algo",
    "precision",
    "optim",
    "recompute_granularity",
)
"""Settings of which every choice that was not taken must be named."""


@pytest.mark.parametrize("scene", [{}, BIG, {**BIG, "goal": "memory"}, {**LLAMA, "stage": "dpo"}, QWEN3])
def test_every_way_not_taken_is_named_with_its_reason(scene: dict[str, Any]) -> None:
    made = wished(scene)
    for name in COMPLETE:
        decision = made.decisions[name]
        if decision.because.startswith("Not used"):
            continue
        named = {decision.value, *(other.value for other in decision.alternatives)}
        assert named == set(settings()[name].choices), name
        assert all(other.because.endswith(".") for other in decision.alternatives), name


@pytest.mark.parametrize(
    "scene", [{}, NEW, {**BIG, "stage": "dpo"}, {**NEW, "stage": "export"}, {**BIG, "stage": "quantise"}]
)
def test_every_sentence_is_whole(scene: dict[str, Any]) -> None:
    for name, decision in wished(scene).decisions.items():
        for sentence in (decision.because, *(other.because for other in decision.alternatives)):
            assert sentence.endswith("."), f"{name}: {sentence}"
            assert "{" not in sentence, f"{name}: {sentence}"
            assert "nan" not in sentence.split(), f"{name}: {sentence}"


def test_tables_hold_every_choice_of_the_settings() -> None:
    fields = MethodSettings.model_fields
    assert tuple(methods()) == get_args(fields["method"].annotation)
    assert tuple(variants()) == get_args(fields["lora_variant"].annotation)
    for row in (*methods().values(), *variants().values()):
        assert {stage for stages in row.stages.values() for stage in stages} <= set(TRAINING_STAGES)


RUNS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"method": "full"}, ""),
    ({**NEW}, ""),
    (
        {**NEW, "stage": "quantise"},
        f"it trains stages {', '.join(WORKERS)} with paddlenlp, and this plan is for stage quantise",
    ),
    (QWEN3, "it cannot prove yet that qwen3 models are converted exactly"),
    *(({**NEW, "method": name}, "") for name in ("vera", "lokr", "prefix_tuning", "reft", "qlora")),
    ({"method": "reft"}, ""),
    ({**NEW, "lora_rank": 128}, ""),
    *(({**NEW, "lora_variant": name}, "") for name in ("lora_plus", "pissa", "mora", "moslora")),
    (
        BLOOM,
        "it cannot prove yet that bloom models are converted exactly",
    ),
    ({**NEW, "neftune": True}, ""),
    ({**NEW, "goal": "quality"}, ""),
    ({**NEW, "fuse_attention_qkv": True}, "it does not support fuse_attention_qkv yet"),
]


@pytest.mark.parametrize(("scene", "reason"), RUNS)
def test_a_plan_says_whether_steersman_itself_runs_it(scene: dict[str, Any], reason: str) -> None:
    told = runnable(wished(scene))
    assert told == (f"`steersman run` cannot run this plan: {reason}." if reason else "")


def without_effect(made: Plan) -> set[str]:
    return {name for name, decision in made.decisions.items() if decision.because.startswith("Not used")}


@pytest.mark.parametrize("stage", WITHOUT_TRAINING)
def test_where_nothing_is_trained_a_plan_says_so(stage: str) -> None:
    made = wished({**BIG, "stage": stage})
    assert without_effect(made) == set(settings()) - set(WITHOUT_TRAINING[stage])


UNUSED: list[tuple[dict[str, Any], str, bool]] = [
    ({}, "beta", True),
    ({**BIG, "stage": "dpo"}, "beta", False),
    ({**BIG, "stage": "dpo"}, "simpo_gamma", True),
    ({**BIG, "stage": "simpo"}, "simpo_gamma", False),
    ({**BIG, "stage": "kto"}, "loss_type", True),
    ({**BIG, "stage": "kto"}, "beta", False),
    ({"method": "full"}, "lora_rank", True),
    ({**NEW, "method": "lokr"}, "lora_rank", False),
    ({**NEW, "method": "lokr"}, "lora_alpha", True),
    ({}, "num_prefix_tokens", True),
    ({}, "scale_loss", True),
    ({**NEW, "hardware": V100}, "scale_loss", False),
    ({}, "min_learning_rate", True),
    ({**NEW, "stage": "pretrain"}, "src_length", True),
    ({**NEW, "stage": "embedding"}, "max_new_tokens", True),
    ({**NEW, "stage": "embedding"}, "group_size", False),
    ({**NEW, "stage": "dpo"}, "group_size", True),
    ({**NEW}, "embedding_temperature", True),
    ({}, "network_interface", True),
    ({**BIG, "hardware": "2 nodes x 8 H800 ib 400"}, "network_interface", False),
]


@pytest.mark.parametrize(("scene", "setting", "idle"), UNUSED)
def test_a_plan_says_what_has_no_effect(scene: dict[str, Any], setting: str, idle: bool) -> None:
    assert (setting in without_effect(wished(scene))) is idle
