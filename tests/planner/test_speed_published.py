"""The speed forecast against published measurements, and which of them can be compared at all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bench.planner_speed import Prediction, predicted, predictions, spearman
from bench.published.cases import CASES, Unmappable

here = pytest.mark.skipif(not CASES.is_file(), reason="the published measurements are not here")

TORCHTUNE: dict[str, Any] = {
    "source": "pytorch/torchtune README.md",
    "framework": "torchtune",
    "model": "Llama 3.1 8B",
    "method": "lora",
    "gpus": 1,
    "gpu": "RTX 4090",
    "seq_len": 2048,
    "micro_batch": 2,
    "tokens_per_s": 3083,
    "tokens_per_s_scope": "1 GPU",
}


def found(words: str) -> list[Prediction]:
    rows = [row for row in json.loads(CASES.read_text("utf-8")) if words in row["source"]]
    return [entry for entry in predictions(rows) if isinstance(entry, Prediction)]


@here
@pytest.mark.parametrize(
    ("words", "rank"),
    [
        ("refs/a100_80gb.csv", 0.95),
        ("a100_80gb_granite.csv", 0.9),
        ("refs_orca", 0.9),
        ("torchtune README", 0.9),
        ("llama3_8B-megatron", 0.9),
        ("llama1_7B-paddle", 0.9),
        ("gpt3_6.7B-paddle", 0.9),
        ("ci_case_auto", 0.9),
        ("a100_80gb_moe.csv", 0.75),
    ],
)
def test_published_speeds_are_ranked(words: str, rank: float) -> None:
    entries = found(words)
    assert len(entries) >= 4
    assert spearman([entry.measured for entry in entries], [entry.predicted for entry in entries]) >= rank
    assert float(np.median([abs(entry.predicted / entry.measured - 1) for entry in entries])) <= 0.2


@here
def test_a_wide_residual_stream_and_stacked_experts_are_as_slow_as_measured() -> None:
    kept = {
        (entry.row["model"].split("/")[-1], entry.row["micro_batch"]): entry.predicted / entry.measured
        for words in ("refs/a100_80gb.csv", "a100_80gb_granite.csv", "a100_80gb_moe.csv")
        for entry in found(words)
        if entry.row["extra"]["framework_config"] in ("baseline-peft-bnb", "none")
        and (entry.row["gpus"] == 1 or "a800m" in entry.row["model"])
        and entry.row["method"] != "lora"
    }
    for name in (("PowerLM-3b", 8), ("Mistral-7B-v0.1", 4), ("granite-3.0-3b-a800m-instruct", 8)):
        assert kept[name] == pytest.approx(1.0, abs=0.15), name


def test_a_speed_that_its_card_cannot_reach_is_no_measure() -> None:
    assert predicted(TORCHTUNE) > 0
    with pytest.raises(Unmappable, match="TFLOP/s"):
        predicted(TORCHTUNE | {"gpu": "A6000", "tokens_per_s": 4699})


def test_a_speed_of_one_or_of_all_is_no_measure() -> None:
    unclear = {"gpus": 4, "tokens_per_s_scope": "not stated"}
    with pytest.raises(Unmappable, match="not stated"):
        predicted(TORCHTUNE | unclear)
    assert predicted(TORCHTUNE | {"tokens_per_s_scope": "not stated"}) > 0
