"""The forecast against published measurements, and how loosely written rows are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import planner_memory
from bench.published import cases, models, reading
from planner.setup import CORE_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE

FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "memory_cases.json"
measured = pytest.mark.skipif(not FACTS.exists(), reason="the measurements are not here")

ROW: dict[str, Any] = {
    "source": "test",
    "framework": "HF transformers",
    "model": "meta-llama/Llama-2-7b-hf",
    "method": "lora",
    "gpus": 1,
    "precision": "bf16",
    "seq_len": 1024,
    "micro_batch": 2,
    "recompute_mode": "full",
    "peak_mem_gb": 20.0,
    "unit": "GiB",
    "extra": {},
}


@measured
def test_the_forecast_is_near_published_measurements() -> None:
    found, _ = cases.load(FACTS)
    errors = planner_memory.errors(found)
    assert np.median(np.abs(errors)) <= 0.08
    assert np.percentile(np.abs(errors), 90) <= 0.20
    assert np.mean(errors < -0.05) <= 0.08


@measured
def test_every_row_that_ran_out_of_memory_is_foreseen() -> None:
    found, _ = cases.load(FACTS, core_only=False)
    lines = planner_memory.out_of_memory(found)
    assert len(lines) > 20
    assert not [line for line in lines if line.startswith("WRONG")]


@measured
def test_no_row_is_dropped_silently() -> None:
    found, unmapped = cases.load(FACTS, core_only=False)
    import json

    assert len(found) + len(unmapped) == len(json.loads(FACTS.read_text(encoding="utf-8")))
    assert all(entry.reason for entry in unmapped)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("meta-llama/Llama-2-7b-hf", 32),
        ("Llama-2-13b shape cut to 12 layers", 12),
        ("GPT-345M (24 layers, h 1024, 16 heads, ffn 4096, vocab 50304)", 24),
        ("TheBloke/Mistral-7B-v0.1-GPTQ", 32),
        ("qwen-1_8b-chat", 24),
        ("Llama 3.1 70B", 80),
        ("tiiuae/falcon-7b", 32),
        ("EleutherAI/pythia-6.9b", 32),
        ("stabilityai/stablelm-base-alpha-3b", 16),
        ("nobody/unheard-of", None),
    ],
)
def test_loosely_written_names_find_their_shape(name: str, layers: int | None) -> None:
    found = models.model(name)
    assert (found.num_hidden_layers if found else None) == layers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stage2 degree 4", (2, 4)),
        ("ZeRO-3", (3, 8)),
        ("FSDP FULL_SHARD", (3, 8)),
        ("distributed optimizer (ZeRO-1)", (1, 8)),
        ("sharding 2", (2, 8)),
        ("none", (0, 8)),
        (None, (0, 8)),
    ],
)
def test_sharding_is_read_from_words(text: str | None, expected: tuple[int, int]) -> None:
    assert reading.read_sharding({"sharding": text}, 8) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bf16 O2", ("bf16", "O2")),
        ("float16 amp fp16", ("fp16", "O2")),
        ("bfloat16", ("bf16", "O2")),
        ("fp32", ("fp32", "O1")),
        ("bf16-true", ("bf16", "O2")),
        ("fp16 O1", ("fp16", "O1")),
    ],
)
def test_precision_is_read_from_words(text: str, expected: tuple[str, str]) -> None:
    assert reading.read_precision({"precision": text}) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"recompute_mode": "selective"}, CORE_ATTENTION),
        ({"recompute_mode": None, "recompute": True}, FULL_RECOMPUTE),
        ({"recompute_mode": None, "recompute": None}, NO_RECOMPUTE),
    ],
)
def test_recompute_is_read_from_words(row: dict[str, Any], expected: int) -> None:
    assert reading.read_recompute(row) == expected


def test_quantisation_is_read_from_words() -> None:
    assert reading.read_quantisation({**ROW, "precision": "bnb.nf4-dq"}, "qlora") == ("nf4", True)
    assert reading.read_quantisation({**ROW, "model": "x-GPTQ"}, "qlora") == ("gptq", False)
    assert reading.read_quantisation(ROW, "lora") == ("none", False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "nobody/unheard-of"}, "unknown model"),
        ({"seq_len": None}, "sequence length"),
        ({"method": "gkd-full"}, "second model"),
        ({"method": "galore"}, "unknown method"),
        ({"mem_metric": "activation peak of rank 0"}, "no peak"),
    ],
)
def test_a_row_that_cannot_be_mapped_says_why(change: dict[str, Any], reason: str) -> None:
    with pytest.raises((cases.Unmappable, ValueError), match=reason):
        cases.case({**ROW, **change})


def test_like_is_compared_with_like() -> None:
    def forecast(metric: str) -> float:
        return cases.case({**ROW, "mem_metric": metric}).forecast()

    allocated, reserved = forecast("max_memory_allocated"), forecast("max_memory_reserved")
    assert allocated < reserved < forecast("nvidia-smi")
    assert cases.case({**ROW, "framework": "litgpt", "unit": "GB"}).peak == 20e9
    assert cases.case({**ROW, "framework": "litgpt"}).metric == "allocated"
    assert cases.case(ROW).peak == 20 * 2**30


def test_toolkits_are_told_apart_by_what_their_code_does() -> None:
    def profile(**changes: Any) -> str:
        return cases.case({**ROW, **changes}).profile.name

    assert profile() == "PyTorch"
    assert profile(sharding="FSDP FULL_SHARD", gpus=2) == "PyTorch FSDP"
    assert profile(sharding="zero3", gpus=4) == "DeepSpeed"
    assert profile(framework="Megatron-LM") == "Megatron"
    assert profile(framework="PaddleNLP (paddle-2.5.1)") == "PaddleNLP"
    assert profile(framework="torchtune") == "torchtune"
    qwen = {"source": "QwenLM/Qwen README.md", "model": "Qwen-7B-Chat"}
    assert profile(**qwen) == "PyTorch, adapters in 16 bits"
    assert profile(**qwen, method="qlora") == "DeepSpeed"


def test_scores_cost_more_where_autocast_casts_them_twice() -> None:
    # Qwen's model code leaves scores in 16 bits; autocast casts them for the loss (modeling_qwen.py).
    def logits(**changes: Any) -> float:
        case = cases.case({**ROW, "model": "Qwen-7B-Chat", "seq_len": 8192, **changes})
        return case.profile.logit_copies * 2 + case.profile.loss_copies * 4

    assert logits() == 18
    assert logits(framework="fms-hf-tuning", precision="bfloat16") == 8


def test_embeddings_trained_beside_adapters_count() -> None:
    plain = cases.case(ROW).forecast()
    beside = cases.case({**ROW, "extra": {"modules_to_save": "wte lm_head"}}).forecast()
    assert beside > plain + 2 * 32000 * 4096 * 4
