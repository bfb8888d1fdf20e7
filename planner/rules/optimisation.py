"""How weights move: how long, how fast, in which shape."""

from __future__ import annotations

import math

from planner.budget import USUAL_EPOCHS, time_for_steps, wanted_epochs
from planner.language import say
from planner.pace import epoch_seconds, epoch_steps, step_seconds, time_range
from planner.phrases import count, duration, parameters, plural
from planner.rules.rates import chosen_rate, rate_of
from planner.rules.rule import UPSTREAM_RECIPES, Choice, not_, rule
from planner.situation import Situation

WARMUP_SHARE = 0.1
MOST_WARMUP = 100
FEWEST_FOR_WARMUP = 20

PRETRAIN_WARMUP_SHARE, PRETRAIN_WARMUP = 0.01, 30
"""Upstream's pretraining recipes: warmup_ratio 0.01, and warmup_steps 30, which counts where both are given
(llm/config/*/pretrain_argument.json; trainer/training_args.py get_warmup_steps)."""

LOWEST_SHARE = 0.1
"""Where pretraining's decay ends, as a share of the peak (upstream: 3e-6 of 3e-5; arXiv:2203.15556)."""


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
        because = say(
            "{steps}, which you fixed, pass over {rows} {value} time(s).",
            steps=plural(steps_pinned, "step"),
            rows=plural(rows, "row"),
            value=value,
        )
        return Choice(value, because)
    wanted, available, one = wanted_epochs(s), time_for_steps(s), epoch_seconds(s)
    if available is not None and wanted * one > available:
        because = say(
            "One pass takes about {one}. Your limit of {limit:g} min leaves {available} for steps: it should "
            "hold even if training takes {high:.0%} of the time forecast.",
            one=duration(one),
            limit=s.wishes.time_limit_minutes or 0,
            available=duration(available),
            high=time_range(s)[1],
        )
        too_long = say("Would take about {time}.", time=duration(wanted * one))
        return Choice(max(1, int(available / one)), because, (not_(wanted, too_long),))
    return usual_epochs(s, wanted, one)


def usual_epochs(s: Situation, wanted: int, one: float) -> Choice:
    """Explain the passes that nothing cuts short."""
    rows = s.data.train_rows
    if s.wishes.stage == "pretrain":
        because = say(
            "Text is read once (about {one}): a model that sees it again learns it by heart.",
            one=duration(one),
        )
        return Choice(wanted, because, (not_(wanted + 1, say("Repeats text for little gain.")),))
    if wanted > USUAL_EPOCHS:
        because = say(
            "{rows} are few: {wanted} passes show {visits} rows, enough to learn them.",
            rows=plural(rows, "row"),
            wanted=wanted,
            visits=count(rows * wanted),
        )
        few = say("{visits} rows seen, too few to change the model.", visits=count(3 * rows))
        return Choice(wanted, because, (not_(USUAL_EPOCHS, few),))
    because = say(
        "{rows} are learned in {passes} (about {one} each).",
        rows=plural(rows, "row"),
        passes=plural(wanted, "pass", "passes"),
        one=duration(one),
    )
    return Choice(wanted, because, (not_(wanted + 2, say("Repeats rows until the model recites them.")),))


@rule("optimisation.steps", "max_steps", "sampler: every step complete, the last of an epoch filled up")
def steps(s: Situation) -> Choice:
    """Epochs x steps per epoch, cut if even that is too long."""
    per_epoch, passes = epoch_steps(s), s.whole("num_train_epochs")
    total, available = per_epoch * passes, time_for_steps(s)
    if available is not None and total * step_seconds(s) > available and s.pin("num_train_epochs") is None:
        value = max(1, int(available / step_seconds(s)))
        because = say(
            "A step takes about {step}; {value} of {per_epoch} steps of one pass fit into {available}, so "
            "only {share:.0%} of the rows are seen.",
            step=duration(step_seconds(s)),
            value=value,
            per_epoch=per_epoch,
            available=duration(available),
            share=value / per_epoch,
        )
        too_long = say("Would take about {time}.", time=duration(total * step_seconds(s)))
        return Choice(value, because, (not_(total, too_long),))
    because = say(
        "{passes} x {steps} per pass.",
        passes=plural(passes, "pass", "passes"),
        steps=plural(per_epoch, "step"),
    )
    return Choice(total, because)


@rule(
    "optimisation.learning_rate",
    "learning_rate",
    f"{UPSTREAM_RECIPES}, by stage and method (planner/rules/rates.py); measured on the demo: 2e-3",
)
def learning_rate(s: Situation) -> Choice:
    """Larger for adapters than for weights, larger for small models than for large ones; far lower where
    preferences are learned."""
    row, value = rate_of(s), chosen_rate(s)
    because = say(
        "Method {method} at {number} weights: {base:g} is usual at 7B, and smaller models bear larger steps.",
        method=s.word("method"),
        number=parameters(s.model.parameters),
        base=row.base,
    )
    if s.wishes.stage not in ("sft", "quantise", "export"):
        because = say(
            "Stage {stage} with method {method} at {number} weights: {base:g} is usual at 7B.",
            stage=s.wishes.stage,
            method=s.word("method"),
            number=parameters(s.model.parameters),
            base=row.base,
        )
    learns_less = say("Learns too little in {steps}.", steps=plural(s.whole("max_steps"), "step"))
    return Choice(
        value,
        because,
        (
            not_(float(f"{value * 3:.1g}"), say("The loss is likely to jump.")),
            not_(float(f"{value / 3:.1g}"), learns_less),
        ),
    )


@rule("optimisation.schedule", "lr_scheduler_type", "arXiv:1608.03983; measured on the demo")
def schedule(s: Situation) -> Choice:
    """Cosine: high while there is much to learn, zero at the end."""
    because = say(
        "Over {steps} it stays high in the first half, then falls smoothly to zero.",
        steps=plural(s.whole("max_steps"), "step"),
    )
    if s.wishes.stage == "pretrain":
        because = say(
            "Over {steps} it stays high in the first half, then falls smoothly to its floor.",
            steps=plural(s.whole("max_steps"), "step"),
        )
    return Choice(
        "cosine",
        because,
        (
            not_("linear", say("Falls from the first step on; upstream's default, and nearly as good.")),
            not_("constant", say("Never settles: the last rows count for more than the first.")),
        ),
    )


@rule("optimisation.warmup", "warmup_steps", f"{UPSTREAM_RECIPES}: 30 steps; measured on the demo: 10%")
def warmup(s: Situation) -> Choice:
    """A tenth of the steps, at most a hundred; in pretraining at most thirty, or a hundredth."""
    total = s.whole("max_steps")
    if total < FEWEST_FOR_WARMUP:
        because = say(
            "Of {steps} none can be spared, and a warm-up's first step has rate zero.",
            steps=plural(total, "step"),
        )
        return Choice(0, because)
    value = min(MOST_WARMUP, round(total * WARMUP_SHARE))
    if s.wishes.stage == "pretrain":
        value = max(min(PRETRAIN_WARMUP, value), round(total * PRETRAIN_WARMUP_SHARE))
    because = say(
        "The first {value} of {steps}, while Adam's averages settle.",
        value=value,
        steps=plural(total, "step"),
    )
    none = say("The first steps would be the largest, from the poorest estimate.")
    return Choice(value, because, (not_(0, none),))


@rule("optimisation.floor", "min_learning_rate", f"{UPSTREAM_RECIPES}: 3e-6 of 3e-5; arXiv:2203.15556")
def floor(s: Situation) -> Choice:
    """A tenth of the peak in pretraining, which goes on afterwards; zero in fine-tuning."""
    if s.wishes.stage != "pretrain":
        return Choice(0.0, say("Fine-tuning ends at zero: the last steps settle."))
    value = float(f"{s.number('learning_rate') * LOWEST_SHARE:.1g}")
    because = say(
        "{share:.0%} of the peak, as usual in pretraining: what is trained next can go on from there.",
        share=LOWEST_SHARE,
    )
    return Choice(value, because)


@rule("optimisation.weight_decay", "weight_decay", "AdamW: arXiv:1711.05101; PaddleNLP default 0.0")
def weight_decay(s: Situation) -> Choice:
    """None for adapters, a little for full training."""
    if s.word("method") != "full":
        return Choice(
            0.0, say("Adapters start at zero and stay small; pulling them back would only slow them.")
        )
    because = say(
        "A little pull towards zero for {number} trained weights.", number=parameters(s.model.parameters)
    )
    return Choice(0.01, because)


@rule("optimisation.clip", "max_grad_norm", "arXiv:1211.5063; PaddleNLP default 1.0")
def clip(s: Situation) -> Choice:
    """The usual limit."""
    because = say("One bad row cannot throw the weights off: longer gradients are scaled down to length 1.")
    return Choice(1.0, because)


RULES = (epochs, steps, learning_rate, schedule, warmup, floor, weight_decay, clip)
