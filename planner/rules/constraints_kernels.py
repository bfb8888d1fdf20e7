"""What engines refuse, or silently leave out, about number formats, kernels and recomputation."""

from __future__ import annotations

from planner.language import say, template
from planner.rules.attention import found_family, no_flash, no_flash_mask
from planner.rules.constraint import Constraint
from planner.rules.constraints_methods import adapts, training
from planner.rules.precision import nvidia
from planner.situation import Situation
from planner.unused import PREFERENCE_STAGES

FUSED = ("fuse_attention_qkv", "fuse_attention_ffn")


def fused(s: Situation) -> list[str]:
    """Return the switches for fused weights that are on."""
    return [name for name in FUSED if s.flag(name)]


def fused_in_vain(s: Situation) -> list[str]:
    """Return those of them that the engine, the stage or the architecture does not read."""
    found = found_family(s)
    able = {"fuse_attention_qkv": found.fuse_qkv, "fuse_attention_ffn": found.fuse_ffn}
    nowhere = s.word("engine") == "paddleformers" or s.wishes.stage in (*PREFERENCE_STAGES, "reward")
    return [name for name in fused(s) if nowhere or not able[name]]


ATTENTION: tuple[Constraint, ...] = (
    Constraint(
        "kernels.flash-needs-device",
        ("use_flash_attention",),
        lambda s: not s.on_gpu and s.flag("use_flash_attention"),
        lambda s: say("use_flash_attention needs a GPU."),
        template("Set use_flash_attention=false."),
        "measured: no CPU kernel",
        severity="fails",
    ),
    Constraint(
        "kernels.flash-needs-ampere",
        ("use_flash_attention", "precision"),
        lambda s: s.on_gpu and s.flag("use_flash_attention") and bool(no_flash(s)),
        lambda s: say("use_flash_attention is on. {why}", why=no_flash(s)),
        template("Set use_flash_attention=false."),
        "PaddlePaddle/Paddle#63568",
        severity="fails",
    ),
    Constraint(
        "kernels.flash-mask-needs-flash",
        ("flash_mask", "use_flash_attention"),
        lambda s: s.flag("flash_mask") and not s.flag("use_flash_attention"),
        lambda s: say("flash_mask needs use_flash_attention, which is off."),
        template("Set flash_mask=false."),
        "llm/run_finetune.py:246-249",
    ),
    Constraint(
        "kernels.flash-mask-needs-packing",
        ("flash_mask", "zero_padding"),
        lambda s: s.flag("flash_mask") and not s.flag("zero_padding"),
        lambda s: say("flash_mask would switch zero_padding on, and it is off."),
        template("Set flash_mask=false or zero_padding=true."),
        "llm/run_finetune.py:246-249",
    ),
    Constraint(
        "kernels.flash-mask-family",
        ("flash_mask",),
        lambda s: (
            s.flag("flash_mask")
            and s.flag("use_flash_attention")
            and s.flag("zero_padding")
            and s.on_gpu
            and bool(no_flash_mask(s))
        ),
        lambda s: say("flash_mask is on. {why}", why=no_flash_mask(s)),
        template("Set flash_mask=false."),
        "llm/run_finetune.py:84-95; run_dpo.py:57; run_kto.py:52",
    ),
)

SWITCHES: tuple[Constraint, ...] = (
    Constraint(
        "kernels.norm-needs-device",
        ("use_fused_rms_norm",),
        lambda s: not s.on_gpu and s.flag("use_fused_rms_norm"),
        lambda s: say("use_fused_rms_norm needs a GPU: its operator has no CPU kernel."),
        template("Set use_fused_rms_norm=false."),
        "measured: ImportError fused_ln",
        severity="fails",
    ),
    Constraint(
        "kernels.norm-operator",
        ("use_fused_rms_norm",),
        lambda s: s.on_gpu and s.flag("use_fused_rms_norm"),
        lambda s: say("use_fused_rms_norm needs the operator fused_ln, which is in no wheel."),
        template("Compile it into the engine, or set use_fused_rms_norm=false."),
        "PaddlePaddle/PaddleNLP#8410, #10350",
        severity="warns",
    ),
    Constraint(
        "kernels.rope-ignored",
        ("use_fused_rope",),
        lambda s: s.flag("use_fused_rope") and not (s.on_gpu and found_family(s).fused_rope),
        lambda s: say(
            "use_fused_rope is switched off on a processor, and read for some architectures only; this is "
            "a {kind} "
            "model.",
            kind=s.model.model_type,
        ),
        template("Set use_fused_rope=false."),
        "transformers/llama/modeling.py:747; recipes/engines/*/families.yaml",
        severity="ignored",
    ),
    Constraint(
        "kernels.fused-weights-ignored",
        FUSED,
        lambda s: bool(fused_in_vain(s)),
        lambda s: say(
            "{switches} has no effect on {kind} models in stage {stage} with {engine}.",
            switches=", ".join(fused_in_vain(s)),
            kind=s.model.model_type,
            stage=s.wishes.stage,
            engine=s.word("engine"),
        ),
        template("Set it to false."),
        "trl/model_config.py:33,37; run_dpo.py:121-194; paddleformers has no such argument",
        severity="ignored",
    ),
    Constraint(
        "kernels.qkv-key-heads",
        ("fuse_attention_qkv", "tensor_parallel_degree"),
        lambda s: (
            s.flag("fuse_attention_qkv")
            and s.model.num_key_value_heads % s.whole("tensor_parallel_degree") != 0
        ),
        lambda s: say(
            "fuse_attention_qkv needs tensor_parallel_degree {degree} to divide the {heads} key/value heads.",
            degree=s.whole("tensor_parallel_degree"),
            heads=s.model.num_key_value_heads,
        ),
        template("Set fuse_attention_qkv=false."),
        "transformers/llama/modeling.py:729-736",
    ),
    Constraint(
        "kernels.ffn-without-adapter",
        ("fuse_attention_ffn", "method"),
        lambda s: s.flag("fuse_attention_ffn") and adapts(s) and s.model.model_type in ("qwen2", "qwen2_moe"),
        lambda s: say(
            "With fuse_attention_ffn the input of the MLP of {kind} models gets no adapter: no pattern "
            "names the "
            "fused layer.",
            kind=s.model.model_type,
        ),
        template("Set fuse_attention_ffn=false."),
        "trl/llm_utils.py:184-193,216-226",
        severity="ignored",
    ),
    Constraint(
        "kernels.loss-needs-device",
        ("use_fused_linear_cross_entropy",),
        lambda s: s.flag("use_fused_linear_cross_entropy") and not nvidia(s),
        lambda s: say("use_fused_linear_cross_entropy has Triton kernels for NVIDIA cards only."),
        template("Set use_fused_linear_cross_entropy=false."),
        "transformers/qwen2/modeling.py:1640",
        severity="fails",
    ),
    Constraint(
        "kernels.loss-tensor",
        ("use_fused_linear_cross_entropy", "tensor_parallel_degree"),
        lambda s: s.flag("use_fused_linear_cross_entropy") and s.whole("tensor_parallel_degree") > 1,
        lambda s: say(
            "use_fused_linear_cross_entropy stops with an AssertionError under tensor_parallel_degree "
            "{degree}.",
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Set use_fused_linear_cross_entropy=false."),
        "transformers/qwen2/modeling.py:1637; transformers/llama/modeling.py:2130",
        severity="fails",
    ),
    Constraint(
        "kernels.loss-family",
        ("use_fused_linear_cross_entropy",),
        lambda s: s.flag("use_fused_linear_cross_entropy") and not found_family(s).fused_loss,
        lambda s: say(
            "use_fused_linear_cross_entropy is not read for {kind} models.", kind=s.model.model_type
        ),
        template("Set use_fused_linear_cross_entropy=false."),
        "recipes/engines/*/families.yaml",
        severity="ignored",
    ),
    Constraint(
        "kernels.loss-operator",
        ("use_fused_linear_cross_entropy",),
        lambda s: s.flag("use_fused_linear_cross_entropy") and nvidia(s) and found_family(s).fused_loss,
        lambda s: say(
            "use_fused_linear_cross_entropy needs the package paddlenlp_kernel, which no engine holds."
        ),
        template("Install it into the engine, or set use_fused_linear_cross_entropy=false."),
        "PaddleNLP ops/csrc, ops/pipeline; transformers/llama/modeling.py:2130",
        severity="warns",
    ),
    Constraint(
        "kernels.recompute-family",
        ("recompute_granularity", "recompute"),
        lambda s: (
            training(s)
            and s.flag("recompute")
            and s.word("recompute_granularity") not in found_family(s).recompute
        ),
        lambda s: say(
            "recompute_granularity {granularity} is not read for {kind} models; they know: {known}.",
            granularity=s.word("recompute_granularity"),
            kind=s.model.model_type,
            known=", ".join(found_family(s).recompute) or say("none"),
        ),
        template("Set recompute_granularity=full, or recompute=false."),
        "transformers/configuration_utils.py:266; recipes/engines/*/families.yaml",
        severity="ignored",
    ),
    Constraint(
        "kernels.offload-needs-device",
        ("offload_optim",),
        lambda s: s.flag("offload_optim") and not s.on_gpu,
        lambda s: say("offload_optim moves optimizer states off the device, and on a CPU there is none."),
        template("Set offload_optim=false."),
        "trainer/training_args.py:988",
        severity="fails",
    ),
    Constraint(
        "kernels.offload-replicas",
        ("offload_optim", "data_parallel_degree"),
        lambda s: (
            s.flag("offload_optim")
            and s.word("engine") == "paddleformers"
            and s.whole("data_parallel_degree") > 1
        ),
        lambda s: say(
            "PaddleFormers refuses offload_optim with data_parallel_degree {degree}.",
            degree=s.whole("data_parallel_degree"),
        ),
        template("Shard over all replicas, or set offload_optim=false."),
        "paddleformers trainer/training_args.py:1907",
    ),
)

KERNELS = (*ATTENTION, *SWITCHES)
