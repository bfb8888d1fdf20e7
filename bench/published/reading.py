"""Reads the loosely written fields of a published measurement: precision, sharding, degrees, method,
quantisation."""

from __future__ import annotations

import re
from typing import Any

from planner.facts import ModelFacts
from planner.phrases import GIB
from planner.setup import CORE_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE, Setup

Row = dict[str, Any]

METHODS = {
    "qlora": "qlora",
    "lora": "lora",
    "full": "full",
    "sft": "full",
    "pretrain": "full",
    "vera": "vera",
    "prefix": "prefix_tuning",
}
"""First word of a method -> the planner's method."""

PREFERENCE = ("dpo", "kto")
"""Stages with a frozen copy of the model in memory."""

OTHER_MODELS = ("gkd", "ppo", "grpo")
"""Stages with models in memory that rows do not name."""

WITHOUT_VOCABULARY = ("reward", "embedding", "rerank", "seq_cls")
"""Words of models and scripts that give one score or vector per row instead of scores over the vocabulary."""


def text(row: Row, *names: str) -> str:
    """Return fields as one lower-case text."""
    return " ".join(str(row.get(name) or "") for name in names).lower()


def unit_bytes(row: Row) -> float:
    """Return bytes of the row's unit: GiB, as Paddle and nvidia-smi count, except where 1e9 is stated; litgpt
    divides by 1e9."""
    unit = text(row, "unit")
    decimal = (
        "1e9" in unit
        or "10^9" in unit
        or ("gib" not in unit and "litgpt" in text(row, "framework", "source"))
    )
    return 1e9 if decimal else float(GIB)


def is_paddle(row: Row) -> bool:
    """Return whether a Paddle toolkit was measured."""
    return bool(re.search(r"paddle|ernie", text(row, "framework")))


def is_megatron(row: Row) -> bool:
    """Return whether Megatron or a toolkit on its core was measured."""
    return "megatron" in text(row, "framework") or "flagscale" in text(row, "framework")


def zero(row: Row) -> bool:
    """Return whether DeepSpeed's ZeRO shards."""
    return (
        bool(re.search(r"zero[- ]?\d", text(row, "sharding"))) and not is_megatron(row) and not is_paddle(row)
    )


def qwen_scripts(row: Row) -> bool:
    """Return whether the Qwen repository's own scripts were run (finetune/finetune_*.sh)."""
    return "qwenlm/qwen" in text(row, "source", "framework")


def deepspeed(row: Row) -> bool:
    """Return whether DeepSpeed ran: named, by ZeRO, or by the Qwen scripts of full training and QLoRA, on one
    GPU too."""
    named = "deepspeed" in text(row, "framework") or zero(row)
    return named or (qwen_scripts(row) and not re.match(r"lora|peft", text(row, "method")))


def autocast(row: Row) -> bool:
    """Return whether torch's autocast ran: the Trainer's `bf16` and `fp16` start it, DeepSpeed's own formats
    and fms's `torch_dtype` alone do not."""
    if "amp" in text(row, "precision"):
        return True
    return "fms" not in text(row, "framework", "source") and not deepspeed(row)


def trains_ends(row: Row, method: str) -> bool:
    """Return whether embedding and head are trained beside adapters."""
    extra = row.get("extra") or {}
    saved = str(extra.get("modules_to_save") or "")
    marked = re.search(r"\bemb", text(row, "method") + " " + str(extra.get("variant", "")).lower())
    return method in ("lora", "qlora") and bool(marked or re.search(r"wte|embed|lm_head", saved))


def adjusted(model: ModelFacts, row: Row) -> ModelFacts:
    """Return the model with what the row says of it: dropout switched off, a cut depth."""
    extra = row.get("extra") or {}
    changes: dict[str, Any] = {}
    if "dropout" in extra:
        changes["dropout"] = float(extra["dropout"] or 0)
    return model.model_copy(update=changes) if changes else model


def setup(row: Row, model: ModelFacts) -> Setup:
    """Return the row's way of training; ValueError says what is not understood."""
    extra = row.get("extra") or {}
    method, reference = read_method(row)
    precision, level = read_precision(row)
    gpus = int(row.get("gpus") or 1)
    tensor, pipeline = int(row.get("tp") or 1), int(row.get("pp") or 1)
    if "device_map" in text(row, "sharding"):
        pipeline = gpus
    context = int(extra.get("cp") or extra.get("context_parallel_size") or 1)
    expert = int(extra.get("ep") or extra.get("expert_model_parallel_size") or 1)
    stage, degree = read_sharding(row, max(1, gpus // (tensor * pipeline * context)))
    quantised, double = read_quantisation(row, method)
    if model.experts is not None and is_megatron(row) and "ep" not in extra and expert == 1:
        raise ValueError("expert-parallel degree is not stated")
    headless = any(word in text(row, "model", "source") for word in WITHOUT_VOCABULARY)
    return Setup(
        stage="reward" if headless else "sft",
        method=method,
        lora_rank=int(row.get("lora_rank") or 8),
        lora_target_modules=read_targets(row),
        weight_format=quantised,
        double_quant=double,
        precision=precision,
        opt_level=level,
        master_grad=is_megatron(row) or bool(extra.get("amp_master_grad")),
        optimizer=read_optimizer(row),
        attention="dense" if row.get("flash_attention") is False else "flash",
        fused_norm=fused(row, "fused_rms_norm", "rms_norm"),
        fused_rope=fused(row, "fused_rope", "rope"),
        fused_qkv=fused(row, "fuse_attention_qkv", "qkv"),
        fused_ffn=fused(row, "fuse_attention_ffn", "ffn"),
        fused_loss=bool(extra.get("use_liger_kernel") in (True, "true")),
        tensor_parallel_output=is_paddle(row),
        reference_model=reference,
        sequence_length=int(row["seq_len"]),
        recompute=NO_RECOMPUTE if ignores_recompute(row, model, pipeline) else read_recompute(row),
        processes=gpus,
        tensor=tensor,
        sequence_parallel=sequence_parallel(row, tensor),
        pipeline=pipeline,
        virtual=int(extra.get("virtual_pp") or extra.get("vpp") or 1),
        sharding=stage,
        sharding_degree=degree,
        context=context,
        expert=expert,
        micro_batch=int(row["micro_batch"]),
        accumulation=int(row.get("grad_accum") or (8 if pipeline > 1 else 1)),
    )


def read_method(row: Row) -> tuple[str, bool]:
    """Return the planner's method, and whether a second model lies beside."""
    given = text(row, "method")
    if any(word in given for word in OTHER_MODELS):
        raise ValueError(f"method {row.get('method')} holds a second model that the row does not name")
    reference = any(word in given for word in PREFERENCE)
    for word, method in METHODS.items():
        if re.search(rf"\b{word}", given.replace("-", " ")) and "+" not in given and "/" not in given:
            return method, reference and method == "full"
    raise ValueError(f"unknown method {row.get('method')}")


def read_precision(row: Row) -> tuple[str, str]:
    """Return (precision, O1 or O2): anything 16-bit keeps 16-bit weights, unless O1 or fp32 weights are
    named."""
    given = text(row, "precision")
    if "fp32" in given and "adapter" not in given:
        return "fp32", "O1"
    precision = "fp16" if "fp16" in given or "float16" in given.replace("bfloat16", "") else "bf16"
    return precision, "O1" if "o1" in given else "O2"


def read_sharding(row: Row, replicas: int) -> tuple[int, int]:
    """Return (ZeRO stage, degree)."""
    given = text(row, "sharding")
    found = re.search(r"(?:stage|zero|sharding)[- ]?(\d)", given)
    stage = int(found[1]) if found else 3 if "fsdp" in given else 1 if "distributed optimizer" in given else 0
    degree = re.search(r"degree (\d+)", given)
    return stage, int(degree[1]) if degree else replicas


def read_recompute(row: Row) -> int:
    """Return the planner's level of recompute."""
    mode = text(row, "recompute_mode") or ("full" if row.get("recompute") else "none")
    return {"none": NO_RECOMPUTE, "full": FULL_RECOMPUTE}.get(mode, CORE_ATTENTION)


def ignores_recompute(row: Row, model: ModelFacts, pipeline: int) -> bool:
    """Return whether PaddleNLP's GPT ignores recompute of granularity full: its decoder asks for full_attn
    (3.0.0b4 gpt/modeling.py:521; a training step of it recomputes nothing), its pipeline does not. With
    paddle 2.5.1 it did not ask yet, as the figures of FlagPerf's gpt3_6.7B-paddle show."""
    granularity = str((row.get("extra") or {}).get("recompute_granularity", "full"))
    asks = model.model_type in ("gpt", "gpt2") and "run_pretrain.py" in text(row, "framework")
    return asks and pipeline == 1 and granularity.startswith("full") and "full_attn" not in granularity


def read_quantisation(row: Row, method: str) -> tuple[str, bool]:
    """Return (format of the frozen weights, whether scales are quantised too)."""
    if method != "qlora":
        return "none", False
    given = text(row, "precision", "model", "method", "note") + str(row.get("extra") or {}).lower()
    if "gptq" in given:
        return "weight_only_int8" if "int8" in given else "gptq", False
    if "int8" in given or "8 bit" in given or "bnb.int8" in given:
        return "weight_only_int8", False
    kind = "fp4" if "fp4" in given and "nf4" not in given else "nf4"
    return kind, "dq" in given or "double" in given or "peft-bnb" in given


def read_targets(row: Row) -> str:
    """Return which layers have adapters: all linear ones where an MLP's is named or nothing is, except in
    toolkits whose default is attention alone (litgpt, peft)."""
    extra = row.get("extra") or {}
    names = ("target_modules", "lora_targets", "lora_target_modules", "lora_target_linear")
    modules = " ".join(str(extra[name]) for name in names if extra.get(name)).lower()
    if not modules:
        return "attention" if re.search(r"litgpt|lit-gpt|peft", text(row, "framework")) else "all-linear"
    return "all-linear" if re.search(r"gate|up|fc|all|w1|mlp|true|dense", modules) else "attention"


def read_optimizer(row: Row) -> str:
    """Return the planner's optimizer."""
    given = text(row, "optimizer")
    if re.search(r"8[-_]?bit|paged", given):
        return "adamw_8bit"
    moments = str((row.get("extra") or {}).get("exp_avg_dtype", ""))
    return "adamw_16bit_moment" if "16" in moments else "adamw"


def fused(row: Row, name: str, word: str) -> bool:
    """Return whether a kernel is fused: stated, or named in a list."""
    extra = row.get("extra") or {}
    stated = [extra.get(name), extra.get(f"use_{name}"), extra.get(name.removeprefix("fused_"))]
    return any(str(value).lower() == "true" for value in stated) or word in str(extra.get("fused", ""))


def sequence_parallel(row: Row, tensor: int) -> bool:
    """Return whether tensor parallelism splits the residual stream: stated, or Megatron's scripts' habit."""
    stated = (row.get("extra") or {}).get("sequence_parallel")
    if stated is None:
        return is_megatron(row) and tensor > 1
    return str(stated).lower() == "true" and tensor > 1
