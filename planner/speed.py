"""Forecast of training speed and of each stage's time.

Work is counted in floating-point operations; a device does a measured or published number of them per second.
A training token costs 4 operations per weight for LoRA (forward 2, backward through frozen weights 2) and 6
for full training (another 2 for the weights' own gradients), plus attention; recompute repeats the forward
pass.
"""

from __future__ import annotations

from planner.facts import CpuFacts, HardwareFacts, ModelFacts
from planner.setup import Setup

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

GPU_UTILISATION = {"full": 0.6, "lora": 0.5}
"""Share of the published dense 16-bit peak that training reaches with FlashAttention and large micro-batches.
Full: LLaMA-7B on 8 A100, sharding stage2, 4267 tokens/s per GPU (FlagPerf, llama1_7B-paddle); LoRA: an
estimate."""

TENSOR_SHARE = {1: 1.0, 2: 0.9, 4: 0.8, 8: 0.7}
"""What tensor parallelism leaves of the speed per device; 2: 3888 of 4267 tokens/s (same source), beyond:
estimates."""

HALF_FILLED_TOKENS = 1024
"""Tokens of a forward pass at which a GPU waits half of the time for launches; an estimate."""


def token_flops(model: ModelFacts, setup: Setup) -> float:
    """Return operations per training token."""
    factor = 6.0 if setup.method == "full" else 4.0
    if setup.recompute:
        factor += 2.0
    attention = (
        4 * model.num_hidden_layers * model.num_attention_heads * model.head_dim * setup.sequence_length
    )
    return factor * (model.parameters + attention / 2)


def core_flops(cpu: CpuFacts, fast_matmul: bool) -> float:
    """Return useful operations per second of one core of this processor."""
    width = next((share for flag, share in VECTOR_SHARE.items() if flag in cpu.flags), 0.3)
    return CPU_CORE_FLOPS * width * (SLOW_MATMUL if cpu.vendor == "amd" and not fast_matmul else 1.0)


def cpu_tokens_per_second(model: ModelFacts, setup: Setup, cpu: CpuFacts) -> float:
    """Return training tokens per second over all processes of a CPU machine, padding included."""
    per_process = core_flops(cpu, setup.fast_matmul) * (1 + THREAD_SHARE * (setup.threads - 1))
    busy = min(setup.processes * setup.threads, cpu.cores) / max(1, setup.processes * setup.threads)
    return setup.processes * per_process * busy / token_flops(model, setup)


def gpu_tokens_per_second(model: ModelFacts, setup: Setup, flops: float) -> float:
    """Return training tokens per second over all devices, padding included. `flops` is one device's dense
    peak."""
    share = GPU_UTILISATION[setup.method]
    share *= 1.0 if setup.flash else 0.6
    share *= TENSOR_SHARE.get(setup.tensor, 0.6)
    filled = setup.micro_batch_tokens / (setup.micro_batch_tokens + HALF_FILLED_TOKENS)
    return setup.processes * flops * share * filled / token_flops(model, setup)


def tokens_per_second(model: ModelFacts, setup: Setup, hardware: HardwareFacts, flops: float | None) -> float:
    """Return training tokens per second on this hardware, padding included."""
    if hardware.devices:
        return gpu_tokens_per_second(model, setup, flops or 50e12)
    return cpu_tokens_per_second(model, setup, hardware.cpu) * hardware.nodes
