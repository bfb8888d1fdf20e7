"""Pins that the engine would refuse: each is refused by the planner first, in one sentence with the smallest
fix."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import NothingFeasible
from planner.rules.constraints import CONSTRAINTS
from tests.planner.scenes import DEMO, SHORT, amd, data, plan

A100 = {"model": "qwen2.5-0.5b-instruct", "found": SHORT, "hardware": "8x A100-80G"}
V100 = {"model": "qwen2.5-0.5b-instruct", "found": SHORT, "hardware": "V100 32g"}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "o2-needs-16-bit": (
        {"fp16_opt_level": "O2"},
        "fp16_opt_level O2 needs precision bf16 or fp16, and precision is fp32.",
    ),
    "cpu-fp32-only": (
        {"precision": "bf16"},
        "precision bf16 has no kernels on a CPU, or silently computes in float32.",
    ),
    "bf16-needs-ampere": (
        {**V100, "precision": "bf16"},
        "precision bf16 needs compute capability 8.0, and this is V100 (compute capability 7.0).",
    ),
    "master-grad-needs-16-bit": (
        {"amp_master_grad": True},
        "amp_master_grad has no effect with precision fp32: the engine switches it off without a word.",
    ),
    "flash-needs-gpu": ({"use_flash_attention": True}, "use_flash_attention needs a GPU."),
    "flash-needs-ampere": (
        {**V100, "use_flash_attention": True},
        "use_flash_attention needs compute capability 8.0 and 16 bits; this is V100 (compute capability 7.0) "
        "in fp16.",
    ),
    "flash-mask-needs-flash": (
        {**V100, "flash_mask": True},
        "flash_mask needs use_flash_attention, which is off.",
    ),
    "flash-mask-needs-packing": (
        {**A100, "flash_mask": True, "zero_padding": False},
        "flash_mask would switch zero_padding on, and it is off.",
    ),
    "flash-mask-family": (
        {**A100, "model": "mistral-7b-instruct-v0.3", "flash_mask": True},
        "flash_mask is not implemented for mistral models.",
    ),
    "greedy-needs-packing": (
        {"greedy_zero_padding": True, "zero_padding": False},
        "greedy_zero_padding packs rows, and zero_padding is off.",
    ),
    "sharding-needs-degree": (
        {**A100, "sharding": "none", "sharding_parallel_degree": 1, "data_parallel_degree": 4},
        "The parallel degrees multiply to 4, and there are 8 processes.",
    ),
    "degrees-are-world": (
        {**A100, "data_parallel_degree": 3},
        "The parallel degrees multiply to 3, and there are 8 processes.",
    ),
    "not-more-than-devices": (
        {**A100, "num_processes": 16},
        "num_processes is 16, and there are 8 devices.",
    ),
    "whole-nodes": (
        {**A100, "hardware": "3 nodes x 1 A100", "num_processes": 2},
        "2 processes cannot be spread evenly over 3 machines.",
    ),
    "stage2-master-grad": (
        {**A100, "method": "full", "sharding": "stage2", "sharding_parallel_degree": 4},
        "sharding stage2 with amp_master_grad needs every replica in the sharding group, and "
        "data_parallel_degree is 2.",
    ),
    "unified-not-stage3": (
        {**A100, "method": "full", "sharding": "stage3", "unified_checkpoint": True},
        "unified_checkpoint is silently switched off under sharding stage3.",
    ),
    "length-within-context": (
        {"max_length": 9_000},
        "max_length 9,000 is beyond the 8,192 tokens that the model can read.",
    ),
    "prompt-leaves-answer": (
        {"src_length": 512},
        "src_length 512 leaves no room for an answer within max_length 256.",
    ),
    "eval-needs-dev": (
        {"found": data(dev=0), "evaluation_strategy": "steps"},
        "evaluation_strategy is steps, and there are no dev rows.",
    ),
    "warmup-within-steps": (
        {"warmup_steps": 500},
        "warmup_steps 500 never ends within max_steps 98.",
    ),
    "cpu-build-on-cpu": (
        {"engine_build": "cu126"},
        "engine_build cu126 needs an NVIDIA GPU, and there is none.",
    ),
    "adapter-without-lora": (
        {"method": "full", "lora_rank": 8},
        "An adapter setting is fixed, and method full trains no adapters.",
    ),
    "crowded-cores": (
        {"num_processes": 4, "omp_num_threads": 8},
        "4 processes with 8 threads would crowd 2 cores.",
    ),
    "cpu-parallel": (
        {"tensor_parallel_degree": 2},
        "Tensor and pipeline parallelism need GPUs: Paddle refuses them on a CPU.",
    ),
    "cpu-sharding": (
        {"sharding": "stage2"},
        "sharding stage2 needs GPUs; on a CPU Paddle offers stage1.",
    ),
    "tensor-in-node": (
        {**A100, "hardware": "2 nodes x 1 A100", "tensor_parallel_degree": 2},
        "tensor_parallel_degree 2 reaches beyond one machine.",
    ),
    "tensor-divides-heads": (
        {**A100, "tensor_parallel_degree": 4},
        "tensor_parallel_degree 4 does not divide the model's 14 attention heads.",
    ),
    "tensor-divides-kv-heads": (
        {**A100, "model": "qwen2.5-1.5b-instruct", "tensor_parallel_degree": 4},
        "tensor_parallel_degree 4 does not divide the model's 2 key/value heads.",
    ),
    "stage2-no-pipeline": (
        {**A100, "sharding": "stage2", "pipeline_parallel_degree": 2},
        "sharding stage2 does not work with pipeline_parallel_degree 2.",
    ),
    "stage3-no-tensor": (
        {**A100, "method": "full", "sharding": "stage3", "tensor_parallel_degree": 2},
        "sharding stage3 does not work with tensor parallelism.",
    ),
}


def test_every_constraint_is_shown_here() -> None:
    assert set(CASES) == {constraint.id for constraint in CONSTRAINTS}


@pytest.mark.parametrize("name", CASES)
def test_refused_with_the_reason(name: str) -> None:
    scene, sentence = CASES[name]
    with pytest.raises(NothingFeasible) as caught:
        plan(**scene)
    assert sentence in caught.value.what
    assert caught.value.remedy


def test_the_refusal_names_the_pins_and_the_fix() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(precision="bf16")
    assert caught.value.sentence() == (
        "precision bf16 has no kernels on a CPU, or silently computes in float32. Fixed by you: "
        "precision=bf16. "
        "Set precision=fp32."
    )


def test_a_model_that_fits_nowhere_says_how_much_is_needed() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(model="qwen2.5-72b-instruct", found=SHORT, hardware="4090")
    sentence = caught.value.sentence()
    assert "qwen2.5-72b-instruct (72.7B) does not fit with method lora" in sentence
    assert "21.6 GiB may be used" in sentence
    assert "use a device with at least" in sentence


def test_a_pinned_full_method_that_does_not_fit_names_the_pin_and_lora_as_the_fix() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(model="qwen2.5-7b-instruct", found=SHORT, hardware="4090", method="full")
    assert "Fixed by you: method=full." in caught.value.why
    assert caught.value.remedy.startswith("To fix it, use method lora")


def test_an_unknown_architecture_is_refused_with_what_is_known() -> None:
    from planner.solve import make_plan
    from planner.wishes import Wishes
    from tests.planner.scenes import facts

    known = facts()
    alien = known.model_copy(update={"model": known.model.model_copy(update={"model_type": "qwen3"})})
    with pytest.raises(
        NothingFeasible, match="architecture `qwen3`, which the paddlenlp engine does not train"
    ):
        make_plan(alien, Wishes())


def test_a_full_disk_is_seen_before_the_run() -> None:
    with pytest.raises(NothingFeasible, match=r"needs about .* of disk, and 1.0 GiB are free"):
        plan(found=DEMO, hardware=amd(disk_gib=1))


def test_a_limit_too_short_to_start_in_is_refused() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(minutes=0.1)
    assert caught.value.sentence() == (
        "Starting processes and loading smollm2-135m-instruct takes about 20 s, and your limit for training "
        "is 0.1 min. Allow at least 2 min."
    )
