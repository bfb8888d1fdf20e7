"""How long a step and an epoch take with what has been decided so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from planner import speed
from planner.setup import CORE_ATTENTION, FULL_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE, Setup
from planner.situation import Situation
from planner.wishes import Value
from planner.workload import sequence_tokens, sequences, steps_per_epoch

SETTING_OF = {
    "method": "method",
    "lora_variant": "lora_variant",
    "lora_rank": "lora_rank",
    "lora_target_modules": "lora_target_modules",
    "num_prefix_tokens": "num_prefix_tokens",
    "engine": "engine",
    "weight_format": "weight_quantize_algo",
    "double_quant": "weight_double_quant",
    "precision": "precision",
    "opt_level": "fp16_opt_level",
    "master_grad": "amp_master_grad",
    "optimizer": "optim",
    "fused_norm": "use_fused_rms_norm",
    "fused_rope": "use_fused_rope",
    "fused_loss": "use_fused_linear_cross_entropy",
    "tensor_parallel_output": "tensor_parallel_output",
    "sequence_length": "max_length",
    "offload": "offload_optim",
    "processes": "num_processes",
    "tensor": "tensor_parallel_degree",
    "sequence_parallel": "sequence_parallel",
    "pipeline": "pipeline_parallel_degree",
    "virtual": "virtual_pp_degree",
    "sharding_degree": "sharding_parallel_degree",
    "expert": "expert_parallel_degree",
    "micro_batch": "per_device_train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "threads": "omp_num_threads",
}
"""Field of `Setup` -> setting that means the same; `setup_from` derives the others."""

PARTS_OF_SEARCH = (
    "method",
    "weight_quantize_algo",
    "num_processes",
    "tensor_parallel_degree",
    "sequence_parallel",
    "pipeline_parallel_degree",
    "virtual_pp_degree",
    "sharding",
    "sharding_parallel_degree",
    "data_parallel_degree",
    "context_parallel_degree",
    "sep_parallel_degree",
    "expert_parallel_degree",
    "recompute",
    "recompute_granularity",
    "offload_optim",
    "enable_auto_parallel",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "omp_num_threads",
)
"""Settings that the search decides: a pin on one of them narrows it."""

STAGES = ("none", "stage1", "stage2", "stage3")
"""Words of the setting `sharding`, by ZeRO stage."""

GRANULARITY = {"core_attn": CORE_ATTENTION, "full_attn": FULL_ATTENTION, "full": FULL_RECOMPUTE}
"""Words of `recompute_granularity` -> values of `Setup.recompute`."""

MEASURED_RANGE = 0.5
"""What is left of the range of a time forecast when many like runs on this machine correct it: estimated."""

REFERENCE_STAGES = ("dpo", "kto", "orpo", "simpo")


def setup_from(get: Callable[[str], Value], stage: str = "sft") -> Setup:
    """Return the set-up that a complete set of decisions describes; `get` returns a setting's value."""
    values = {field: get(name) for field, name in SETTING_OF.items()}
    return Setup(
        **values,  # type: ignore[arg-type]
        stage=stage,
        attention=attention_kind(bool(get("use_flash_attention")), bool(get("flash_mask"))),
        reference_model=needs_reference(stage, str(get("method")), bool(get("reference_free"))),
        recompute=GRANULARITY[str(get("recompute_granularity"))] if get("recompute") else NO_RECOMPUTE,
        sharding=STAGES.index(str(get("sharding"))),
        fast_matmul=bool(get("mkl_debug_cpu_type")),
        context=_whole(get("context_parallel_degree")) * _whole(get("sep_parallel_degree")),
    )


def attention_kind(flash: bool, flash_mask: bool) -> str:
    """Return `Setup.attention` of two switches."""
    if not flash:
        return "dense"
    return "flash_mask" if flash_mask else "flash"


def needs_reference(stage: str, method: str, reference_free: bool) -> bool:
    """Return whether a frozen copy of the model lies beside the trained one: adapters are switched off
    instead (llm/alignment/dpo/run_dpo.py:121-194)."""
    return stage in REFERENCE_STAGES and method == "full" and not reference_free


def setup_of(s: Situation) -> Setup:
    """Return the set-up of a situation in which everything is decided."""
    return setup_from(s.get, s.wishes.stage)


def cluster(s: Situation) -> speed.Cluster:
    """Return the hardware as the speed model sees it, in the decided precision."""
    key = ("cluster", s.word("precision"), s.on_gpu)
    if key not in s.memo:
        used = s.hardware if s.on_gpu else s.hardware.model_copy(update={"devices": ()})
        s.memo[key] = speed.cluster(used, s.word("precision"))
    found = s.memo[key]
    assert isinstance(found, speed.Cluster)
    return found


def speed_ratio(s: Situation) -> float:
    """Return measured speed / forecast speed of like runs on this machine; 1 without measurements."""
    return s.facts.calibration.speed_ratio if s.facts.calibration else 1.0


def time_range(s: Situation) -> tuple[float, float]:
    """Return factors (low, high) on the forecast time of training: four of five measurements lie between."""
    low, high = speed.uncertainty(s.model, cluster(s))
    runs = s.facts.calibration.runs if s.facts.calibration is not None else 0
    # One run may have had the machine to itself, or not: it narrows little, as the error of a mean does.
    left = MEASURED_RANGE + (1 - MEASURED_RANGE) / (1 + runs) ** 0.5
    return 1 - (1 - low) * left, 1 + (high - 1) * left


def tokens_per_second(s: Situation) -> float:
    """Return training tokens per second over all processes, padding included."""
    return float(speed.tokens_per_second(s.model, pace_setup(s), cluster(s))) * speed_ratio(s)


def pace_setup(s: Situation) -> Setup:
    """Return the set-up with the length that a sequence has on average: rows that are not packed are
    shorter than `max_length`, which only the longest reach."""
    setup = setup_of(s)
    return replace(setup, sequence_length=max(1, round(tokens_of_sequence(s))))


def tokens_of_sequence(s: Situation) -> float:
    """Return the tokens, padding included, that one sequence costs."""
    return sequence_tokens(
        s.data, s.whole("max_length"), s.flag("zero_padding"), s.whole("per_device_train_batch_size")
    )


def sequences_per_step(s: Situation) -> int:
    """Return sequences of one optimizer step over all replicas."""
    setup = setup_of(s)
    return int(setup.micro_batch * setup.accumulation * setup.replicas)


def sequences_per_epoch(s: Situation) -> int:
    """Return sequences of one pass over the data."""
    return sequences(s.data, s.whole("max_length"), s.flag("zero_padding"), s.flag("greedy_zero_padding"))


def step_seconds(s: Situation) -> float:
    """Return seconds of one optimizer step."""
    return sequences_per_step(s) * tokens_of_sequence(s) / tokens_per_second(s)


def epoch_steps(s: Situation) -> int:
    """Return optimizer steps of one pass over the data."""
    return steps_per_epoch(sequences_per_epoch(s), sequences_per_step(s))


def epoch_seconds(s: Situation) -> float:
    """Return seconds of one pass over the data."""
    return epoch_steps(s) * step_seconds(s)


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value
