"""How long a step and an epoch take with what has been decided so far."""

from __future__ import annotations

from collections.abc import Callable

from planner import speed
from planner.device_catalogue import peak_flops
from planner.setup import Setup
from planner.situation import Situation
from planner.wishes import Value
from planner.workload import sequence_tokens, sequences, steps_per_epoch


def setup_from(get: Callable[[str], Value]) -> Setup:
    """Return the set-up that a complete set of decisions describes; `get` returns a setting's value."""
    values = {field: get(name) for field, name in SETTING_OF.items()}
    return Setup(**values)  # type: ignore[arg-type]


SETTING_OF = {
    "method": "method",
    "lora_rank": "lora_rank",
    "lora_target_modules": "lora_target_modules",
    "precision": "precision",
    "opt_level": "fp16_opt_level",
    "master_grad": "amp_master_grad",
    "flash": "use_flash_attention",
    "flash_mask": "flash_mask",
    "recompute": "recompute",
    "processes": "num_processes",
    "tensor": "tensor_parallel_degree",
    "pipeline": "pipeline_parallel_degree",
    "sharding": "sharding",
    "sharding_degree": "sharding_parallel_degree",
    "micro_batch": "per_device_train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "sequence_length": "max_length",
    "threads": "omp_num_threads",
    "fast_matmul": "mkl_debug_cpu_type",
}
"""Field of `Setup` -> setting."""


def device_flops(s: Situation) -> float | None:
    """Return one accelerator's dense peak in the chosen precision; None on a CPU or for an unknown device."""
    return peak_flops(s.hardware.devices[0].name, s.word("precision")) if s.on_gpu else None


def tokens_per_second(s: Situation) -> float:
    """Return training tokens per second over all processes, padding included."""
    return speed.tokens_per_second(s.model, setup_from(s.get), s.hardware, device_flops(s))


def sequences_per_step(s: Situation) -> int:
    """Return sequences of one optimizer step over all replicas."""
    setup = setup_from(s.get)
    return setup.micro_batch * setup.accumulation * setup.replicas


def sequences_per_epoch(s: Situation) -> int:
    """Return sequences of one pass over the data."""
    return sequences(s.data, s.whole("max_length"), s.flag("zero_padding"), s.flag("greedy_zero_padding"))


def step_seconds(s: Situation) -> float:
    """Return seconds of one optimizer step."""
    tokens = sequence_tokens(
        s.data, s.whole("max_length"), s.flag("zero_padding"), s.whole("per_device_train_batch_size")
    )
    return sequences_per_step(s) * tokens / tokens_per_second(s)


def epoch_steps(s: Situation) -> int:
    """Return optimizer steps of one pass over the data."""
    return steps_per_epoch(sequences_per_epoch(s), sequences_per_step(s))


def epoch_seconds(s: Situation) -> float:
    """Return seconds of one pass over the data."""
    return epoch_steps(s) * step_seconds(s)
