"""Which attention runs: FlashAttention and FlashMask, where device, precision, architecture and engine have
their kernels."""

from __future__ import annotations

from planner.families import Family, family
from planner.language import say
from planner.rules.precision import AMPERE, capability, shown
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation

DENSE_MAKERS = ("hygon",)
"""Makers whose recipes leave FlashAttention off (llm/devices/dcu/llama); Kunlun's and Ascend's turn it on
(llm/auto_parallel/llama/run_llama2_13b_xpu.sh, llm/devices/npu/llama)."""

FLASH_MASK_MAKERS = {"paddlenlp": ("nvidia",), "paddleformers": ("nvidia", "kunlun")}
"""Engine -> makers on whose devices upstream's recipes use FlashMask (all of paddleformers 1.2.0
examples/config/xpu)."""

MASK_NAME = {"orpo": "dpo", "simpo": "dpo", "embedding": "", "pretrain": ""}
"""Stage -> its name among those for which a family has FlashMask; others have their own."""


def found_family(s: Situation) -> Family:
    """Return what the engine can do with the model's architecture; a family without abilities if unknown."""
    return family(s.word("engine"), s.model.model_type) or Family(source="unknown")


@rule(
    "kernels.flash_attention", "use_flash_attention", "PaddlePaddle/Paddle#63568: FlashAttention needs sm80"
)
def flash_attention(s: Situation) -> Choice:
    """FlashAttention from Ampere on, in 16 bits; on Kunlun and Ascend as upstream's recipes."""
    if not s.on_gpu:
        return Choice(
            False, say("FlashAttention has no CPU kernel."), (not_(True, say("Fails on a processor.")),)
        )
    why = no_flash(s)
    if why:
        return Choice(False, why, (not_(True, say("The kernel refuses to run here.")),))
    if other_attention(s) == "eager":
        return Choice(False, say("You fixed attn_implementation to eager, plain matrix products."))
    return Choice(
        True,
        say(
            "{device} has the kernel: attention memory grows with the length, not with its square.",
            device=shown(s),
        ),
        (not_(False, say("Slower, and it stores every attention score.")),),
    )


def other_attention(s: Situation) -> str:
    """Return the attention without FlashMask that the person fixed, where the engine reads it; else empty."""
    word = str(s.pin("attn_implementation") or "")
    return word if s.word("engine") == "paddleformers" and word in ("sdpa", "eager") else ""


def no_flash(s: Situation) -> str:
    """Return why FlashAttention does not run on these accelerators; empty when it does."""
    maker = s.hardware.devices[0].maker
    if s.word("precision") == "fp32" or (maker == "nvidia" and capability(s) < AMPERE):
        return say(
            "FlashAttention needs compute capability 8.0 and 16 bits; this is {device} in {precision}.",
            device=shown(s),
            precision=s.word("precision"),
        )
    if maker in DENSE_MAKERS:
        return say("Upstream's recipes for {device} leave it off.", device=shown(s))
    if s.model.position == "alibi":
        return say(
            "{kind} models add a bias by distance, which the kernel does not take.", kind=s.model.model_type
        )
    return ""


@rule(
    "kernels.flash_mask",
    "flash_mask",
    "PaddleNLP 3.0.0b4 llm/run_finetune.py:84-95,246-249; run_dpo.py:57; run_kto.py:52",
)
def flash_mask(s: Situation) -> Choice:
    """Sparse mask for packed rows, where the kernel and the architecture have it."""
    why = no_flash_mask(s)
    if why:
        return Choice(False, why)
    length = s.whole("max_length")
    return Choice(
        True,
        say(
            "Keeps packed rows apart with a mask of {length:,} numbers instead of {length:,} x {length:,}.",
            length=length,
        ),
        (not_(False, say("A dense mask, and no FlashAttention for packed rows.")),),
    )


def no_flash_mask(s: Situation) -> str:
    """Return why FlashMask is not used; empty when it is."""
    if not s.flag("use_flash_attention"):
        return say("Needs FlashAttention, which is off.")
    if not s.on_gpu:
        return say("Its kernel needs a GPU.")
    if s.hardware.devices[0].maker not in FLASH_MASK_MAKERS[s.word("engine")]:
        return say("{engine} has no kernel of it for {device}.", engine=s.word("engine"), device=shown(s))
    if not s.flag("zero_padding"):
        return say("Only packed rows need it, and rows are not packed.")
    if other_attention(s):
        return say("You fixed attn_implementation to {other}.", other=other_attention(s))
    stage = MASK_NAME.get(s.wishes.stage, s.wishes.stage)
    if not stage:
        return say("Stage {stage} does not isolate rows by a mask.", stage=s.wishes.stage)
    split = s.known_whole("pipeline_parallel_degree", 1) > 1
    name = f"{stage}_pipeline" if split and stage in ("sft", "dpo") else stage
    if name not in found_family(s).flash_mask:
        return say(
            "{engine} has it for other architectures, not for {kind} in stage {stage}.",
            engine=s.word("engine"),
            kind=s.model.model_type,
            stage=s.wishes.stage,
        )
    return ""
