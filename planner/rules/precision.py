"""Number formats: what this device really computes in, and no more."""

from __future__ import annotations

from planner.device_catalogue import find_device
from planner.language import say
from planner.phrases import size
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation

AMPERE = (8, 0)
VOLTA = (7, 0)

FIRST_SCALE = 32768.0
"""Upstream's first loss scale for fp16 (trainer/training_args.py:798); it is halved at each overflow."""


def capability(s: Situation) -> tuple[int, int]:
    """Return the lowest compute capability of the devices; unknown NVIDIA devices count as Ampere, devices of
    other makers have none."""
    known = [device.compute_capability or "8.0" for device in s.hardware.devices if device.maker == "nvidia"]
    return min((tuple(int(part) for part in text.split(".")[:2]) for text in known), default=(0, 0))  # type: ignore[return-value]


def nvidia(s: Situation) -> bool:
    """Return whether training runs on NVIDIA cards."""
    return s.on_gpu and s.hardware.devices[0].maker == "nvidia"


def shown(s: Situation) -> str:
    """Return the devices and, of NVIDIA's, their capability, for a sentence."""
    device = s.hardware.devices[0]
    if device.maker != "nvidia":
        return device.name
    return say(
        "{name} (compute capability {version})",
        name=device.name,
        version=".".join(map(str, capability(s))),
    )


def formats(s: Situation) -> tuple[str, ...]:
    """Return the 16-bit formats in which the devices reach their full speed, bf16 first."""
    if s.hardware.devices[0].maker == "nvidia":
        found = capability(s)
        return ("bf16", "fp16") if found >= AMPERE else ("fp16",) if found >= VOLTA else ()
    entry = find_device(s.hardware.devices[0].name)
    if entry is None:
        return ("bf16", "fp16")
    return tuple(name for name in ("bf16", "fp16") if name in entry.tflops or name == entry.trains_in)


@rule("precision.precision", "precision", f"{MEASURED_CPU}; bf16 kernels: NVIDIA compute capability 8.0")
def precision(s: Situation) -> Choice:
    """bf16 where the device has it, fp16 on Volta and Turing, fp32 on the CPU."""
    if not s.on_gpu:
        return Choice(
            "fp32",
            say(
                "The only format that Paddle really trains in on a processor ({cpu}).",
                cpu=s.hardware.cpu.name,
            ),
            (
                not_(
                    "bf16", say("Silently computes in float32 under O1, and has no matmul kernel under O2.")
                ),
                not_(
                    "fp16",
                    say("Its loss scaler fails on a processor under O1, and it has no kernels under O2."),
                ),
            ),
        )
    entry = find_device(s.hardware.devices[0].name)
    if entry is not None and entry.trains_in:
        return Choice(
            entry.trains_in,
            say("Upstream's own recipes for such devices train in {precision}.", precision=entry.trains_in),
            (not_("fp32", say("Twice the memory and slower.")),),
        )
    known = formats(s)
    if "bf16" in known:
        return Choice(
            "bf16",
            say(
                "{device} computes bf16 at full speed, and its range needs no loss scaling.", device=shown(s)
            ),
            (
                not_("fp16", say("Same speed, but it overflows and needs loss scaling.")),
                not_("fp32", say("Twice the memory and a fraction of the speed.")),
            ),
        )
    if "fp16" in known:
        return Choice(
            "fp16",
            say("{device} computes fp16 at full speed and has no bf16.", device=shown(s)),
            (
                not_("bf16", say("{device} has no kernels for it.", device=shown(s))),
                not_("fp32", say("Twice the memory and slower.")),
            ),
        )
    return Choice(
        "fp32",
        say("{device} has no tensor cores, so 16 bits gain no speed.", device=shown(s)),
        (
            not_("fp16", say("No faster here, and it overflows.")),
            not_("bf16", say("{device} has no kernels for it.", device=shown(s))),
        ),
    )


@rule(
    "precision.opt_level",
    "fp16_opt_level",
    "PaddleNLP 3.0.0b4 llm/run_finetune.py:149-155; paddleformers cli/train/sft/workflow.py:247-255",
)
def opt_level(s: Situation) -> Choice:
    """O2 halves the weights where there are 16-bit kernels."""
    if s.word("precision") == "fp32":
        return Choice(
            "O1",
            say("With fp32 there is nothing to cast."),
            (not_("O2", say("Refused unless precision is bf16 or fp16.")),),
        )
    saved = size(2 * s.model.parameters)
    return Choice(
        "O2",
        say(
            "Keeps the weights themselves in {precision}: {saved} less than float32, with float32 master "
            "copies "
            "of what is trained.",
            precision=s.word("precision"),
            saved=saved,
        ),
        (
            not_(
                "O1",
                say("Keeps float32 weights ({saved} more) and casts them for every operation.", saved=saved),
            ),
        ),
    )


@rule("precision.master_grad", "amp_master_grad", "PaddleNLP 3.0.0b4 trainer/training_args.py:526,1233")
def master_grad(s: Situation) -> Choice:
    """Accumulate gradients in float32 when weights are 16 bits wide."""
    if s.word("precision") == "fp32":
        return Choice(False, say("Gradients are float32 already; the engine would switch it off."))
    return Choice(
        True,
        say(
            "Small {precision} gradients vanish when they are summed; float32 sums keep them.",
            precision=s.word("precision"),
        ),
        (not_(False, say("Less memory, at the risk of a loss that stops falling.")),),
    )


@rule(
    "precision.scale_loss", "scale_loss", "PaddleNLP 3.0.0b4 trainer/training_args.py:798; arXiv:1710.03740"
)
def scale_loss(s: Situation) -> Choice:
    """Upstream's first scale; the scaler adapts it."""
    if s.word("precision") != "fp16":
        return Choice(
            FIRST_SCALE,
            say("Only fp16 needs it, and the precision is {precision}.", precision=s.word("precision")),
        )
    return Choice(
        FIRST_SCALE,
        say("Keeps small fp16 gradients above its smallest number; it is halved whenever one overflows."),
        (not_(1.0, say("Gradients below 0.00006 would lose digits or vanish.")),),
    )


@rule(
    "precision.optimizer", "optim", "AdamW: arXiv:1711.05101; PaddleNLP 3.0.0b4 trainer/trainer.py:1998-2014"
)
def optimizer(s: Situation) -> Choice:
    """AdamW; with moments of 16 bits only when memory is what counts and every weight is trained."""
    trains_all = s.pin("method") == "full" or s.wishes.stage in ("pretrain", "reward", "embedding")
    mini = not_("adamw_mini", say("Does not work with tensor parallelism, and few recipes have tried it."))
    if s.wishes.goal == "memory" and s.on_gpu and trains_all and s.word("precision") != "fp32":
        saved = size(4 * s.model.parameters)
        return Choice(
            "adamw_16bit_moment",
            say("Goal memory: Adam's two averages in 16 bits take {saved} less.", saved=saved),
            (not_("adamw", say("{saved} more over all processes.", saved=saved)), mini),
        )
    return Choice(
        "adamw",
        say("Adam with decoupled decay, which nearly all of upstream's recipes use."),
        (
            not_(
                "adamw_16bit_moment",
                say(
                    "Rounds Adam's averages to 16 bits; it pays for goal memory when all weights are trained."
                )
                if s.on_gpu
                else say("Has no 16-bit kernels on a processor."),
            ),
            mini,
        ),
    )


RULES = (precision, opt_level, master_grad, scale_loss, optimizer)
"""Before the search."""
