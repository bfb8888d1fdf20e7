"""The memory forecast: its algebra, term by term and over grids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.published import models
from planner import memory
from planner.facts import ModelFacts
from planner.setup import CORE_ATTENTION, FULL_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE, Setup
from tests.planner.scenes import facts

GIB = 1024**3


def model(name: str) -> ModelFacts:
    found = models.model(name)
    assert found is not None
    return found


LLAMA = model("Llama-2-7b")
MIXTRAL = model("Mixtral-8x7B")
DEEPSEEK = model("DeepSeek-V3")
BASE = Setup(
    method="full", precision="bf16", opt_level="O2", attention="flash", processes=8, sequence_length=2048
)


def part(name: str, model: ModelFacts = LLAMA, **changes: Any) -> float:
    return float(memory.terms(model, replace(BASE, **changes), "gpu")[name])


def whole(model: ModelFacts = LLAMA, **changes: Any) -> float:
    return float(memory.peak_bytes(model, replace(BASE, **changes), "gpu"))


def test_states_of_mixed_precision_adam_are_sixteen_bytes_a_weight() -> None:
    states = sum(part(name) for name in ("weights", "gradients", "master weights", "optimizer"))
    assert states == pytest.approx(16 * LLAMA.parameters, rel=0.001)


@pytest.mark.parametrize(
    ("name", "stage", "split"),
    [
        ("optimizer", 1, 8),
        ("master weights", 1, 8),
        ("gradients", 1, 1),
        ("gradients", 2, 8),
        ("optimizer", 3, 8),
        ("weights", 2, 1),
    ],
)
def test_each_stage_of_sharding_spreads_its_states(name: str, stage: int, split: int) -> None:
    # Recompute off and a long batch, so that gradients that come late hide behind activations.
    spread = part(name, sharding=stage, sharding_degree=8, micro_batch=4)
    assert spread == pytest.approx(part(name, micro_batch=4) / split, rel=0.001)


def test_no_share_of_whole_tensors_is_smaller_than_the_largest_one() -> None:
    assert part("optimizer", sharding=1, sharding_degree=1024) == 8 * LLAMA.vocab_size * LLAMA.hidden_size


@pytest.mark.parametrize(
    ("changes", "name", "smaller"),
    [
        ({"tensor": 2}, "weights", 0.5),
        ({"tensor": 2}, "optimizer", 0.5),
        ({"context": 2}, "activations", 0.5),
        ({"optimizer": "adamw_16bit_moment"}, "optimizer", 0.5),
        ({"offload": True}, "optimizer", 0.0),
        ({"offload": True}, "master weights", 0.0),
        ({"precision": "fp32"}, "master weights", 0.0),
        ({"precision": "fp32"}, "weights", 2.0),
        ({"master_grad": True}, "gradients", 2.0),
        ({"micro_batch": 2}, "activations", 2.0),
        ({"sequence_length": 4096}, "activations", 2.0),
        ({"stage": "reward"}, "logits", 0.0),
    ],
)
def test_each_term_follows_its_setting(changes: dict[str, Any], name: str, smaller: float) -> None:
    assert part(name, **changes) == pytest.approx(smaller * part(name), rel=0.001)


def test_more_recompute_keeps_less() -> None:
    dense: dict[str, Any] = {"attention": "dense", "micro_batch": 4}
    levels = (NO_RECOMPUTE, CORE_ATTENTION, FULL_ATTENTION, FULL_RECOMPUTE)
    needed = [whole(recompute=level, **dense) for level in levels]
    assert needed == sorted(needed, reverse=True)
    assert part("activations", recompute=FULL_RECOMPUTE) < part("activations") / 10


def test_stored_scores_grow_with_the_square_of_the_length() -> None:
    def scores(length: int) -> float:
        dense = part("activations", attention="dense", sequence_length=length)
        return dense - part("activations", sequence_length=length)

    assert scores(4096) == pytest.approx(4 * scores(2048), rel=0.01)


def test_sequence_parallelism_saves_activations_inside_tensor_parallelism() -> None:
    assert part("activations", tensor=4, sequence_parallel=True) < part("activations", tensor=4)
    assert part("activations", sequence_parallel=True) == part("activations")


def test_scores_are_split_only_where_the_loss_takes_them_split() -> None:
    whole_scores = part("logits", tensor=4, micro_batch=8)
    assert part("logits", tensor=4, micro_batch=8, tensor_parallel_output=True) < whole_scores / 2


def test_fused_loss_never_holds_the_vocabulary() -> None:
    vast = model("Llama-3.1-8B")
    assert part("logits", vast, fused_loss=True) < part("logits", vast) / 10


def test_a_reference_model_costs_its_weights() -> None:
    assert part("reference model", reference_model=True) == part("weights")
    assert part("reference model") == 0
    sharded = part("reference model", reference_model=True, sharding=3, sharding_degree=8)
    assert sharded == part("weights"), "the engine does not shard it"


def test_quantised_weights_take_their_bits() -> None:
    qlora: dict[str, Any] = {"method": "qlora", "weight_format": "nf4"}
    half = 2 * LLAMA.vocab_size * LLAMA.hidden_size * 2
    linear = LLAMA.parameters - 2 * LLAMA.vocab_size * LLAMA.hidden_size
    assert part("weights", **qlora) == pytest.approx(linear * 4.5 / 8 + half, rel=0.001)
    assert part("weights", double_quant=True, **qlora) < part("weights", **qlora)
    assert part("weights", method="qlora", weight_format="weight_only_int8") > part("weights", **qlora)


def test_lora_keeps_states_of_adapters_alone() -> None:
    assert part("optimizer", method="lora") < part("optimizer") / 100
    assert part("adapter", method="lora") > 0


def test_the_first_stage_holds_as_many_micro_batches_as_there_are_stages() -> None:
    four = replace(BASE, pipeline=4, accumulation=16, micro_batch=2)
    first = memory.terms(LLAMA, four, "gpu", which="first")
    last = memory.terms(LLAMA, four, "gpu", which="last")
    assert float(first["activations"]) > 3.5 * float(last["activations"])
    assert float(last["logits"]) > 0 == float(first["logits"])
    assert float(memory.peak_bytes(LLAMA, four, "gpu")) == max(
        sum(map(float, first.values())), sum(map(float, last.values()))
    )


def test_virtual_stages_hold_more_in_flight() -> None:
    pipeline: dict[str, Any] = {"pipeline": 4, "accumulation": 16}
    assert part("activations", virtual=2, **pipeline) > part("activations", **pipeline)


def test_with_one_micro_batch_nothing_waits_in_the_pipeline() -> None:
    assert part("activations", pipeline=4, accumulation=2) < part("activations", pipeline=4, accumulation=8)


def test_expert_parallelism_spreads_experts_alone() -> None:
    spread = part("weights", MIXTRAL, expert=8)
    assert spread < part("weights", MIXTRAL) / 5
    assert part("weights", expert=8) == part("weights")


def test_expert_parallelism_does_not_spread_states_twice() -> None:
    alone = part("optimizer", MIXTRAL, sharding=1, sharding_degree=8)
    both = part("optimizer", MIXTRAL, sharding=1, sharding_degree=8, expert=8)
    assert both == pytest.approx(alone, rel=0.01)


def test_deepseek_v3_on_2048_devices_fits_where_it_was_trained() -> None:
    # arXiv:2412.19437, section 3.1: 2048 H800 with 80 GB, pipeline 16, expert parallel 64, ZeRO-1, no tensor
    # parallelism, 4096 tokens.
    way: dict[str, Any] = {
        "processes": 2048,
        "pipeline": 16,
        "expert": 64,
        "sharding": 1,
        "sharding_degree": 128,
        "sequence_length": 4096,
        "recompute": FULL_RECOMPUTE,
        "master_grad": True,
        "accumulation": 120,
    }
    assert 25 * GIB < whole(DEEPSEEK, **way) < 80 * GIB
    assert whole(DEEPSEEK, **(way | {"expert": 1})) > 200 * GIB


GRID = {
    "tensor": st.sampled_from([1, 2, 4, 8]),
    "pipeline": st.sampled_from([1, 2, 4]),
    "virtual": st.sampled_from([1, 2]),
    "sharding": st.sampled_from([0, 1, 2, 3]),
    "sharding_degree": st.sampled_from([1, 2, 8]),
    "context": st.sampled_from([1, 2]),
    "recompute": st.sampled_from([0, 1, 2, 3]),
    "micro_batch": st.integers(1, 8),
    "sequence_parallel": st.booleans(),
    "attention": st.sampled_from(["dense", "flash"]),
    "method": st.sampled_from(["full", "lora"]),
    "accumulation": st.sampled_from([1, 8]),
}


@given(
    way=st.fixed_dictionaries(GRID),
    more=st.sampled_from(["micro_batch", "sequence_length"]),
    name=st.sampled_from(["Llama-2-7b", "Mixtral-8x7B", "DeepSeek-V3"]),
    device=st.sampled_from(["cpu", "gpu"]),
)
def test_more_tokens_never_need_less(way: dict[str, Any], more: str, name: str, device: str) -> None:
    setup = replace(BASE, **way)
    longer = replace(setup, **{more: 2 * getattr(setup, more)})
    needed = memory.peak_bytes(model(name), setup, device)
    assert memory.peak_bytes(model(name), longer, device) >= needed


@given(
    way=st.fixed_dictionaries(GRID),
    split=st.sampled_from(["tensor", "context", "sharding_degree", "expert"]),
    name=st.sampled_from(["Llama-2-7b", "Mixtral-8x7B"]),
)
def test_more_splits_never_need_more_tensors(way: dict[str, Any], split: str, name: str) -> None:
    def tensors(setup: Setup) -> float:
        found = memory.terms(model(name), setup, "gpu")
        states = ("weights", "gradients", "master weights", "optimizer", "activations", "logits")
        return sum(float(found[term]) for term in states)

    setup = replace(BASE, **{**way, "sequence_parallel": False})
    more = replace(setup, **{split: 2 * getattr(setup, split)})
    # Under tensor parallelism each column-parallel layer copies its input, which one process does not.
    start = replace(setup, tensor=2) if split == "tensor" and setup.tensor == 1 else setup
    more = replace(more, tensor=4) if start is not setup else more
    assert tensors(more) <= tensors(start) * 1.0001


def test_a_grid_gives_what_its_ways_give_one_by_one() -> None:
    generator = np.random.default_rng(0)
    size = 200
    grid = replace(
        BASE,
        processes=1024,
        tensor=2 ** generator.integers(0, 4, size),
        pipeline=2 ** generator.integers(0, 4, size),
        virtual=generator.integers(1, 3, size),
        sharding=generator.integers(0, 4, size),
        sharding_degree=2 ** generator.integers(0, 6, size),
        recompute=generator.integers(0, 4, size),
        micro_batch=generator.integers(1, 9, size),
        sequence_parallel=generator.integers(0, 2, size).astype(bool),
        offload=generator.integers(0, 2, size).astype(bool),
    )
    together = memory.peak_bytes(LLAMA, grid, "gpu")
    alone = [float(memory.peak_bytes(LLAMA, grid.one(index), "gpu")) for index in range(size)]
    assert np.allclose(together, alone, rtol=1e-9)


def test_parts_say_how_they_were_computed_and_add_up() -> None:
    for device in ("cpu", "gpu"):
        ways: tuple[dict[str, Any], ...] = (
            {},
            {"method": "lora"},
            {"offload": True, "pipeline": 2, "reference_model": True},
        )
        for changes in ways:
            setup = replace(BASE, **changes)
            parts = memory.peak(LLAMA, setup, device)
            assert all(entry.because for entry in parts.values())
            assert memory.total(parts) == pytest.approx(
                float(memory.peak_bytes(LLAMA, setup, device)), rel=1e-6
            )


def test_the_demo_needs_what_was_measured() -> None:
    # Measured: 2.13 GB resident per training process of the demo (SmolLM2-135M, LoRA, two processes, CPU).
    setup = Setup(method="lora", processes=2, sequence_length=256)
    assert float(memory.peak_bytes(facts().model, setup, "cpu")) == pytest.approx(2.13e9, rel=0.05)


def test_host_memory_grows_with_processes_and_offload() -> None:
    base = float(memory.host_bytes(LLAMA, BASE, 1))
    assert float(memory.host_bytes(LLAMA, BASE, 8)) == 8 * base
    assert float(memory.host_bytes(LLAMA, replace(BASE, offload=True), 1)) > 12 * LLAMA.parameters


def test_evaluation_of_larger_batches_adds_more_and_generation_keeps_a_cache() -> None:
    assert memory.evaluation_bytes(LLAMA, BASE, 16) == 16 * memory.evaluation_bytes(LLAMA, BASE, 1)
    assert memory.cache_bytes(LLAMA, BASE, 4, 1024) == 4 * 1024 * 32 * 2 * 4096 * 2
    assert memory.generation_bytes(LLAMA, BASE, 4, 1024) > 2 * LLAMA.parameters


def test_reasons_name_what_differs_from_an_even_share() -> None:
    many = replace(BASE, sharding=2, sharding_degree=1024)
    parts = memory.peak(LLAMA, many, "gpu")
    assert "whole tensors" in parts["optimizer"].because
    assert "when the backward pass ends" in parts["gradients"].because
    few = memory.peak(LLAMA, replace(BASE, sharding=1, sharding_degree=8), "gpu")
    assert few["optimizer"].because == "6.7B trained weights x 8 B / 8 processes"
