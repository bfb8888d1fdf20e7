"""How weights move: how long, how fast, in which shape."""

from __future__ import annotations

import math

from planner.budget import USUAL_EPOCHS, time_for_steps, wanted_epochs
from planner.pace import epoch_seconds, epoch_steps, step_seconds
from planner.phrases import count, duration, parameters, plural
from planner.rules.rule import UPSTREAM_RECIPES, Choice, not_, rule
from planner.situation import Situation

WARMUP_SHARE = 0.1
MOST_WARMUP = 100
FEWEST_FOR_WARMUP = 20

BASE_RATE = {"lora": 3e-4, "full": 3e-5}
BASE_PARAMETERS = 7e9
RATE_EXPONENT = {"lora": 0.48, "full": 0.3}
RATE_RANGE = {"lora": (1e-4, 2e-3), "full": (5e-6, 2e-4)}
"""Upstream's recipes use 3e-4 (LoRA) and 3e-5 (full) for 7B models; smaller models take larger steps. LoRA's
exponent joins 3e-4 at 7B with 2e-3 at 135M, which was measured to learn the demo better than 1e-3."""


@rule(
    "optimisation.epochs",
    "num_train_epochs",
    f"{UPSTREAM_RECIPES}: 3 epochs; small data: measured on the demo",
)
def epochs(s: Situation) -> Choice:
    """Many passes over little data, few over much; fewer when time is short."""
    steps_pinned, rows = s.pinned_whole("max_steps"), s.data.train_rows
    if steps_pinned:
        value = math.ceil(steps_pinned / epoch_steps(s))
        return Choice(
            value,
            f"{plural(steps_pinned, 'step')}, which you fixed, pass over {plural(rows, 'row')} {value} "
            "time(s).",
        )
    wanted, available, one = wanted_epochs(s), time_for_steps(s), epoch_seconds(s)
    if available is not None and wanted * one > available:
        value = max(1, int(available / one))
        return Choice(
            value,
            f"One pass takes about {duration(one)}, and your limit of {s.wishes.time_limit_minutes:g} min "
            f"leaves {duration(available)} for training.",
            (not_(wanted, f"Would take about {duration(wanted * one)}."),),
        )
    visits = rows * wanted
    if wanted > USUAL_EPOCHS:
        because = (
            f"{plural(rows, 'row')} are few: {wanted} passes show {count(visits)} rows, enough to learn them."
        )
        return Choice(
            wanted,
            because,
            (not_(USUAL_EPOCHS, f"{count(3 * rows)} rows seen, too few to change the model."),),
        )
    because = (
        f"{plural(rows, 'row')} are learned in {plural(wanted, 'pass', 'passes')} (about {duration(one)} "
        "each)."
    )
    return Choice(wanted, because, (not_(wanted + 2, "Repeats rows until the model recites them."),))


@rule("optimisation.steps", "max_steps", "sampler: every step complete, the last of an epoch filled up")
def steps(s: Situation) -> Choice:
    """Epochs x steps per epoch, cut if even that is too long."""
    per_epoch, passes = epoch_steps(s), s.whole("num_train_epochs")
    total = per_epoch * passes
    available = time_for_steps(s)
    if (
        available is not None
        and total * step_seconds(s) > available * 1.02
        and s.pin("num_train_epochs") is None
    ):
        value = max(1, int(available / step_seconds(s)))
        return Choice(
            value,
            f"A step takes about {duration(step_seconds(s))}; {value} of {per_epoch} steps of one pass fit "
            f"into {duration(available)}, so only {value / per_epoch:.0%} of the rows are seen.",
            (not_(total, f"Would take about {duration(total * step_seconds(s))}."),),
        )
    return Choice(total, f"{plural(passes, 'pass', 'passes')} x {plural(per_epoch, 'step')} per pass.")


@rule(
    "optimisation.learning_rate",
    "learning_rate",
    f"{UPSTREAM_RECIPES}: 3e-4 LoRA, 3e-5 full at 7B; measured on the demo: 2e-3",
)
def learning_rate(s: Situation) -> Choice:
    """Larger for adapters than for weights, larger for small models than for large ones."""
    method = s.word("method")
    low, high = RATE_RANGE[method]
    exact = BASE_RATE[method] * (BASE_PARAMETERS / s.model.parameters) ** RATE_EXPONENT[method]
    value = float(f"{min(max(exact, low), high):.1g}")
    return Choice(
        value,
        f"Method {method} at {parameters(s.model.parameters)} weights: {BASE_RATE[method]:g} is usual at 7B, "
        "and smaller models bear larger steps.",
        (
            not_(float(f"{value * 3:.1g}"), "The loss is likely to jump."),
            not_(float(f"{value / 3:.1g}"), f"Learns too little in {plural(s.whole('max_steps'), 'step')}."),
        ),
    )


@rule("optimisation.schedule", "lr_scheduler_type", "arXiv:1608.03983; measured on the demo")
def schedule(s: Situation) -> Choice:
    """Cosine: high while there is much to learn, zero at the end."""
    total = s.whole("max_steps")
    return Choice(
        "cosine",
        f"Over {plural(total, 'step')} it stays high in the first half, then falls smoothly to zero.",
        (
            not_("linear", "Falls from the first step on; upstream's default, and nearly as good."),
            not_("constant", "Never settles: the last rows count for more than the first."),
        ),
    )


@rule("optimisation.warmup", "warmup_steps", f"{UPSTREAM_RECIPES}: 30 steps; measured on the demo: 10%")
def warmup(s: Situation) -> Choice:
    """A tenth of the steps, at most a hundred."""
    total = s.whole("max_steps")
    if total < FEWEST_FOR_WARMUP:
        return Choice(
            0, f"Of {plural(total, 'step')} none can be spared, and a warm-up's first step has rate zero."
        )
    value = min(MOST_WARMUP, round(total * WARMUP_SHARE))
    return Choice(
        value,
        f"{value / total:.0%} of {plural(total, 'step')}, while Adam's averages settle.",
        (not_(0, "The first steps would be the largest, from the poorest estimate."),),
    )


@rule("optimisation.weight_decay", "weight_decay", "AdamW: arXiv:1711.05101; PaddleNLP default 0.0")
def weight_decay(s: Situation) -> Choice:
    """None for adapters, a little for full training."""
    if s.word("method") == "lora":
        return Choice(0.0, "Adapters start at zero and stay small; pulling them back would only slow them.")
    return Choice(0.01, f"A little pull towards zero for {parameters(s.model.parameters)} trained weights.")


@rule("optimisation.clip", "max_grad_norm", "arXiv:1211.5063; PaddleNLP default 1.0")
def clip(s: Situation) -> Choice:
    """The usual limit."""
    return Choice(
        1.0, "One bad row cannot throw the weights off: longer gradients are scaled down to length 1."
    )


RULES = (epochs, steps, learning_rate, schedule, warmup, weight_decay, clip)
