"""What tells whether a model learns, beside its loss: rewards, pairs told apart, recall, perplexity.

One place for the live display, the plain lines and the app. Their names are those of the journal's metrics
(runtime/workers/progress.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from planner.language import say, template


class Learning(NamedTuple):
    """One figure, as text, of the rows that were trained on and of those held out; empty where unknown."""

    label: str
    train: str
    dev: str

    def text(self) -> str:
        """Return `0.52, dev 0.31`."""
        if not self.dev:
            return self.train
        dev = say("dev {value}", value=self.dev)
        return f"{self.train}, {dev}" if self.train else dev


def signed(value: float) -> str:
    """Return a margin: its sign says whether better answers are ahead."""
    return f"{value:+.3f}"


def share(value: float) -> str:
    """Return a share in percent."""
    return f"{value:.0%}" if math.isfinite(value) else str(value)


def plain(value: float) -> str:
    """Return a divergence."""
    return f"{value:.3f}"


SHOWN: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("rewards/margins", template("reward margin"), signed),
    ("rewards/accuracies", template("pairs told apart"), share),
    ("kl", template("distance to the reference"), plain),
    ("recall", template("right passage found first"), share),
    ("margin", template("similarity margin"), signed),
)
"""Metric -> its words; one of held-out rows is named `eval_...`."""

PRETRAINING = "pretrain"
MOST_EXPONENT = 50.0
"""Losses above are no language; their exponential only fills the line."""


def learning(values: Mapping[str, float], stage: str = "") -> list[Learning]:
    """Return the figures that `values` has, in one order; `stage` is that of the plan's wishes."""
    found = []
    if stage == PRETRAINING:
        found.append(
            Learning(say("perplexity"), *(perplexity(values.get(name)) for name in ("loss", "eval_loss")))
        )
    for name, words, show in SHOWN:
        train, dev = (values.get(key) for key in (name, f"eval_{name}"))
        texts = ["" if value is None else show(value) for value in (train, dev)]
        found.append(Learning(say(words), *texts))
    return [one for one in found if one.train or one.dev]


def perplexity(loss: float | None) -> str:
    """Return exp(loss): among how many tokens the model is undecided; empty without a loss."""
    if loss is None:
        return ""
    return f"{math.exp(loss):.2f}" if loss < MOST_EXPONENT else str(math.inf if loss == loss else loss)
