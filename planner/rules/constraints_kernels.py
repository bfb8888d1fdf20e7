"""What the engine refuses about number formats and kernels."""

from __future__ import annotations

from planner.families import SFT_FAMILIES
from planner.rules.constraint import Constraint
from planner.rules.precision import AMPERE, capability, shown

KERNELS: tuple[Constraint, ...] = (
    Constraint(
        "o2-needs-16-bit",
        ("fp16_opt_level", "precision"),
        lambda s: s.word("fp16_opt_level") == "O2" and s.word("precision") == "fp32",
        lambda s: "fp16_opt_level O2 needs precision bf16 or fp16, and precision is fp32.",
        "Set fp16_opt_level=O1.",
        "llm/run_finetune.py:149-155",
    ),
    Constraint(
        "cpu-fp32-only",
        ("precision",),
        lambda s: not s.on_gpu and s.word("precision") != "fp32",
        lambda s: (
            f"precision {s.word('precision')} has no kernels on a CPU, or silently computes in float32."
        ),
        "Set precision=fp32.",
        "measured",
    ),
    Constraint(
        "bf16-needs-ampere",
        ("precision",),
        lambda s: s.on_gpu and s.word("precision") == "bf16" and capability(s) < AMPERE,
        lambda s: f"precision bf16 needs compute capability 8.0, and this is {shown(s)}.",
        "Set precision=fp16.",
        "trainer/training_args.py:504",
    ),
    Constraint(
        "master-grad-needs-16-bit",
        ("amp_master_grad", "precision"),
        lambda s: s.flag("amp_master_grad") and s.word("precision") == "fp32",
        lambda s: (
            "amp_master_grad has no effect with precision fp32: the engine switches it off without a word."
        ),
        "Set amp_master_grad=false.",
        "trainer/training_args.py:1233",
    ),
    Constraint(
        "flash-needs-gpu",
        ("use_flash_attention",),
        lambda s: not s.on_gpu and s.flag("use_flash_attention"),
        lambda s: "use_flash_attention needs a GPU.",
        "Set use_flash_attention=false.",
        "measured: no CPU kernel",
    ),
    Constraint(
        "flash-needs-ampere",
        ("use_flash_attention", "precision"),
        lambda s: (
            s.on_gpu
            and s.flag("use_flash_attention")
            and (capability(s) < AMPERE or s.word("precision") == "fp32")
        ),
        lambda s: (
            f"use_flash_attention needs compute capability 8.0 and 16 bits; this is {shown(s)} in "
            f"{s.word('precision')}."
        ),
        "Set use_flash_attention=false.",
        "PaddlePaddle/Paddle#63568",
    ),
    Constraint(
        "flash-mask-needs-flash",
        ("flash_mask", "use_flash_attention"),
        lambda s: s.flag("flash_mask") and not s.flag("use_flash_attention"),
        lambda s: "flash_mask needs use_flash_attention, which is off.",
        "Set flash_mask=false.",
        "llm/run_finetune.py:246-249",
    ),
    Constraint(
        "flash-mask-needs-packing",
        ("flash_mask", "zero_padding"),
        lambda s: s.flag("flash_mask") and not s.flag("zero_padding"),
        lambda s: "flash_mask would switch zero_padding on, and it is off.",
        "Set flash_mask=false or zero_padding=true.",
        "llm/run_finetune.py:246-249",
    ),
    Constraint(
        "flash-mask-family",
        ("flash_mask",),
        lambda s: s.flag("flash_mask") and not SFT_FAMILIES[s.model.model_type].flash_mask,
        lambda s: f"flash_mask is not implemented for {s.model.model_type} models.",
        "Set flash_mask=false.",
        "llm/run_finetune.py:84-95",
    ),
)
