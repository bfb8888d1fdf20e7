"""Forecasts: their algebra, and how far they are from what was measured or published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner import memory, speed
from planner.facts import CpuFacts, ModelFacts, ModelSource
from planner.model_catalogue import find_model
from planner.setup import Setup, adapter_parameters
from tests.planner.scenes import data, facts, plan

GIB = 1024**3

LLAMA_7B = ModelFacts(
    name="llama-7b",
    source=ModelSource(kind="local", id="-"),
    model_type="llama",
    parameters=6_738_415_616,
    num_hidden_layers=32,
    hidden_size=4096,
    intermediate_size=11008,
    num_attention_heads=32,
    num_key_value_heads=32,
    head_dim=128,
    vocab_size=32000,
    max_position_embeddings=2048,
    tie_word_embeddings=False,
)
FP16 = Setup(method="full", precision="fp16", opt_level="O2", flash=True, processes=8, sequence_length=2048)


def smollm() -> ModelFacts:
    return facts().model


def test_adapter_weights_are_those_of_the_engine() -> None:
    # Counted in the engine: LoRA rank 8 on all linear layers of SmolLM2-135M trains 2,442,240 weights.
    assert adapter_parameters(smollm(), 8, "all-linear") == 2_442_240


@pytest.mark.parametrize(
    ("changes", "published_gib"),
    [
        ({"micro_batch": 4, "sharding": "stage2", "sharding_degree": 8}, 70.09),
        ({"micro_batch": 4, "tensor": 2, "sharding": "stage1", "sharding_degree": 4}, 58.73),
        ({"micro_batch": 4, "tensor": 2, "sharding": "stage2", "sharding_degree": 4}, 54.01),
        (
            {"micro_batch": 2, "tensor": 2, "sharding": "stage2", "sharding_degree": 4, "recompute": True},
            25.80,
        ),
    ],
)
def test_memory_of_llama_7b_on_a100_is_within_a_fifth_of_what_flagperf_published(
    changes: dict[str, object], published_gib: float
) -> None:
    setup = replace(FP16, **changes)  # type: ignore[arg-type]
    forecast = memory.total(memory.peak(LLAMA_7B, setup, "gpu")) / GIB
    assert forecast == pytest.approx(published_gib, rel=0.2)


def test_speed_of_llama_7b_on_a100_is_within_a_fifth_of_what_flagperf_published() -> None:
    setup = replace(FP16, micro_batch=4, sharding="stage2", sharding_degree=8)
    per_gpu = speed.gpu_tokens_per_second(LLAMA_7B, setup, 312e12) / 8
    assert per_gpu == pytest.approx(4267, rel=0.2)


def test_demo_memory_is_within_a_tenth_of_what_was_measured() -> None:
    # Measured: 2.13 GB resident per training process of the demo.
    assert plan().forecast.peak_memory_bytes == pytest.approx(2.13e9, rel=0.1)


def test_demo_step_is_within_a_quarter_of_what_was_measured() -> None:
    # Measured: 2.1 s per step of two packs of 256 tokens on two AMD EPYC cores.
    assert plan().forecast.step_seconds == pytest.approx(2.1, rel=0.25)


def test_two_processes_beat_one_with_two_threads_and_the_mkl_switch_doubles() -> None:
    cpu = CpuFacts(name="AMD EPYC", cores=2, vendor="amd", flags=("avx2", "avx512f"))
    two, one = Setup(processes=2), Setup(threads=2)
    fast = speed.cpu_tokens_per_second(smollm(), two, cpu)
    assert fast / speed.cpu_tokens_per_second(smollm(), one, cpu) == pytest.approx(165 / 108, rel=0.1)
    slow = speed.cpu_tokens_per_second(smollm(), replace(two, fast_matmul=False), cpu)
    assert slow / fast == pytest.approx(89 / 165, rel=0.05)


def test_each_term_follows_its_setting() -> None:
    base = replace(FP16, micro_batch=1)

    def part(name: str, **changes: object) -> int:
        return memory.peak(LLAMA_7B, replace(base, **changes), "gpu")[name].bytes  # type: ignore[arg-type]

    assert part("weights") == LLAMA_7B.parameters * 2
    assert part("weights", tensor=2) == LLAMA_7B.parameters
    assert part("weights", opt_level="O1") == LLAMA_7B.parameters * 4
    assert part("optimizer", sharding="stage1", sharding_degree=8) == LLAMA_7B.parameters
    assert part("gradients", sharding="stage1", sharding_degree=8) == part("gradients")
    assert part("gradients", sharding="stage2", sharding_degree=8) * 8 == part("gradients")
    assert part("gradients", master_grad=True) == 2 * part("gradients")
    assert part("activations", micro_batch=2) == 2 * part("activations")
    assert part("activations", recompute=True) < part("activations") / 10
    assert part("activations", flash=False) > part("activations")
    assert part("optimizer", method="lora") < part("optimizer") / 100
    assert part("master weights", precision="fp32") == 0


def test_every_part_says_how_it_was_computed() -> None:
    for name, part in plan().forecast.memory_parts.items():
        assert part.because, name


def test_lengths_steps_and_sequences_of_the_demo() -> None:
    # Counted by the engine: 28 packs of 256 tokens, 14 steps per pass on two processes.
    from planner.workload import sequences

    assert sequences(data(), 256, packed=True) == 28
    assert plan().value("max_steps") == 7 * 14


def test_a_download_counts_only_when_there_is_one() -> None:
    hub = plan("qwen2.5-7b-instruct", hardware="8x A100-80G").forecast.stage_seconds["acquire"]
    assert hub > plan().forecast.stage_seconds["acquire"]
    assert find_model("qwen2.5-7b-instruct") is not None
