"""Random facts and wishes: whatever a person may have and want, as hypothesis strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from planner.errors import NothingFeasible
from planner.facts import Facts
from planner.families import engines_for
from planner.hardware_text import parse
from planner.model_catalogue import ModelEntry, find_model
from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import amd, data

MODELS = (
    "smollm2-135m-instruct",
    "qwen2.5-0.5b-instruct",
    "qwen2.5-7b-instruct",
    "qwen2.5-72b-instruct",
    "llama-3.1-8b-instruct",
    "llama-3.1-70b-instruct",
    "mistral-7b-instruct-v0.3",
    "mixtral-8x7b-instruct-v0.1",
    "deepseek-v2-lite-chat",
    "deepseek-v3",
    "gemma-2b",
    "qwen3-8b",
    "qwen3-30b-a3b",
    "ernie-4.5-0.3b-pt",
)
MACHINES = (
    "cpu 2 cores 24g",
    "amd cpu 64 cores 512g",
    "4090",
    "2x 3090",
    "T4",
    "V100 32g x4",
    "8x A100-80G nvlink",
    "8x A100-40G",
    "2 nodes x 8 H800 ib 400",
    "16 nodes x 8 H100 ib 400",
    "8x H20",
    "P800 x8",
    "910b x8",
)
STAGES = ("sft", "dpo", "kto", "orpo", "simpo", "pretrain", "reward", "embedding", "quantise", "export")
PINS: dict[str, Any] = {
    "method": st.sampled_from(["full", "lora", "qlora", "prefix_tuning", "vera", "lokr"]),
    "lora_rank": st.sampled_from([4, 16, 64]),
    "max_length": st.sampled_from([512, 2048, 8192]),
    "recompute": st.booleans(),
    "tensor_parallel_degree": st.sampled_from([1, 2, 4]),
    "pipeline_parallel_degree": st.sampled_from([1, 2]),
    "sharding": st.sampled_from(["none", "stage1", "stage2"]),
    "per_device_train_batch_size": st.sampled_from([1, 2, 4]),
    "gradient_accumulation_steps": st.sampled_from([1, 8]),
    "learning_rate": st.sampled_from([1e-5, 2e-4]),
    "zero_padding": st.booleans(),
    "evaluation_strategy": st.sampled_from(["no", "steps"]),
    "num_train_epochs": st.sampled_from([1, 3]),
    "lora_variant": st.sampled_from(["plain", "rslora", "lora_plus", "pissa"]),
    "use_flash_attention": st.booleans(),
    "recompute_granularity": st.sampled_from(["full", "full_attn", "core_attn"]),
    "weight_quantize_algo": st.sampled_from(["none", "weight_only_int8", "nf4"]),
}


def entries() -> list[ModelEntry]:
    """Return the models of the catalogue that are tried."""
    found = [find_model(name) for name in MODELS]
    assert None not in found
    return [entry for entry in found if entry is not None]


def trained_by(entry: ModelEntry, engine: str) -> bool:
    """Return whether an engine fine-tunes a model."""
    return engine in engines_for(entry.model_type, "sft")


@st.composite
def requests(
    draw: st.DrawFn, *, most_pins: int = 3, stages: tuple[str, ...] = STAGES, engine: str = ""
) -> tuple[Facts, Wishes]:
    """Return facts and wishes of somebody; a few settings are pinned, not always wisely, and the engine where
    one is named."""
    entry = draw(st.sampled_from([entry for entry in entries() if not engine or trained_by(entry, engine)]))
    text = draw(st.sampled_from(MACHINES))
    mean = draw(st.sampled_from([40.0, 300.0, 1500.0]))
    found = data(
        rows=draw(st.sampled_from([60, 3_000, 90_000])),
        mean=mean,
        longest=int(mean * draw(st.sampled_from([2, 8]))),
        dev=draw(st.sampled_from([0, 50])),
    )
    names = draw(st.lists(st.sampled_from(sorted(PINS)), max_size=most_pins, unique=True))
    wishes = Wishes(
        stage=draw(st.sampled_from(stages)),
        goal=draw(st.sampled_from(["quality", "balance", "speed", "memory"])),
        time_limit_minutes=draw(st.sampled_from([None, None, 60.0, 2_000.0])),
        cost_per_device_hour=draw(st.sampled_from([None, 2.5])),
        target=draw(st.sampled_from(["huggingface", "paddle_static", "fastdeploy"])),
        pins={name: draw(PINS[name]) for name in names} | ({"engine": engine} if engine else {}),
    )
    machine = amd() if text == "cpu 2 cores 24g" else parse(text)
    return Facts(model=entry.facts(), data=found, hardware=machine), wishes


def planned(facts: Facts, wishes: Wishes, *, alternatives: bool = False) -> Plan | None:
    """Return the plan, or None where nothing is feasible."""
    try:
        return make_plan(facts, wishes, alternatives=alternatives)
    except NothingFeasible:
        return None


def with_memory(facts: Facts, factor: float) -> Facts:
    """Return the same facts with `factor` times the memory on every device."""
    devices = tuple(
        device.model_copy(update={"memory_bytes": int(device.memory_bytes * factor)})
        for device in facts.hardware.devices
    )
    return facts.model_copy(update={"hardware": facts.hardware.model_copy(update={"devices": devices})})
