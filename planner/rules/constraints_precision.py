"""What devices and engines refuse about number formats."""

from __future__ import annotations

from planner.language import say, template
from planner.rules.constraint import Constraint
from planner.rules.constraints_methods import training
from planner.rules.precision import formats, nvidia, shown

PRECISION: tuple[Constraint, ...] = (
    Constraint(
        "precision.o2-needs-16-bit",
        ("fp16_opt_level", "precision"),
        lambda s: s.word("fp16_opt_level") == "O2" and s.word("precision") == "fp32",
        lambda s: say("fp16_opt_level O2 needs precision bf16 or fp16, and precision is fp32."),
        template("Set fp16_opt_level=O1."),
        "llm/run_finetune.py:149-155",
    ),
    Constraint(
        "precision.cpu-fp32-only",
        ("precision",),
        lambda s: not s.on_gpu and s.word("precision") != "fp32",
        lambda s: say(
            "precision {precision} has no kernels on a CPU, or silently computes in float32.",
            precision=s.word("precision"),
        ),
        template("Set precision=fp32."),
        "measured: matmul bfloat16 not registered; O1 bit-equal to fp32",
        severity="fails",
    ),
    Constraint(
        "precision.device-format",
        ("precision",),
        lambda s: s.on_gpu and s.word("precision") == "bf16" and "bf16" not in formats(s),
        lambda s: (
            say("precision bf16 needs compute capability 8.0, and this is {device}.", device=shown(s))
            if nvidia(s)
            else say("{device} has no kernels for precision bf16.", device=shown(s))
        ),
        template("Set precision=fp16."),
        "trainer/training_args.py:504; recipes/devices.yaml",
        severity="fails",
    ),
    Constraint(
        "precision.master-grad-needs-16-bit",
        ("amp_master_grad", "precision"),
        lambda s: s.flag("amp_master_grad") and s.word("precision") == "fp32",
        lambda s: say(
            "amp_master_grad has no effect with precision fp32: the engine switches it off without a word."
        ),
        template("Set amp_master_grad=false."),
        "trainer/training_args.py:1233; paddleformers raises at trainer/training_args.py:1925",
        severity="ignored",
    ),
    Constraint(
        "precision.mini-tensor",
        ("optim", "tensor_parallel_degree"),
        lambda s: training(s) and s.word("optim") == "adamw_mini" and s.whole("tensor_parallel_degree") > 1,
        lambda s: say(
            "optim adamw_mini does not work with tensor_parallel_degree {degree}.",
            degree=s.whole("tensor_parallel_degree"),
        ),
        template("Set optim=adamw."),
        "trainer/training_args.py:1106",
    ),
    Constraint(
        "precision.moments-need-16-bit",
        ("optim", "precision"),
        lambda s: s.word("optim") == "adamw_16bit_moment" and s.word("precision") == "fp32",
        lambda s: say("optim adamw_16bit_moment rounds Adam's averages to 16 bits, and precision is fp32."),
        template("Set optim=adamw."),
        "trainer/trainer.py:2008",
        severity="fails",
    ),
)
