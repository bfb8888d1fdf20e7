"""The memory forecast against published measurements, and what separates toolkits and kinds of model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.planner_memory import errors
from bench.published import models, reading, toolkits
from bench.published.cases import CASES, Case, load
from planner.facts import ModelFacts
from planner.memory import PADDLENLP, Profile, activations, terms
from planner.phrases import MIB
from planner.setup import CORE_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE, Setup

here = pytest.mark.skipif(not CASES.is_file(), reason="the published measurements are not here")

BASE = Setup(method="full", precision="bf16", opt_level="O2", attention="flash", sequence_length=1024)


def known(name: str) -> ModelFacts:
    found = models.model(name)
    assert found is not None
    return found


def part(name: str, model: ModelFacts, profile: Profile = PADDLENLP, **changes: Any) -> float:
    return float(terms(model, replace(BASE, **changes), "gpu", profile)[name])


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load()[0]


@here
def test_published_peaks_are_met(cases: list[Case]) -> None:
    found = errors(cases)
    assert len(found) >= 100
    assert float(np.median(np.abs(found))) <= 0.08
    assert float(np.percentile(np.abs(found), 90)) <= 0.20
    assert float(np.mean(found < -0.05)) <= 0.05


@here
@pytest.mark.parametrize("words", ["a100_80gb_granite.csv", "Mixtral-8x7B", "santacoder", "Mistral-7B"])
def test_a_longer_batch_adds_what_was_measured(cases: list[Case], words: str) -> None:
    # Where only the micro-batch differs, states, context and reserve cancel: what is left are activations.
    like: dict[Any, dict[int, Case]] = {}
    for case in cases:
        if case.peak and words in f"{case.row['source']} {case.row['model']}":
            alone = replace(case.setup, micro_batch=1)
            name = (case.row["model"], (case.row.get("extra") or {}).get("framework_config"), alone)
            like.setdefault(name, {})[int(case.setup.micro_batch)] = case
    added = []
    for pair in like.values():
        small, large = pair[min(pair)], pair[max(pair)]
        grown = (large.peak or 0.0) - (small.peak or 0.0)
        if grown > 0:
            added.append((large.forecast() - small.forecast()) / grown)
    assert len(added) >= 2
    assert 0.93 < float(np.median(added)) < 1.07


@here
def test_what_ran_out_of_memory_is_foreseen(cases: list[Case]) -> None:
    failed = [case for case in cases if case.row.get("oom") and case.limit]
    assert failed
    assert all(case.device_forecast() > 0.95 * (case.limit or 0) for case in failed)


def test_a_softmax_that_masks_keeps_two_bytes_a_score() -> None:
    gpt = known("gpt3-1.3b").model_copy(update={"dropout": 0.0})
    plain = gpt.model_copy(update={"model_type": "another"})
    scores = gpt.num_attention_heads * BASE.sequence_length**2 * gpt.num_hidden_layers

    def stored(model: ModelFacts) -> float:
        dense = part("activations", model, attention="dense")
        return dense - part("activations", model, attention="dense", recompute=CORE_ATTENTION)

    saved = stored(plain) - stored(gpt)
    assert saved == pytest.approx(2 * scores, rel=0.1)


def test_experts_that_take_turns_share_the_memory_of_their_gradients() -> None:
    mixtral = known("Mixtral-8x7B")
    together = replace(PADDLENLP, experts_in_turn=False)
    less = part("activations", mixtral, together, recompute=FULL_RECOMPUTE) - part(
        "activations", mixtral, recompute=FULL_RECOMPUTE
    )
    # Two gradients of two visited experts for every token, against those of one expert for an eighth of both.
    width = 2 * 2 * 14336 * (1 - 1 / 8)
    assert less == pytest.approx(width * 2 * BASE.sequence_length, rel=0.01)


def test_frozen_experts_keep_no_input() -> None:
    mixtral = known("Mixtral-8x7B")
    lora: dict[str, Any] = {"method": "lora", "lora_target_modules": "attention", "recompute": FULL_RECOMPUTE}
    keeping = replace(toolkits.TORCH, keeps_frozen_inputs=True)
    assert part("activations", mixtral, toolkits.TORCH, **lora) < part(
        "activations", mixtral, keeping, **lora
    )


@pytest.mark.parametrize(("accumulation", "whole"), [(1, False), (4, True)])
def test_a_static_graph_accumulates_whole_gradients(accumulation: int, whole: bool) -> None:
    gpt = known("GPT-345M")
    ways = [
        replace(BASE, processes=8, sharding=stage, sharding_degree=4, accumulation=accumulation)
        for stage in (1, 2)
    ]
    first, second = (float(terms(gpt, way, "gpu", toolkits.PADDLE_STATIC)["gradients"]) for way in ways)
    assert (first == second) is whole
    assert second <= first


def test_a_wide_residual_stream_widens_recomputed_blocks() -> None:
    wide = toolkits.wide_residual(toolkits.TORCH)
    qlora: dict[str, Any] = {
        "method": "qlora",
        "weight_format": "nf4",
        "lora_target_modules": "attention",
        "recompute": FULL_RECOMPUTE,
    }
    mixtral = known("Mixtral-8x7B")
    more = part("activations", mixtral, wide, **qlora) - part("activations", mixtral, toolkits.TORCH, **qlora)
    checkpoints = 2 * BASE.sequence_length * mixtral.hidden_size * mixtral.num_hidden_layers
    assert more > 1.5 * checkpoints


@pytest.mark.parametrize(
    ("framework", "pipeline", "granularity", "level"),
    [
        ("PaddleNLP run_pretrain.py (dynamic graph)", 1, "full", NO_RECOMPUTE),
        ("PaddleNLP run_pretrain.py (dynamic graph)", 1, "full_attn", FULL_RECOMPUTE),
        ("PaddleNLP run_pretrain.py (dynamic graph)", 4, "full", FULL_RECOMPUTE),
        ("PaddleNLP (paddle-2.5.1)", 1, "full (config _base.py)", FULL_RECOMPUTE),
    ],
)
def test_gpt_without_pipeline_ignores_recompute_of_granularity_full(
    framework: str, pipeline: int, granularity: str, level: int
) -> None:
    row = {
        "framework": framework,
        "method": "full (pretraining)",
        "gpus": 8,
        "pp": pipeline,
        "precision": "fp16 O2",
        "seq_len": 1024,
        "micro_batch": 4,
        "recompute": True,
        "recompute_mode": "full",
        "extra": {"recompute_granularity": granularity},
    }
    assert reading.setup(row, known("GPT-345M")).recompute == level


def test_a_block_of_paddlenlp_keeps_what_its_profile_says() -> None:
    # PaddleNLP paddlenlp/experimental/galvatron/models/llama_hf/configs,
    # memory_profiling_bf16_qwen2.5-7b.json: one and two blocks on 4096 tokens, 2400.5 and 3444.97 MiB.
    qwen = known("Qwen2.5-7B")
    setup = replace(BASE, sequence_length=4096)
    block = activations.count(qwen, setup, PADDLENLP)
    kept = float(block.attention(setup) + block.mlp(setup)) * 4096 * 2 / MIB
    assert kept == pytest.approx(3444.97 - 2400.5, rel=0.05)
