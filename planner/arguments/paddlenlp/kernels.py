"""Rules of PaddleNLP about kernels: attention, fused layers, recomputation, and what a CPU cannot do."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
REFINED = ("mlp_row_ln", "mlp_column_ln", "attention_row_ln", "attention_column_ln", "flash_attn")
"""Operations of `refined_recompute` (training_args.py:1878-1884)."""


def refined(case: Case) -> list[str]:
    """Return the entries of `refined_recompute`."""
    text = case.text("refined_recompute")
    return [part.strip() for part in text.split(",")] if text else []


def broken_refined(case: Case) -> bool:
    """Return whether an entry is not `operation:number`."""
    for part in refined(case):
        name, colon, number = part.partition(":")
        if not colon or name not in REFINED or not number.split(":")[0].strip().lstrip("-").isdigit():
            return True
    return False


def mask_use(case: Case) -> str:
    """Return the word of `Family.flash_mask` that this training is."""
    word = {"run_dpo": "dpo", "run_kto": "kto"}.get(case.script, "sft")
    return f"{word}_pipeline" if case.degrees.pipeline > 1 and word != "kto" else word


def gpu_only(name: str, needs: str) -> Rule:
    """Return the rule that an argument needs a GPU."""
    return Rule(
        f"kernels.{name.replace('_', '-')}-cpu", "fails", name, lambda c: c[name] and c.on_cpu,
        template("`{name}` is a GPU kernel, and there is no GPU."), template("Turn `{name}` "
            "off."), needs, (),
        (("name", name),),
    )  # fmt: skip


RULES = (
    gpu_only("use_flash_attention", "transformers/llama/fusion_ops.py"),
    gpu_only("flash_mask", "transformers/llama/fusion_ops.py"),
    gpu_only("use_fused_rms_norm", "transformers/llama/fusion_ops.py"),
    gpu_only("use_fused_linear_cross_entropy", "transformers/llama/modeling.py:2130"),
    gpu_only("enable_linear_fused_grad_add", "llm/utils/fused_layers.py"),
    gpu_only("use_fast_layer_norm", "transformers/gpt/modeling.py"),
    gpu_only("block_attn", "llm/predict/predictor.py"),
    gpu_only("append_attn", "llm/predict/predictor.py"),
    Rule(
        "kernels.rope-cpu", "notes", "use_fused_rope", lambda c: c["use_fused_rope"] and c.on_cpu,
        template("Fused rotary embedding needs a GPU; the engine turns it off with a warning."),
        template("Turn `use_fused_rope` off."), "transformers/llama/modeling.py:747",
    ),
    Rule(
        "kernels.device", "fails", "device",
        lambda c: c.world.device == "cpu" and c["device"] != "cpu",
        template("`device` is {device} (the default is gpu), and this machine has none: the script stops "
            "at once."),
        template("Set `device` to cpu."), f"{ARGS}:830",
    ),
    Rule(
        "kernels.flash-old-card", "fails", "use_flash_attention",
        lambda c: c["use_flash_attention"] and not c.on_cpu and c.world.capability is not None
        and c.world.capability < 8,
        template("FlashAttention-2 needs compute capability 8.0 (Ampere); these cards have {capability}."),
        template("Turn `use_flash_attention` off."), "https://github.com/Dao-AILab/flash-attention, README",
    ),
    Rule(
        "kernels.flash-float32", "fails", "use_flash_attention",
        lambda c: c["use_flash_attention"] and c.has("bf16") and not c.half and not c.on_cpu
        and c.world.device == "gpu",
        template("FlashAttention works in 16 bits only, and neither `bf16` nor `fp16` is on."),
        template("Set `bf16` to true."), "transformers/configuration_utils.py:233",
    ),
    Rule(
        "kernels.flash-mask-forces", "notes", "flash_mask",
        lambda c: c["flash_mask"] and c.has("zero_padding") and not (c["zero_padding"]
        and c["use_flash_attention"]),
        template("FlashMask packs rows and uses FlashAttention; the script turns `zero_padding` and "
            "`use_flash_attention` on."),
        template("Turn both on, so that the file says what "
            "happens."), "llm/run_finetune.py:246-249", ("run_finetune",),
    ),
    Rule(
        "kernels.flash-mask-family", "fails", "flash_mask",
        lambda c: c["flash_mask"] and c.family and c.script in ("run_finetune", "run_dpo", "run_kto")
        and mask_use(c) not in c.family.flash_mask,
        template("FlashMask does not support {model_type} here: the script stops with "
            "NotImplementedError."),
        template("Turn `flash_mask` off."), "llm/run_finetune.py:84-95; run_dpo.py:57; run_kto.py:52",
    ),
    Rule(
        "kernels.fused-loss-tensor", "fails", "use_fused_linear_cross_entropy",
        lambda c: c["use_fused_linear_cross_entropy"] and c.degrees.tensor > 1,
        template("The fused loss needs the whole output layer, and tensor parallelism ({tensor}) splits "
            "it."),
        template("Turn `use_fused_linear_cross_entropy` off."), "transformers/qwen2/modeling.py:1637",
    ),
    Rule(
        "kernels.fused-loss-family", "ignored", "use_fused_linear_cross_entropy",
        lambda c: c["use_fused_linear_cross_entropy"] and c.family and not c.family.fused_loss,
        template("{model_type} does not read `use_fused_linear_cross_entropy`."),
        template("Remove it."), "transformers/*/modeling.py",
    ),
    Rule(
        "kernels.fused-norm-family", "notes", "use_fused_rms_norm",
        lambda c: c["use_fused_rms_norm"] and c.family and not c.family.fused_norm,
        template("{model_type} does not read "
            "`use_fused_rms_norm`."), template("Remove it."), "transformers/*/modeling.py",
    ),
    Rule(
        "kernels.fused-rope-family", "notes", "use_fused_rope",
        lambda c: c["use_fused_rope"] and c.family and not c.family.fused_rope,
        template("{model_type} does not read "
            "`use_fused_rope`."), template("Remove it."), "transformers/*/modeling.py",
    ),
    Rule(
        "kernels.fuse-qkv-family", "notes", "fuse_attention_qkv",
        lambda c: c["fuse_attention_qkv"] and c.family and not c.family.fuse_qkv and not c.preference,
        template("{model_type} does not read "
            "`fuse_attention_qkv`."), template("Remove it."), "transformers/*/modeling.py",
    ),
    Rule(
        "kernels.fuse-ffn-family", "notes", "fuse_attention_ffn",
        lambda c: c["fuse_attention_ffn"] and c.family and not c.family.fuse_ffn and not c.preference,
        template("{model_type} does not read `fuse_attention_ffn`, or cannot fuse a stock checkpoint."),
        template("Remove it."), "transformers/*/modeling.py",
    ),
    Rule(
        "kernels.fuse-qkv-heads", "fails", "fuse_attention_qkv",
        lambda c: c["fuse_attention_qkv"] and c.world.model and c.degrees.tensor > 1 and not c.preference
        and c.world.model.num_key_value_heads % c.degrees.tensor,
        template("Fused query, key and value need {kv_heads} key/value heads to divide by tensor "
            "parallelism {tensor}."),
        template("Turn `fuse_attention_qkv` off."), "transformers/llama/modeling.py:729-736",
    ),
    Rule(
        "kernels.fuse-ffn-lora", "warns", "fuse_attention_ffn",
        lambda c: c["fuse_attention_ffn"] and c["lora"] and c.world.model_type in ("qwen2", "qwen2_moe"),
        template("With a fused MLP input LoRA finds no layer of that name on {model_type}: the MLP input "
            "gets no adapter."),
        template("Turn `fuse_attention_ffn` off."), "trl/llm_utils.py:184-193,216-226", ("run_finetune",),
    ),
    Rule(
        "kernels.preference-fuse", "ignored", "fuse_attention_qkv",
        lambda c: c["fuse_attention_qkv"] or c["fuse_attention_ffn"],
        template("run_dpo.py and run_kto.py parse `fuse_attention_qkv` and `fuse_attention_ffn` and never "
            "apply them."),
        template("Remove them."), "llm/alignment/dpo/run_dpo.py:121-194", ("run_dpo", "run_kto"),
    ),
    Rule(
        "kernels.recompute-granularity", "warns", "recompute_granularity",
        lambda c: c["recompute"] and c.family and c.family.recompute
        and c["recompute_granularity"] not in c.family.recompute,
        template("{model_type} does not know recomputation of {recompute_granularity}."),
        template("Set `recompute_granularity` to full."), "transformers/*/modeling.py",
    ),
    Rule(
        "kernels.refined-syntax", "rejects", "refined_recompute", broken_refined,
        template("`refined_recompute` ({refined_recompute}) must be operation:number, with operations "
            "mlp_row_ln, mlp_column_ln, attention_row_ln, attention_column_ln and flash_attn."),
        template("Write it like flash_attn:1."), f"{ARGS}:1886-1899",
    ),
    Rule(
        "kernels.refined-tensor", "ignored", "refined_recompute",
        lambda c: c.degrees.tensor <= 1 and not broken_refined(c)
        and any(part.partition(":")[0].endswith("_ln") for part in refined(c)),
        template("The _ln operations of `refined_recompute` act with tensor parallelism only, which is "
            "off."),
        template("Keep flash_attn alone."), f"{ARGS}:1901",
    ),
    Rule(
        "kernels.refined-reentrant", "ignored", "refined_recompute",
        lambda c: refined(c) and c["recompute_use_reentrant"],
        template("`refined_recompute` acts only while `recompute_use_reentrant` is off."),
        template("Turn `recompute_use_reentrant` off."), "transformers/llama/modeling.py:759",
    ),
    Rule(
        "kernels.refined-family", "ignored", "refined_recompute",
        lambda c: refined(c) and c.family and not c.family.refined_recompute,
        template("{model_type} does not read `refined_recompute`."), template("Remove it."),
        "transformers/{llama,qwen,qwen2}/modeling.py",
    ),
    Rule(
        "kernels.refined-off", "notes", "refined_recompute", lambda c: refined(c) and not c["recompute"],
        template("`refined_recompute` exempts operations from recomputation, and `recompute` is off."),
        template("Turn `recompute` on, or remove it."), f"{ARGS}:784",
    ),
    Rule(
        "kernels.offload-inputs", "ignored", "offload_recompute_inputs",
        lambda c: c["offload_recompute_inputs"] and not c["recompute"],
        template("`offload_recompute_inputs` moves what recomputation keeps, and `recompute` is off."),
        template("Turn `recompute` on, or remove it."), "transformers/configuration_utils.py:279",
    ),
    Rule(
        "kernels.offload-optimizer-cpu", "ignored", "offload_optim",
        lambda c: c["offload_optim"] and c.on_cpu,
        template("`offload_optim` moves optimizer states to host memory; on a CPU they are there already."),
        template("Remove it."), f"{ARGS}:988",
    ),
)  # fmt: skip
"""Rules about kernels and recomputation."""
