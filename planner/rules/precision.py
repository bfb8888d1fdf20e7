"""Number formats and kernels: what this device really computes in, and no more."""

from __future__ import annotations

from planner.families import SFT_FAMILIES
from planner.layout import layout
from planner.phrases import size
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation

AMPERE = (8, 0)
VOLTA = (7, 0)


def capability(s: Situation) -> tuple[int, int]:
    """Return the lowest compute capability of the devices; unknown devices count as Ampere."""
    known = [device.compute_capability or "8.0" for device in s.hardware.devices]
    return min((tuple(int(part) for part in text.split(".")[:2]) for text in known), default=(0, 0))  # type: ignore[return-value]


def shown(s: Situation) -> str:
    """Return the devices and their capability, for a sentence."""
    return f"{s.hardware.devices[0].name} (compute capability {'.'.join(map(str, capability(s)))})"


@rule("precision.precision", "precision", f"{MEASURED_CPU}; bf16 kernels: NVIDIA compute capability 8.0")
def precision(s: Situation) -> Choice:
    """bf16 on Ampere and newer, fp16 on Volta and Turing, fp32 on the CPU."""
    if not s.on_gpu:
        return Choice(
            "fp32",
            f"The only format that Paddle really trains in on a processor ({s.hardware.cpu.name}).",
            (
                not_("bf16", "Silently computes in float32 under O1, and has no matmul kernel under O2."),
                not_(
                    "fp16", "Its loss scaler fails on a processor under O1, and it has no kernels under O2."
                ),
            ),
        )
    if capability(s) >= AMPERE:
        return Choice(
            "bf16",
            f"{shown(s)} computes bf16 at full speed, and its range needs no loss scaling.",
            (
                not_("fp16", "Same speed, but it overflows and needs loss scaling."),
                not_("fp32", "Twice the memory and a fraction of the speed."),
            ),
        )
    if capability(s) >= VOLTA:
        return Choice(
            "fp16",
            f"{shown(s)} has fp16 tensor cores and no bf16.",
            (not_("bf16", "Needs compute capability 8.0."), not_("fp32", "Twice the memory and slower.")),
        )
    return Choice(
        "fp32",
        f"{shown(s)} has no tensor cores, so 16 bits gain no speed.",
        (not_("fp16", "No faster here."),),
    )


@rule("precision.opt_level", "fp16_opt_level", "PaddleNLP 3.0.0b4 llm/run_finetune.py:149-155")
def opt_level(s: Situation) -> Choice:
    """O2 halves the weights where there are 16-bit kernels."""
    if s.word("precision") == "fp32":
        return Choice(
            "O1",
            "With fp32 there is nothing to cast.",
            (not_("O2", "Refused unless precision is bf16 or fp16."),),
        )
    saved = size(2 * s.model.parameters)
    return Choice(
        "O2",
        f"Keeps the weights themselves in {s.word('precision')}: {saved} less than float32, with float32 "
        "master copies of what is trained.",
        (not_("O1", f"Keeps float32 weights ({saved} more) and casts them for every operation."),),
    )


@rule("precision.master_grad", "amp_master_grad", "PaddleNLP 3.0.0b4 trainer/training_args.py:526,1233")
def master_grad(s: Situation) -> Choice:
    """Accumulate gradients in float32 when weights are 16 bits wide."""
    if s.word("precision") == "fp32":
        return Choice(False, "Gradients are float32 already; the engine would switch it off.")
    return Choice(
        True,
        f"Small {s.word('precision')} gradients vanish when they are summed; float32 sums keep them.",
        (not_(False, "Less memory, at the risk of a loss that stops falling."),),
    )


@rule(
    "precision.flash_attention", "use_flash_attention", "PaddlePaddle/Paddle#63568: FlashAttention needs sm80"
)
def flash_attention(s: Situation) -> Choice:
    """FlashAttention from Ampere on, in 16 bits."""
    if not s.on_gpu:
        return Choice(False, "FlashAttention has no CPU kernel.", (not_(True, "Fails on a processor."),))
    if capability(s) < AMPERE or s.word("precision") == "fp32":
        return Choice(
            False,
            f"FlashAttention needs compute capability 8.0 and 16 bits; this is {shown(s)} in "
            f"{s.word('precision')}.",
            (not_(True, "The kernel refuses to run here."),),
        )
    return Choice(
        True,
        f"{shown(s)} has the kernel: attention memory grows with the length, not with its square.",
        (not_(False, "Slower, and it stores every attention score."),),
    )


@rule("precision.flash_mask", "flash_mask", "PaddleNLP 3.0.0b4 llm/run_finetune.py:84-95,246-249")
def flash_mask(s: Situation) -> Choice:
    """Sparse mask for packed rows, where the kernel and the architecture have it."""
    family = SFT_FAMILIES[s.model.model_type]
    if not s.flag("use_flash_attention"):
        return Choice(False, "Needs FlashAttention, which is off.")
    if not s.flag("zero_padding"):
        return Choice(
            False,
            "Only packed rows need it, and rows are not packed.",
            (not_(True, "Would turn packing on."),),
        )
    if not family.flash_mask:
        return Choice(False, f"PaddleNLP has it for llama and qwen2, not for {s.model.model_type}.")
    length = s.whole("max_length")
    return Choice(
        True,
        f"Keeps packed rows apart with a mask of {length:,} numbers instead of {length:,} x {length:,}.",
        (not_(False, "A dense mask, and no FlashAttention for packed rows."),),
    )


@rule("precision.recompute", "recompute", "arXiv:1604.06174; forecast of planner/memory.py")
def recompute(s: Situation) -> Choice:
    """Only when memory asks for it: it costs a third to a half more time."""
    found = layout(s)
    usable, limit = size(found.peak), size(found.limit)
    if not found.setup.recompute:
        return Choice(
            False,
            f"Everything fits without it: {usable} of {limit} per process.",
            (not_(True, "Would run every block's forward pass twice, for memory that is not short."),),
        )
    without = next((peak for setup, peak in reversed(found.rejected) if not setup.recompute), found.peak)
    return Choice(
        True,
        f"Without it {size(without)} would be needed, more than 90% of {limit}; with it {usable}.",
        (not_(False, f"Needs {size(without)} per process."),),
    )


RULES = (precision, opt_level, master_grad, flash_attention)
LATE_RULES = (flash_mask, recompute)
"""Those that read the data's and the layout's decisions."""
