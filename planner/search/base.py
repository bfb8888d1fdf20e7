"""What the search starts from: the memory that may be used, and the set-up before anything is split."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from planner import memory
from planner.families import Family, family
from planner.pace import attention_kind, needs_reference
from planner.setup import FULL_RECOMPUTE, Setup, Whole
from planner.situation import Situation
from planner.unused import WITHOUT_TRAINING
from planner.wishes import Value

HEADROOM = 0.90
"""Share of the memory that a plan may use; the rest is for what no formula sees."""


def memory_limit(s: Situation, setup: Setup) -> int:
    """Return the bytes that one process may use: its device's memory, or its share of the host's."""
    return int(np.min(memory_limits(s, setup.processes)))


def memory_limits(s: Situation, processes: Whole) -> Whole:
    """Return the same for each number of processes."""
    if s.on_gpu:
        return min(device.free_bytes or device.memory_bytes for device in s.hardware.devices)
    return s.hardware.memory_bytes * s.hardware.nodes // np.maximum(1, processes)


def family_of(s: Situation) -> Family | None:
    """Return what the decided engine can do with the model's architecture."""
    return family(s.word("engine"), s.model.model_type)


def profile_of(s: Situation) -> memory.Profile:
    """Return how the decided engine uses memory."""
    return memory.PADDLEFORMERS if s.word("engine") == "paddleformers" else memory.PADDLENLP


def held(setup: Setup) -> Setup:
    """Return the set-up whose memory a stage takes: to quantise or export, weights are only read, for which
    the smallest adapter stands."""
    if setup.stage not in WITHOUT_TRAINING:
        return setup
    return replace(setup, method="lora", lora_rank=1, recompute=FULL_RECOMPUTE, reference_model=False)


def setup_for(s: Situation, **changes: object) -> Setup:
    """Return the set-up of one process on its own, with what has been decided so far and `changes` on top.

    What later rules decide is assumed as they will choose it, and never read: FlashMask for packed rows where
    it exists, and scores over the vocabulary split where matrices are. So the answer of the search is the
    same before and after those rules.
    """
    method = str(changes.get("method", s.pin("method") or "lora"))
    flash = s.flag("use_flash_attention")
    base = Setup(
        stage=s.wishes.stage,
        engine=s.word("engine"),
        method=method,
        lora_variant=str(s.known("lora_variant", "plain")),
        lora_rank=s.whole("lora_rank"),
        lora_target_modules=s.word("lora_target_modules"),
        num_prefix_tokens=s.known_whole("num_prefix_tokens", 128),
        weight_format=str(s.pin("weight_quantize_algo") or "none"),
        double_quant=bool(s.known("weight_double_quant", False)),
        precision=s.word("precision"),
        opt_level=s.word("fp16_opt_level"),
        master_grad=s.flag("amp_master_grad"),
        optimizer=str(s.known("optim", "adamw")),
        attention=attention_kind(flash, bool(fixed(s, "flash_mask", expects_flash_mask(s)))),
        fused_norm=bool(s.known("use_fused_rms_norm", False)),
        fused_rope=bool(s.known("use_fused_rope", False)),
        fused_loss=bool(fixed(s, "use_fused_linear_cross_entropy", False)),
        tensor_parallel_output=bool(fixed(s, "tensor_parallel_output", s.on_gpu)),
        reference_model=needs_reference(s.wishes.stage, method, bool(s.known("reference_free", False))),
        sequence_length=s.whole("max_length"),
        micro_batch=s.pinned_whole("per_device_train_batch_size") or 1,
        fast_matmul=bool(fixed(s, "mkl_debug_cpu_type", 5)),
    )
    known = {entry.name for entry in fields(Setup)}
    assert set(changes) <= known
    return replace(base, **changes)  # type: ignore[arg-type]


def fixed(s: Situation, setting: str, otherwise: Value) -> Value:
    """Return the pin, or what a later rule will choose."""
    value = s.pin(setting)
    return otherwise if value is None else value


def expects_flash_mask(s: Situation) -> bool:
    """Return whether rows will be kept apart by FlashMask."""
    found = family_of(s)
    stage = {"orpo": "dpo", "simpo": "dpo"}.get(s.wishes.stage, s.wishes.stage)
    return (
        s.flag("use_flash_attention")
        and bool(s.known("zero_padding", True))
        and found is not None
        and stage in found.flash_mask
        and (s.word("engine") != "paddleformers" or s.pin("attn_implementation") in (None, "flashmask"))
    )
