"""Every rule, by its id: what it decides in scenes that differ in the one fact that matters."""

from __future__ import annotations

from typing import Any

import pytest

from planner.plan import Plan
from planner.rules import RULES
from planner.setting_values import settings
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import DEMO, LONG, MANY, SHORT, amd, data, facts

SMALL, MEDIUM, LARGE = "qwen2.5-0.5b-instruct", "qwen2.5-7b-instruct", "qwen2.5-72b-instruct"
A100, V100, H800 = "8x A100-80G nvlink", "V100 32g x4", "2 nodes x 8 H800 ib 400"

CASES: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "method.engine": [({}, "paddlenlp")],
    "method.engine_build": [({}, "cpu"), ({"hardware": A100}, "cu126"), ({"hardware": "RTX 5090"}, "cu129")],
    "method.method": [
        ({}, "lora"),
        ({"goal": "quality"}, "lora"),
        ({"model": MEDIUM, "found": SHORT, "hardware": A100}, "lora"),
        ({"model": MEDIUM, "found": SHORT, "hardware": A100, "goal": "quality"}, "full"),
        ({"model": MEDIUM, "found": DEMO, "hardware": A100, "goal": "quality"}, "lora"),
        ({"model": LARGE, "found": SHORT, "hardware": A100, "goal": "quality"}, "lora"),
    ],
    "method.lora_rank": [
        ({}, 8),
        ({"found": SHORT}, 16),
        ({"found": MANY}, 32),
        ({"goal": "quality"}, 16),
        ({"found": MANY, "goal": "memory"}, 8),
    ],
    "method.lora_alpha": [({}, 16), ({"lora_rank": 24}, 48)],
    "method.lora_dropout": [({}, 0.0)],
    "method.lora_targets": [({}, "all-linear"), ({"goal": "memory"}, "attention")],
    "data.max_length": [
        ({}, 256),
        ({"hardware": amd(cores=64, gib=256)}, 128),
        ({"found": data(rows=5_000)}, 1024),
        ({"found": SHORT}, 1_800),
        ({"found": data(mean=98, longest=100)}, 512),
        ({"zero_padding": False}, 104),
        ({"found": data(longest=90_000, p99=120), "zero_padding": False}, 120),
        ({"found": data(mean=9_000, longest=90_000), "zero_padding": False}, 8_192),
        ({"model": SMALL, "found": SHORT, "hardware": A100}, 4_096),
        ({"model": SMALL, "found": SHORT, "hardware": V100}, 2_048),
        ({"model": "llama-3.2-3b-instruct", "found": SHORT, "hardware": "RTX 3090"}, 4_096),
        ({"model": "llama-3.1-8b-instruct", "found": data(2_000, 200, 500), "hardware": "RTX 3090"}, 1_024),
    ],
    "data.zero_padding": [
        ({}, True),
        ({"found": data(mean=95, longest=100), "max_length": 104}, False),
        ({"found": LONG, "model": SMALL, "hardware": A100}, True),
    ],
    "data.greedy_zero_padding": [({}, True), ({"zero_padding": False}, False)],
    "data.src_length": [
        ({}, 248),
        ({"found": data(mean=9_000, longest=90_000), "zero_padding": False}, 4_592),
    ],
    "data.seed": [({}, 42)],
    "precision.precision": [({}, "fp32"), ({"hardware": A100}, "bf16"), ({"hardware": V100}, "fp16")],
    "precision.opt_level": [({}, "O1"), ({"hardware": A100}, "O2"), ({"hardware": V100}, "O2")],
    "precision.master_grad": [({}, False), ({"hardware": A100}, True)],
    "parallel.processes": [
        ({}, 2),
        ({"hardware": amd(cores=1)}, 1),
        ({"hardware": amd(cores=8, gib=8)}, 4),
        ({"hardware": amd(cores=64, gib=256)}, 13),
        ({"hardware": A100}, 8),
        ({"hardware": H800}, 16),
    ],
    "parallel.tensor": [
        ({}, 1),
        ({"model": MEDIUM, "found": SHORT, "hardware": A100}, 1),
        ({"model": LARGE, "found": SHORT, "hardware": A100}, 8),
    ],
    "parallel.pipeline": [({}, 1), ({"hardware": A100}, 1)],
    "parallel.sharding": [
        ({}, "none"),
        ({"model": SMALL, "found": SHORT, "hardware": A100, "method": "full"}, "stage1"),
    ],
    "parallel.sharding_degree": [
        ({}, 1),
        ({"model": SMALL, "found": SHORT, "hardware": A100, "method": "full"}, 8),
    ],
    "parallel.data": [
        ({}, 2),
        ({"model": SMALL, "found": SHORT, "hardware": A100, "method": "full"}, 1),
        ({"model": LARGE, "found": SHORT, "hardware": H800, "sharding": "none"}, 4),
    ],
    "worker.threads": [({}, 1), ({"num_processes": 1}, 2), ({"hardware": amd(cores=64, gib=256)}, 4)],
    "worker.mkl": [({}, 5), ({"hardware": "intel cpu 4 cores 32g"}, 0), ({"hardware": A100}, 0)],
    "worker.tracker": [({}, "swanlab-offline")],
    "safety.on_oom": [({}, "stop"), ({"found": MANY}, "stop")],
    "safety.rehearsal": [({}, False), ({"found": MANY}, True)],
    "batch.micro": [
        ({}, 1),
        ({"model": SMALL, "found": MANY, "hardware": "H100", "max_length": 2_400}, 4),
    ],
    "batch.accumulation": [
        ({}, 1),
        ({"num_processes": 1}, 2),
        ({"found": data(rows=2_000)}, 1),
        ({"model": SMALL, "found": SHORT, "hardware": "4090"}, 3),
    ],
    "batch.eval": [({}, 1), ({"per_device_train_batch_size": 4}, 4)],
    "batch.loader": [({}, 0), ({"model": "ernie-4.5-0.3b-pt", "found": SHORT, "hardware": "P800 x8"}, 1)],
    "optimisation.epochs": [
        ({}, 7),
        ({"found": data(rows=40)}, 10),
        ({"found": SHORT, "model": SMALL, "hardware": A100}, 3),
        ({"found": MANY, "model": SMALL, "hardware": A100}, 1),
        ({"max_steps": 20}, 2),
        ({"minutes": 2}, 2),
    ],
    "optimisation.steps": [({}, 98), ({"num_train_epochs": 3}, 90)],
    "optimisation.learning_rate": [
        ({}, 2e-3),
        ({"model": MEDIUM, "found": SHORT, "hardware": A100}, 3e-4),
        ({"model": MEDIUM, "found": SHORT, "hardware": A100, "method": "full"}, 3e-5),
        ({"model": LARGE, "found": SHORT, "hardware": A100}, 1e-4),
    ],
    "optimisation.schedule": [({}, "cosine")],
    "optimisation.warmup": [({}, 10), ({"max_steps": 10}, 0), ({"max_steps": 5_000}, 100)],
    "optimisation.weight_decay": [({}, 0.0), ({"method": "full"}, 0.01)],
    "optimisation.clip": [({}, 1.0)],
    "checkpoints.logging": [({}, 1), ({"max_steps": 1_000}, 10)],
    "checkpoints.evaluation": [
        ({}, "steps"),
        ({"found": data(dev=0)}, "no"),
        ({"found": data(rows=2_000, dev=2_000), "minutes": 2}, "no"),
    ],
    "checkpoints.eval_steps": [({}, 14), ({"max_steps": 100}, 20), ({"max_steps": 97}, 20)],
    "checkpoints.save_steps": [
        ({}, 14),
        ({"found": data(dev=0)}, 14),
    ],
    "checkpoints.keep": [
        ({}, 3),
        ({"method": "full", "hardware": amd(disk_gib=9)}, 2),
        ({"method": "full", "hardware": amd(disk_gib=6)}, 1),
    ],
    "checkpoints.unified": [({}, True)],
}


def wished(scene: dict[str, Any]) -> Plan:
    """Return the plan of a scene: facts, wishes (goal, minutes, stage, target, context), and pins."""
    left = dict(scene)
    known = facts(**{name: left.pop(name) for name in ("model", "found", "hardware") if name in left})
    wishes = Wishes(
        goal=left.pop("goal", "balance"),
        stage=left.pop("stage", "sft"),
        target=left.pop("target", "huggingface"),
        time_limit_minutes=left.pop("minutes", None),
        context_length=left.pop("context", None),
        pins=left,
    )
    return make_plan(known, wishes, alternatives=False)


def check(rule: str, scene: dict[str, Any], value: Any) -> None:
    """Assert that `rule` decides its setting, as `value` and nothing else."""
    setting = next(entry.setting for entry in RULES if entry.id == rule)
    decision = wished(scene).decisions[setting]
    assert (decision.rule, decision.value) == (rule, value), decision.because
    assert type(decision.value) is type(value)


def test_every_rule_is_shown_somewhere() -> None:
    from tests.planner.test_rules_formers import CASES as FORMERS
    from tests.planner.test_rules_methods import CASES as METHODS
    from tests.planner.test_rules_sharing import CASES as SHARING

    assert {*CASES, *FORMERS, *METHODS, *SHARING} == {rule.id for rule in RULES}


def test_every_setting_has_exactly_one_rule() -> None:
    assert sorted(rule.setting for rule in RULES) == sorted(settings())


def test_every_rule_says_what_it_does_and_on_what_it_rests() -> None:
    for rule in RULES:
        assert len(rule.meaning.split()) >= 3, rule.id
        assert len(rule.source.split()) >= 1, rule.id


@pytest.mark.parametrize(
    ("rule", "scene", "value"),
    [(rule, scene, value) for rule, cases in CASES.items() for scene, value in cases],
    ids=lambda entry: entry if isinstance(entry, str) else None,
)
def test_rule_decides(rule: str, scene: dict[str, Any], value: Any) -> None:
    check(rule, scene, value)
