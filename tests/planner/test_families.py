"""The support matrix: what is offered where, and that the table names only what exists."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from planner.catalogue import read
from planner.families import ENGINES, Family, engines_for, families, family
from planner.wishes import Stage

MATRIX = Path(__file__).parents[2].parent / "shared" / "facts" / "support_matrix.md"

COLUMNS = ("sft", "lora", "lora_pipeline", "prefix_tuning", "preference", "preference_pipeline", "pipeline",
           "tensor_parallel", "sequence_parallel", "context_parallel", "sep_parallel")  # fmt: skip
"""Columns of the first table of the matrix, as fields."""


@pytest.mark.parametrize(
    ("model_type", "stage", "engines"),
    [
        ("llama", "sft", ("paddlenlp", "paddleformers")),
        ("llama", "kto", ("paddlenlp",)),
        ("llama", "reward", ("paddlenlp",)),
        ("qwen2", "embedding", ("paddlenlp",)),
        ("llama", "embedding", ("paddlenlp",)),  # by our own worker
        ("gpt2", "embedding", ()),
        ("qwen3", "sft", ("paddleformers",)),
        ("qwen3", "kto", ()),
        ("qwen3_moe", "dpo", ("paddleformers",)),
        ("ernie4_5_moe", "pretrain", ("paddleformers",)),
        ("glm4_moe", "simpo", ("paddleformers",)),
        ("gpt_oss", "dpo", ()),
        ("deepseek_v2", "orpo", ("paddlenlp",)),
        ("chatglm_v2", "quantise", ("paddlenlp",)),
        ("opt", "dpo", ()),
        ("baichuan", "sft", ("paddlenlp",)),
        ("gpt2", "sft", ("paddlenlp",)),
        ("chatglm_stretched", "sft", ()),
        ("falcon", "sft", ()),
        ("octopus", "sft", ()),
    ],
)
def test_who_runs_what(model_type: str, stage: str, engines: tuple[str, ...]) -> None:
    assert engines_for(model_type, stage) == engines


def test_every_stage_is_answered_for_every_family() -> None:
    for engine in ENGINES:
        for row in families(engine).values():
            for stage in get_args(Stage):
                assert row.trains(stage) in (True, False)


def test_only_what_our_runtime_converts_is_proven() -> None:
    proven = {
        (engine, name)
        for engine in ENGINES
        for name, row in families(engine).items()
        if row.conversion_proven
    }
    ours = {("paddlenlp", name) for name in ("llama", "qwen2", "mistral")}
    assert proven == {*ours, ("paddleformers", "llama"), ("paddleformers", "ernie4_5")}
    loaded = family("paddlenlp", "baichuan")
    assert loaded is not None and not loaded.conversion_proven


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_agree_with_themselves(engine: str) -> None:
    for name, row in families(engine).items():
        written = read(f"engines/{engine}/families")[name]
        assert len(set(written["supports"])) == len(written["supports"])
        assert row.source, name
        assert not row.lora_pipeline or (row.lora and row.pipeline), name
        assert not row.preference_pipeline or (row.preference and row.pipeline), name
        assert not row.virtual_pipeline or row.pipeline, name
        assert not row.sequence_parallel or row.tensor_parallel, name
        assert set(row.flash_mask) <= {"sft", "sft_pipeline", "dpo", "dpo_pipeline", "kto"}, name
        assert set(row.recompute) <= {"core_attn", "full", "full_attn", "selective"}, name
        assert not any(kind.endswith("_pipeline") for kind in row.flash_mask) or row.pipeline, name


def test_paddleformers_has_none_of_what_it_lacks() -> None:
    for row in families("paddleformers").values():
        assert not (
            row.prefix_tuning or row.vera or row.lokr or row.reft or row.kto or row.reward or row.embedding
        )
    needing = {name for name, row in families("paddleformers").items() if row.needs_paddlefleet}
    assert {"qwen2", "qwen3", "qwen3_moe", "glm4_moe", "deepseek_v3"} <= needing
    assert needing.isdisjoint({"ernie4_5", "ernie4_5_moe", "gemma3_text", "gpt_oss", "llama", "phi3"})


@pytest.mark.skipif(not MATRIX.is_file(), reason="the measured matrix is not here")
def test_paddlenlp_is_as_the_measured_matrix_says() -> None:
    seen = set()
    for line in MATRIX.read_text(encoding="utf-8").split("## 2.")[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        row = families("paddlenlp").get(cells[0])
        if row is None or len(cells) != len(COLUMNS) + 1:
            continue
        seen.add(cells[0])
        for column, cell in zip(COLUMNS, cells[1:], strict=True):
            if not (cells[0] == "opt" and column == "preference"):  # "unclear" there
                assert getattr(row, column) == cell.startswith("yes"), f"{cells[0]} {column}: {cell}"
    assert seen == set(families("paddlenlp"))


def test_a_family_starts_with_nothing() -> None:
    bare = Family(source="nowhere")
    assert not any(bare.trains(stage) for stage in get_args(Stage))
