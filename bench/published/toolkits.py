"""How other toolkits spend memory, as profiles of the planner's forecast: one per toolkit, none per model
or row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.memory.profile import PADDLENLP, Profile
from planner.phrases import GIB, MIB

TORCH = Profile(
    name="PyTorch",
    source="transformers 4.40 modeling_mistral.py; torch 2.3 optim/adamw.py (foreach) and autograd",
    master_weights=False,
    moment_bytes=4.0,
    gradients_persist=False,
    step_copies=1.0,
    adapter_bytes=4,
    keeps_frozen_inputs=False,
    norm_copies=3.0,
    rope_copies=1.0,
    expand_keys=True,
    experts_in_turn=True,
    adapter_inputs=False,
    logit_copies=1.0,
    loss_copies=3.0,
    allocator=0.09,
    allocator_floor=2 * GIB,
    context=2 * GIB,
    communication=1 * GIB,
)
"""Hugging Face Trainer. Pure bf16 weights have bf16 moments and no float32 copy (torch makes states in the
weight's format); foreach AdamW copies what it updates once; peft keeps adapters in float32
(autocast_adapter_dtype); causal-LM models cast scores to float32 and shift them by copying. nvidia-smi
above max_memory_allocated: 4.0 GiB and 9 % in one process, one GiB more beside others (least squares over
fms-acceleration's pairs, a100_80gb.csv)."""

FSDP = replace(
    TORCH,
    name="PyTorch FSDP",
    source="torch 2.3 distributed/fsdp/_runtime_utils.py (multi-grad hooks keep gradients of frozen "
    "blocks' inputs)",
    gathers="block",
    frozen_block_gradients=True,
)

DEEPSPEED = replace(
    TORCH,
    name="DeepSpeed",
    source="deepspeed runtime/zero/stage3.py: float32 partitions of weights; zero/config.py: up to 10^9 "
    "gathered weights",
    master_weights=True,
    moment_bytes=8.0,
    gradients_persist=True,
    step_copies=0.0,
    gathers="billion",
    allocator=0.12,
)

MEGATRON = Profile(
    name="Megatron",
    source="Megatron-LM: float32 gradient buffer, distributed optimizer (docs: 6 + 12/d bytes per weight); "
    "fused norm, rotation and SwiGLU kernels. Reserve and communication fit FlagPerf's figures",
    gated_copies=3,
    adapter_inputs=False,
    logit_copies=1.0,
    loss_copies=3.0,
    allocator=0.07,
    allocator_floor=3 * GIB,
    context=int(1.5 * GIB),
    communication=1 * GIB,
)

TORCHTUNE = replace(
    TORCH,
    name="torchtune",
    source="torchtune recipes/full_finetune_single_device.py and the LoRA one: bf16 throughout",
    adapter_bytes=None,
    step_copies=0.0,
)

LITGPT = replace(
    TORCH,
    name="litgpt",
    source="litgpt finetune/lora.py: bf16-true weights and adapters, scores in chunks of 128 tokens kept in "
    "a list; chunked_cross_entropy keeps their 16-bit softmax",
    adapter_bytes=None,
    step_copies=0.0,
    norm_copies=2.0,
    logit_copies=2.0,
    loss_copies=0.0,
)

OLD_PEFT = replace(
    TORCH,
    name="PyTorch, adapters in 16 bits",
    source="peft before 0.12: adapters take the format of the layer; QwenLM/Qwen finetune.py",
    adapter_bytes=None,
)

PADDLE_STATIC = replace(
    PADDLENLP,
    name="Paddle static graph",
    source="PaddleFleetX auto engine, PaddleNLP run_pretrain_auto.py: tensors end with their last use; with "
    "micro-batches to accumulate, stage2 needs what stage1 does (ci_case_auto.sh: 1709.8 and 1709.8 MB, "
    "1384.7 and 1384.7 MB)",
    column_copies=False,
    gradients_persist=False,
    accumulates_whole=True,
    masked_softmax=(),
    late_reduce=False,
    loss_copies=2.0,
    split_vocabulary=True,
    allocator=0.06,
    allocator_floor=40 * MIB,
)

UNCAST = ("gpt_bigcode", "gpt_neox", "falcon", "phi", "bloom", "opt", "gpt2", "qwen", "baichuan")
"""Model types whose transformers code leaves scores in 16 bits for the loss (modeling_gpt_bigcode.py and
the like, up to transformers 4.44); under autocast the loss casts them itself, after accelerate has cast
them once."""


SCALED_SCORES = ("granite", "granitemoe")
"""Model types that divide their scores before the loss (modeling_granite.py, `logits_scaling`), so that no
16-bit copy of them is left: 12 bytes per token and word, from four pairs of micro-batches of
fms-acceleration's a100_80gb_granite.csv (792 kB per token each) less the blocks' inputs."""

FLOAT_NORMS = ("chatglm",)
"""Model types whose norm multiplies by its weight in float32 and casts at the end (THUDM's
modeling_chatglm.py, RMSNorm): two float32 copies instead of one and a 16-bit one."""


def without_cast(profile: Profile, autocast: bool) -> Profile:
    """Return the profile for a model whose scores the model code does not cast to float32."""
    return (
        replace(profile, logit_copies=1.0, loss_copies=4.0)
        if autocast
        else replace(profile, logit_copies=4.0, loss_copies=0.0)
    )


def fused_loss_kernel(profile: Profile) -> Profile:
    """Return the profile with a cross-entropy kernel that keeps no softmax of its own."""
    if profile.loss_copies:
        return replace(profile, loss_copies=profile.loss_copies - 1)
    return replace(profile, logit_copies=profile.logit_copies - 1)


def wide_residual(profile: Profile) -> Profile:
    """Return the profile with a float32 residual stream: peft's prepare_model_for_kbit_training casts what
    is not quantised to float32."""
    return replace(profile, residual_bytes=4)


def compiled(profile: Profile) -> Profile:
    """Return the profile under torch.compile, which fuses norms, rotation and activation."""
    return replace(profile, norm_copies=0.0, rope_copies=0.0, gated_copies=3)


def float8(profile: Profile) -> Profile:
    """Return the profile with products in 8 bits: a copy of each weight in 8 bits (Transformer Engine)."""
    return replace(profile, float8_copies=1.0)


def torchtune_switches(profile: Profile, extra: dict[str, Any]) -> Profile:
    """Return the profile with torchtune's options: loss in eight pieces (`num_output_chunks`), optimizer
    in the backward pass, activations on the host."""
    return replace(
        profile,
        loss_chunks=8 if extra.get("chunked_ce") else 0,
        update_in_backward=bool(extra.get("opt_in_bwd")),
        offload_activations=bool(extra.get("act_offload")),
    )
