"""Counts of weights: against what engines and hubs report, and their algebra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.published import models
from planner import weights
from planner.facts import ModelFacts
from planner.setup import Setup
from tests.planner.scenes import facts


def model(name: str) -> ModelFacts:
    found = models.model(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("Llama-2-7b", 6_738_415_616),
        ("Llama-3.1-8B", 8_030_261_248),
        ("Mistral-7B-v0.1", 7_241_732_096),
        ("Mixtral-8x7B", 46_702_792_704),
        ("Qwen2.5-7B", 7_615_616_512),
        ("Qwen3-30B-A3B", 30_532_122_624),
        ("DeepSeek-V3", 671_026_419_200),
    ],
)
def test_shapes_add_up_to_the_weights_that_the_hub_states(name: str, published: int) -> None:
    assert models.parameters(model(name)) == pytest.approx(published, rel=0.001)


def test_adapter_weights_are_those_of_the_engine() -> None:
    # Counted in the engine: LoRA rank 8 on all linear layers of SmolLM2-135M trains 2,442,240 weights.
    assert weights.adapter_parameters(facts().model, Setup(lora_rank=8)) == 2_442_240


def test_layers_that_the_engine_keeps_as_one_share_an_adapter() -> None:
    """ERNIE-4.5-0.3B in PaddleFormers: four adapters in each of 18 blocks, with A [in, 8] and B [8, out]."""
    ernie = facts("ernie-4.5-0.3b-base").model
    fused, apart = Setup(engine="paddleformers", lora_rank=8), Setup(lora_rank=8)
    attention, mlp = (1024 + 2048 + 512) + (2048 + 1024), (1024 + 2 * 3072) + (3072 + 1024)
    assert weights.adapter_parameters(ernie, fused) == 18 * 8 * (attention + mlp)
    assert weights.adapter_parameters(ernie, apart) == 18 * 8 * (attention + mlp + 3 * 1024)
    narrow = replace(fused, lora_target_modules="attention")
    assert weights.adapter_parameters(ernie, narrow) == 18 * 8 * attention


def test_lora_on_attention_is_what_torch_trains() -> None:
    # peft, rank 8 on query, key, value and output of Llama-2-7B: 4 x 8 x (4096 + 4096) x 32.
    setup = Setup(lora_rank=8, lora_target_modules="attention")
    assert weights.adapter_parameters(model("Llama-2-7b"), setup) == 8_388_608


@pytest.mark.parametrize("method", ["vera", "lokr", "reft"])
def test_leaner_methods_train_fewer_weights_than_lora(method: str) -> None:
    llama = model("Llama-2-7b")
    lora = weights.adapter_parameters(llama, Setup(method="lora"))
    assert 0 < weights.adapter_parameters(llama, Setup(method=method)) < lora


def test_full_training_moves_every_weight_and_has_no_adapter() -> None:
    llama, full = model("Llama-2-7b"), Setup(method="full")
    assert weights.trainable(llama, full) == llama.parameters
    assert weights.adapter_parameters(llama, full) == 0


def test_prefix_tuning_counts_a_key_and_a_value_per_token_and_block() -> None:
    setup = Setup(method="prefix_tuning", num_prefix_tokens=128)
    assert weights.adapter_parameters(model("Llama-2-7b"), setup) == 128 * 32 * 2 * 4096


def test_vera_also_holds_projections_that_never_move() -> None:
    setup = Setup(method="vera", lora_rank=8)
    lora = weights.adapter_parameters(model("Llama-2-7b"), replace(setup, method="lora"))
    assert weights.frozen_adapter_parameters(model("Llama-2-7b"), setup) == lora


def test_experts_are_most_of_a_mixture() -> None:
    mixtral = model("Mixtral-8x7B")
    assert weights.experts(mixtral) == 32 * 8 * 3 * 4096 * 14336
    assert weights.experts(model("Llama-2-7b")) == 0


def test_stages_hold_whole_blocks() -> None:
    llama = model("Llama-2-7b")
    share = weights.largest_stage_share(llama, np.array([1, 3, 4, 32]))
    assert np.asarray(share * 32).tolist() == [32, 11, 8, 1]
