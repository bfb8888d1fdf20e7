"""Precision rules of PaddleNLP: number formats and the optimizer's own numbers."""

from __future__ import annotations

from planner.arguments.case import Case
from planner.arguments.rule import Rule
from planner.language import template

ARGS = "trainer/training_args.py"
OPTIMIZERS = ("adamw", "adamw_mini", "adamw_custom", "adamw_16bit_moment", "adafactor")
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial")


def capability_below(case: Case, needed: float) -> bool:
    """Return whether the cards are known to be older than a compute capability."""
    return case.world.capability is not None and case.world.capability < needed and not case.on_cpu


RULES = (
    Rule(
        "precision.both", "rejects", "fp16", lambda c: c["fp16"] and c["bf16"],
        template("`fp16` and `bf16` are both on, and the engine takes at most one."),
        template("Keep `bf16` on Ampere cards and newer, `fp16` on older ones."), f"{ARGS}:1099",
    ),
    Rule(
        "precision.both-evaluation", "rejects", "fp16_full_eval",
        lambda c: c["fp16_full_eval"] and c["bf16_full_eval"],
        template("`fp16_full_eval` and `bf16_full_eval` are both on, and the engine takes at most one."),
        template("Turn one of them off."), f"{ARGS}:1102",
    ),
    Rule(
        "precision.o2-without-half", "fails", "fp16_opt_level",
        lambda c: c["fp16_opt_level"] == "O2" and not c.half,
        template("`fp16_opt_level` is O2, but neither `bf16` nor `fp16` is on: the script stops before it "
            "loads the model."),
        template("Set `bf16` to true, or `fp16_opt_level` to O1."), "llm/run_finetune.py:149-155",
        ("run_finetune", "run_quantization", "run_embedding"),
    ),
    Rule(
        "precision.o1-float32-weights", "warns", "fp16_opt_level",
        lambda c: c.half and c["fp16_opt_level"] not in ("O2",) and not c.on_cpu,
        template("Only O2 loads the weights in 16 bits; with {fp16_opt_level} they are float32 and take "
            "twice the memory."),
        template("Set `fp16_opt_level` to O2."), "llm/run_finetune.py:149-157",
    ),
    Rule(
        "precision.master-grad-without-half", "ignored", "amp_master_grad",
        lambda c: c["amp_master_grad"] and not c.half,
        template("`amp_master_grad` needs `bf16` or `fp16`; the engine turns it off."),
        template("Remove it, or turn `bf16` on."), f"{ARGS}:1233",
    ),
    Rule(
        "precision.bf16-old-card", "fails", "bf16", lambda c: c["bf16"] and capability_below(c, 8.0),
        template("`bf16` needs compute capability 8.0 (Ampere); these cards have {capability}."),
        template("Use `fp16` instead."), "CUDA C programming guide, arithmetic of compute capability 8.0",
    ),
    Rule(
        "precision.optimizer-name", "rejects", "optim", lambda c: c["optim"] not in OPTIMIZERS,
        template("`optim` is {optim}, which is no optimizer of the engine (adamw, adamw_mini, "
            "adamw_custom, adamw_16bit_moment)."),
        template("Use adamw."), f"{ARGS}:1104",
    ),
    Rule(
        "precision.adafactor", "fails", "optim", lambda c: c["optim"] == "adafactor",
        template("adafactor passes the parser, but the trainer cannot build it and stops."),
        template("Use adamw."), "trainer/trainer.py:2014",
    ),
    Rule(
        "precision.adamw-mini-tensor", "rejects", "optim",
        lambda c: c["optim"] == "adamw_mini" and c.degrees.tensor > 1,
        template("adamw_mini does not work with tensor parallelism, and {tensor} processes share each "
            "layer."),
        template("Use adamw."), f"{ARGS}:1106",
    ),
    Rule(
        "precision.schedule-name", "rejects", "lr_scheduler_type",
        lambda c: c["lr_scheduler_type"] not in SCHEDULES,
        template("`lr_scheduler_type` is {lr_scheduler_type}; the engine knows linear, cosine, constant, "
            "constant_with_warmup and polynomial."),
        template("Use linear or cosine."), "trainer/trainer_utils.py:396",
    ),
    Rule(
        "precision.warmup-ratio", "rejects", "warmup_ratio", lambda c: not 0 <= c.number("warmup_ratio") <= 1,
        template("`warmup_ratio` is {warmup_ratio}; it is a share between 0 and 1."),
        template("Use 0.03, or `warmup_steps` for a number of steps."), f"{ARGS}:1865",
    ),
    Rule(
        "precision.warmup-both", "notes", "warmup_ratio",
        lambda c: c.number("warmup_ratio") > 0 and c.number("warmup_steps") > 0,
        template("`warmup_steps` ({warmup_steps}) wins over `warmup_ratio` ({warmup_ratio})."),
        template("Keep one of the two."), f"{ARGS}:1867",
    ),
    Rule(
        "precision.flatten-grads", "rejects", "flatten_param_grads",
        lambda c: c["flatten_param_grads"] and c["device"] != "npu",
        template("`flatten_param_grads` works on Ascend NPUs only, and `device` is {device}."),
        template("Remove it."), f"{ARGS}:1872",
    ),
    Rule(
        "precision.scale-loss", "ignored", "scale_loss",
        lambda c: "scale_loss" in c.given and not c["fp16"] and not c.half,
        template("`scale_loss` is the first loss scale of 16-bit training; without `fp16` it does "
            "nothing."),
        template("Remove it."), f"{ARGS}:798",
    ),
)  # fmt: skip
"""All rules about number formats and the optimizer."""
