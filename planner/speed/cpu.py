"""Training speed on the host processor, scaled from measurements.

A step's time is its operations at the rate of the matrix products, what attention scores and elementwise
operations cost besides, and a fixed part per block and step. The constants are a least-squares fit to 30
measured steps of real llamas in PaddleNLP 3.0.0b4 (2 to 30 blocks, hidden size 64 to 576, 32 to 1024 tokens,
LoRA of rank 8 and full, one thread, MKL_DEBUG_CPU_TYPE=5, paddlepaddle 3.3.1 on AMD EPYC with AVX-512), which
it meets within 12 %; all are then scaled by 0.886, so that the model gives the 2.2 s of the quiet machine for
a step of two packs of 256 tokens of LoRA on SmolLM2-135M with two processes.
"""

from __future__ import annotations

import numpy as np

from planner.facts import CpuFacts, ModelFacts
from planner.setup import Setup
from planner.speed.amounts import Amount

CPU_CORE_FLOPS = 154e9
"""Operations per second of one core in the matrix products alone. See the module's docstring."""

SCORE_SECONDS = 4.3e-9
"""Seconds per attention score (token x token x head x block), forward and backward."""

ELEMENT_SECONDS = 2.54e-7
"""Seconds of everything elementwise per token, block and unit of the hidden size, forward and backward:
norms, rotary embedding, activation, residuals, copies."""

UPDATE_SECONDS = 3.0e-9
"""Seconds per trained weight and step: AdamW and the clipping of gradients."""

BLOCK_SECONDS = 1.54e-3
"""Fixed seconds per block and micro-batch: starting its operations, whatever their size."""

STEP_SECONDS = 1.3e-3
"""Fixed seconds per step outside the blocks."""

SLOW_MATMUL = 0.54
"""Speed without MKL_DEBUG_CPU_TYPE on AMD: 89 of 165 tokens/s, LoRA on SmolLM2-135M."""

THREAD_SHARE = 0.35
"""What each thread beyond the first adds inside one process: 105-110 tokens/s with two threads against 77-82
with one."""

VECTOR_SHARE = {"avx512f": 1.0, "avx2": 0.6}
"""Width of the vector unit relative to AVX-512; the AVX2 figure is an estimate. Anything else counts as
0.3."""


def core_share(cpu: CpuFacts, fast_matmul: bool) -> float:
    """Return the speed of one core of this processor in units of the measured one."""
    width = next((share for flag, share in VECTOR_SHARE.items() if flag in cpu.flags), 0.3)
    return width * (SLOW_MATMUL if cpu.vendor == "amd" and not fast_matmul else 1.0)


def process_share(setup: Setup, cpu: CpuFacts) -> Amount:
    """Return the speed of one training process in units of one measured core, the others running beside
    it."""
    threads = setup.processes * setup.threads
    busy = np.minimum(threads, cpu.cores) / np.maximum(1, threads)
    return core_share(cpu, setup.fast_matmul) * (1 + THREAD_SHARE * (setup.threads - 1)) * busy


def token_flops(model: ModelFacts, setup: Setup) -> Amount:
    """Return operations per training token: 4 per weight for adapters (forward 2, backward through frozen
    weights 2), 6 for full training, 2 more with recompute; attention likewise."""
    factor = (6.0 if setup.trains_all else 4.0) + 2.0 * (np.asarray(setup.recompute) > 0)
    scores = 4 * model.num_hidden_layers * model.num_attention_heads * model.head_dim * setup.sequence_length
    return factor * (model.active_parameters + scores / 2)


def cpu_terms(model: ModelFacts, setup: Setup, cpu: CpuFacts) -> dict[str, Amount]:
    """Return seconds of one optimizer step by part; every process works through its own micro-batches."""
    tokens = setup.accumulation * setup.micro_batch_tokens
    share = process_share(setup, cpu)
    again = 1.0 + (np.asarray(setup.recompute) > 0) / 3.0
    blocks = model.num_hidden_layers
    scores = tokens * setup.sequence_length * model.num_attention_heads * blocks
    trained = model.parameters if setup.trains_all else 0
    return {
        "matrix products": tokens * token_flops(model, setup) / (CPU_CORE_FLOPS * share),
        "attention": scores * SCORE_SECONDS * again / share,
        "memory traffic": tokens * blocks * model.hidden_size * ELEMENT_SECONDS * again / share,
        "optimizer": trained * UPDATE_SECONDS / share,
        "launch": setup.accumulation * blocks * BLOCK_SECONDS * again + STEP_SECONDS,
    }


def cpu_tokens_per_second(model: ModelFacts, setup: Setup, cpu: CpuFacts) -> Amount:
    """Return training tokens per second over all processes of a CPU machine, padding included."""
    seconds = sum(cpu_terms(model, setup, cpu).values())
    return setup.processes * setup.accumulation * setup.micro_batch_tokens / seconds
