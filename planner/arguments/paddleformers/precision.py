"""Rules of PaddleFormers about number formats, quantised weights and the optimizer."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
TUNE = "cli/hparams/finetuning_args.py"
TRAIN = ("train",)
COMPUTE = ("bf16", "fp16", "float32", "wint8", "wint4", "wint4/8", "nf4")
"""Values of `compute_type` (finetuning_args.py:310-348)."""
QUANTISED = ("wint8", "wint4", "wint4/8", "nf4")
OPTIMIZERS = ("adamw", "adamw_mini", "adamw_custom", "muon", "adafactor")
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial")


def half(case: Case) -> bool:
    """Return whether training computes in 16 bits: all but float32 do."""
    return bool(case["compute_type"] != "float32")


def quantised(case: Case) -> bool:
    """Return whether the base weights are to be quantised."""
    return case["compute_type"] in QUANTISED


RULES = (
    Rule(
        "precision.compute-type", "rejects", "compute_type", lambda c: c["compute_type"] not in COMPUTE,
        template("`compute_type` is {compute_type}; it is bf16, fp16, float32, wint8, wint4, wint4/8 or "
            "nf4."),
        template("Use bf16."), f"{TUNE}:310-348",
    ),
    Rule(
        "precision.derived-bf16", "ignored", "bf16",
        lambda c: "bf16" in c.given and c["bf16"] != (half(c) and c["compute_type"] != "fp16"),
        template("`bf16` is overwritten by `compute_type` ({compute_type})."),
        template("Set `compute_type` instead."), f"{TUNE}:310-348",
    ),
    Rule(
        "precision.derived-fp16", "ignored", "fp16",
        lambda c: "fp16" in c.given and bool(c["fp16"]) != (c["compute_type"] == "fp16"),
        template("`fp16` is overwritten by `compute_type` ({compute_type})."),
        template("Set `compute_type` instead."), f"{TUNE}:310-348",
    ),
    Rule(
        "quantisation.derived", "ignored", "weight_quantize_algo",
        lambda c: "weight_quantize_algo" in c.given and c["weight_quantize_algo"] is not None,
        template("`weight_quantize_algo` is overwritten by `compute_type` ({compute_type})."),
        template("Set `compute_type` to wint8, wint4 or nf4 instead."), f"{TUNE}:310-348",
    ),
    Rule(
        "precision.o1-float32-weights", "warns", "fp16_opt_level",
        lambda c: half(c) and c["fp16_opt_level"] != "O2" and not c.on_cpu,
        template("Only O2 loads the weights in 16 bits; with {fp16_opt_level} (the default is O1) they are "
            "float32 and take twice the memory."),
        template("Set `fp16_opt_level` to O2."), "cli/train/sft/workflow.py:247-255", TRAIN,
    ),
    Rule(
        "precision.o2-without-half", "fails", "fp16_opt_level",
        lambda c: c["fp16_opt_level"] == "O2" and not half(c) and not c.preference,
        template("`fp16_opt_level` is O2, but `compute_type` is float32: the script stops before it loads "
            "the model."),
        template("Set `compute_type` to bf16, or `fp16_opt_level` to "
            "O1."), "cli/train/sft/workflow.py:253", TRAIN,
    ),
    Rule(
        "precision.master-grad-float32", "rejects", "amp_master_grad",
        lambda c: c["amp_master_grad"] and c["compute_type"] == "float32",
        template("`amp_master_grad` is on (the default), which `compute_type` float32 does not allow."),
        template("Set `amp_master_grad` to false."), f"{ARGS}:1925-1933",
    ),
    Rule(
        "precision.bf16-old-card", "fails", "compute_type",
        lambda c: c["compute_type"] in ("bf16", *QUANTISED) and not c.on_cpu
        and c.world.capability is not None and c.world.capability < 8.0,
        template("bf16 needs compute capability 8.0 (Ampere); these cards have {capability}."),
        template("Set `compute_type` to fp16."), "CUDA C programming guide, arithmetic of compute "
            "capability 8.0",
    ),
    Rule(
        "precision.both-evaluation", "rejects", "fp16_full_eval",
        lambda c: c["fp16_full_eval"] and c["bf16_full_eval"],
        template("`fp16_full_eval` and `bf16_full_eval` are both on, and the engine takes at most one."),
        template("Turn one of them off."), f"{ARGS}:1876",
    ),
    Rule(
        "precision.fp8-card", "fails", "fp8",
        lambda c: c["fp8"] and c.world.capability is not None and c.world.capability < 9.0,
        template("`fp8` needs Hopper cards (compute capability 9.0); these have {capability}."),
        template("Remove `fp8`."), "transformers/configuration_utils.py:437",
    ),
    Rule(
        "quantisation.preference", "ignored", "compute_type", lambda c: quantised(c) and c.preference,
        template("DPO never quantises the weights: `compute_type` {compute_type} acts in SFT and PT only."),
        template("Set `compute_type` to bf16."), "cli/train/dpo/workflow.py:156", TRAIN,
    ),
    Rule(
        "quantisation.tied-pipeline", "fails", "compute_type",
        lambda c: quantised(c) and c.degrees.pipeline > 1 and c.world.model
        and c.world.model.tie_word_embeddings,
        template("A quantised model with tied embeddings cannot be trained in a pipeline ({pipeline} "
            "stages)."),
        template("Set `pipeline_model_parallel_size` to 1."), "cli/train/sft/workflow.py:272", TRAIN,
    ),
    Rule(
        "quantisation.cpu", "fails", "compute_type", lambda c: quantised(c) and c.on_cpu,
        template("Quantised weights ({compute_type}) need GPU kernels, and there is no GPU."),
        template("Set `compute_type` to bf16."), "quantization/quantization_utils.py:126-229", TRAIN,
    ),
    Rule(
        "precision.optimizer-name", "rejects", "optim", lambda c: c["optim"] not in OPTIMIZERS,
        template("`optim` is {optim}, which is no optimizer of the engine (adamw, adamw_mini, "
            "adamw_custom, muon)."),
        template("Use adamw; 16-bit moments are `use_lowprecision_moment`."), f"{ARGS}:1880",
    ),
    Rule(
        "precision.adafactor", "fails", "optim", lambda c: c["optim"] == "adafactor",
        template("adafactor passes the parser, but the trainer cannot build it and stops."),
        template("Use adamw."), "trainer/trainer.py",
    ),
    Rule(
        "precision.adamw-mini-tensor", "rejects", "optim",
        lambda c: c["optim"] == "adamw_mini" and c.degrees.tensor > 1,
        template("adamw_mini does not work with tensor parallelism, and {tensor} processes share each "
            "layer."),
        template("Use adamw."), f"{ARGS}:1882",
    ),
    Rule(
        "precision.muon", "rejects", "optim", lambda c: c["optim"] == "muon",
        template("muon needs a newer Paddle than 3.3.1, which lacks use_muon_sharding: parsing ends in a "
            "TypeError."),
        template("Use adamw."), f"{ARGS}:2346",
    ),
    Rule(
        "precision.schedule-name", "rejects", "lr_scheduler_type",
        lambda c: c["lr_scheduler_type"] not in SCHEDULES,
        template("`lr_scheduler_type` is {lr_scheduler_type}; the engine knows linear, cosine, constant, "
            "constant_with_warmup and polynomial."),
        template("Use linear or cosine."), f"{ARGS}:1821",
    ),
    Rule(
        "precision.warmup-ratio", "rejects", "warmup_ratio", lambda c: not 0 <= c.number("warmup_ratio") <= 1,
        template("`warmup_ratio` is {warmup_ratio}; it is a share between 0 and 1."),
        template("Use 0.03, or `warmup_steps` for a number of steps."), f"{ARGS}:2700",
    ),
    Rule(
        "precision.warmup-both", "notes", "warmup_ratio",
        lambda c: c.number("warmup_ratio") > 0 and c.number("warmup_steps") > 0,
        template("`warmup_steps` ({warmup_steps}) wins over `warmup_ratio` ({warmup_ratio})."),
        template("Keep one of the two."), f"{ARGS}:2702",
    ),
    Rule(
        "precision.flatten-grads", "rejects", "flatten_param_grads",
        lambda c: c["flatten_param_grads"] and c["device"] != "npu",
        template("`flatten_param_grads` works on Ascend NPUs only, and `device` is {device}."),
        template("Remove it."), f"{ARGS}:2707",
    ),
)  # fmt: skip
"""Rules about number formats and the optimizer."""
