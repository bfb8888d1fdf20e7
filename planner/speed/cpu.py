"""Training speed on the host processor, scaled from measurements.

A training token costs 4 operations per weight for LoRA (forward 2, backward through frozen weights 2) and 6
for full training (another 2 for the weights' own gradients), plus attention; recompute repeats the forward
pass.
"""

from __future__ import annotations

import numpy as np

from planner.facts import CpuFacts, ModelFacts
from planner.setup import Setup
from planner.speed.amounts import Amount

CPU_CORE_FLOPS = 66e9
"""Useful operations per second of one core: 2.2 s for a step of two packs of 256 tokens on two AMD EPYC cores
with AVX-512 (data parallel, MKL_DEBUG_CPU_TYPE=5), LoRA on SmolLM2-135M."""

SLOW_MATMUL = 0.54
"""The same without MKL_DEBUG_CPU_TYPE on AMD: 89 of 165 tokens/s."""

THREAD_SHARE = 0.35
"""What each thread beyond the first adds inside one process: 105-110 tokens/s with two threads against 77-82
with one."""

VECTOR_SHARE = {"avx512f": 1.0, "avx2": 0.6}
"""Width of the vector unit relative to AVX-512; the AVX2 figure is an estimate. Anything else counts as
0.3."""


def token_flops(model: ModelFacts, setup: Setup) -> Amount:
    """Return operations per training token."""
    factor: Amount = 6.0 if setup.trains_all else 4.0
    factor = factor + np.where(np.asarray(setup.recompute) > 0, 2.0, 0.0)
    attention = (
        4 * model.num_hidden_layers * model.num_attention_heads * model.head_dim * setup.sequence_length
    )
    return factor * (model.active_parameters + attention / 2)


def core_flops(cpu: CpuFacts, fast_matmul: bool) -> float:
    """Return useful operations per second of one core of this processor."""
    width = next((share for flag, share in VECTOR_SHARE.items() if flag in cpu.flags), 0.3)
    return CPU_CORE_FLOPS * width * (SLOW_MATMUL if cpu.vendor == "amd" and not fast_matmul else 1.0)


def process_flops(setup: Setup, cpu: CpuFacts) -> Amount:
    """Return useful operations per second of one training process, the other processes running beside it."""
    threads = setup.processes * setup.threads
    busy = np.minimum(threads, cpu.cores) / np.maximum(1, threads)
    return core_flops(cpu, setup.fast_matmul) * (1 + THREAD_SHARE * (setup.threads - 1)) * busy


def cpu_tokens_per_second(model: ModelFacts, setup: Setup, cpu: CpuFacts) -> Amount:
    """Return tokens per second over all processes of a CPU machine, padding included and without the fixed
    cost of a step."""
    return setup.processes * process_flops(setup, cpu) / token_flops(model, setup)


def cpu_terms(model: ModelFacts, setup: Setup, cpu: CpuFacts) -> dict[str, Amount]:
    """Return seconds of one optimizer step by part. `processes` are those of one machine."""
    tokens = setup.accumulation * setup.micro_batch_tokens
    computing = tokens * token_flops(model, setup) / process_flops(setup, cpu)
    return {"matrix products": computing, "launch": fixed_seconds(model, setup)}


def fixed_seconds(model: ModelFacts, setup: Setup) -> Amount:
    """Return seconds of a step that do not depend on its tokens."""
    return 0.0 * setup.accumulation
