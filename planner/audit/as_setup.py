"""A config in the planner's own words: the `Setup` that memory and speed are predicted for."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.paddleformers.precision import QUANTISED
from planner.setup import CORE_ATTENTION, FULL_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE, Setup

GRANULARITIES = {"core_attn": CORE_ATTENTION, "selective": CORE_ATTENTION, "full_attn": FULL_ATTENTION}
"""`recompute_granularity` -> value of `Setup.recompute`; full is everything."""
WINT = {"wint8": "weight_only_int8", "wint4": "weight_only_int4", "wint4/8": "weight_only_int4", "nf4": "nf4"}
"""`compute_type` of PaddleFormers -> weight format (cli/hparams/finetuning_args.py:310-348)."""
OPTIMIZERS = ("adamw", "adamw_mini", "adamw_16bit_moment")


def setup_of(case: Case, stage: str) -> Setup:
    """Return what the config would do, with the engine's defaults for what it does not say."""
    split = case.degrees
    return Setup(
        stage=stage,
        engine=case.engine,
        method=method(case),
        lora_variant=variant(case),
        lora_rank=rank(case),
        num_prefix_tokens=int(case.number("num_prefix_tokens", 128)),
        weight_format=weight_format(case),
        double_quant=bool(case["weight_double_quant"]),
        precision=precision(case),
        opt_level=case.text("fp16_opt_level") or "O1",
        master_grad=bool(case["amp_master_grad"]) and precision(case) != "fp32",
        optimizer=case.text("optim") if case.text("optim") in OPTIMIZERS else "adamw",
        attention=attention(case),
        fused_norm=bool(case["use_fused_rms_norm"]),
        fused_rope=bool(case["use_fused_rope"] or case["apply_rope_fusion"]),
        fused_loss=bool(case["use_fused_linear_cross_entropy"] or case["use_fused_head_and_loss_fn"]),
        tensor_parallel_output=bool(case["tensor_parallel_output"]),
        reference_model=stage in ("dpo", "kto") and not reference_free(case),
        sequence_length=sequence_length(case),
        recompute=recompute(case),
        offload=bool(case["offload_optim"] or case["tensorwise_offload_optimizer"]),
        processes=case.world.processes,
        tensor=split.tensor,
        sequence_parallel=bool(case["sequence_parallel"]) and split.tensor > 1,
        pipeline=split.pipeline,
        virtual=split.virtual,
        sharding=split.stage,
        sharding_degree=split.sharding if split.stage else 1,
        context=split.context * split.sep,
        expert=split.expert,
        micro_batch=max(1, int(case.number("per_device_train_batch_size", 8))),
        accumulation=max(1, int(case.number("gradient_accumulation_steps", 1))),
    )


def method(case: Case) -> str:
    """Return what is trained, in the planner's words."""
    if case.engine == "paddleformers":
        return "lora" if case.tunes and case.text("fine_tuning").lower() == "lora" else "full"
    return next((name for name in ("lora", "vera", "lokr", "prefix_tuning", "reft") if case[name]), "full")


def variant(case: Case) -> str:
    """Return the variant of LoRA."""
    if case["rslora_plus"]:
        return "rslora_plus"
    if case["use_mora"] or case["lora_use_mixer"] or case["pissa"]:
        return "mora" if case["use_mora"] else "moslora" if case["lora_use_mixer"] else "pissa"
    if case["rslora"]:
        return "rslora"
    return "lora_plus" if case.number("lora_plus_scale", 1) != 1 else "plain"


def rank(case: Case) -> int:
    """Return the rank of the adapter that is trained."""
    name = {"vera": "vera_rank", "lokr": "lokr_dim", "reft": "rank"}.get(method(case), "lora_rank")
    return max(1, int(case.number(name, 8)))


def weight_format(case: Case) -> str:
    """Return how the base weights are stored."""
    if case.preference:
        return "none"
    if case.engine == "paddleformers":
        return WINT[case.text("compute_type")] if case["compute_type"] in QUANTISED else "none"
    known = ("nf4", "fp4", "weight_only_int8", "weight_only_int4")
    return case.text("weight_quantize_algo") if case["weight_quantize_algo"] in known else "none"


def precision(case: Case) -> str:
    """Return the number format of computing."""
    if case.engine == "paddleformers":
        return {"fp16": "fp16", "float32": "fp32"}.get(case.text("compute_type"), "bf16")
    return "bf16" if case["bf16"] else "fp16" if case["fp16"] else "fp32"


def attention(case: Case) -> str:
    """Return the attention kernel."""
    if case.engine == "paddleformers":
        return {"flashmask": "flash_mask", "sdpa": "flash"}.get(case.text("_attn_implementation"), "dense")
    if case["flash_mask"]:
        return "flash_mask"
    return "flash" if case["use_flash_attention"] else "dense"


def reference_free(case: Case) -> bool:
    """Return whether preference training has no second model: some losses never do, and LoRA switches its
    adapter off instead."""
    alone = case["reference_free"] or case["loss_type"] in ("or", "orpo", "simpo")
    return bool(alone or method(case) == "lora")


def sequence_length(case: Case) -> int:
    """Return the longest row in tokens."""
    names: tuple[str, ...] = ("max_seq_len", "max_seq_length", "max_length")
    if case.script == "run_finetune":
        names = ("max_length",)
    if case.script == "run_embedding":
        names = ("max_passage_len",)
    return next((int(case.number(name)) for name in names if case.number(name) > 0), 2048)


def recompute(case: Case) -> int:
    """Return what is computed twice."""
    granularity = case.text("recompute_granularity")
    on = case["recompute"] if case.engine == "paddlenlp" else bool(granularity)
    return GRANULARITIES.get(granularity, FULL_RECOMPUTE) if on else NO_RECOMPUTE
