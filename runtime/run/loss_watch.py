"""Watch the figures of a training: a loss that is no number, is zero, explodes or stands still.

A loss that stays no number cannot come back: the weights themselves are spoilt, and every further step only
costs time. Nothing is learned either where the loss was exactly zero from the first step on. Both end the
stage. An explosion, and a loss that stands still, are said and left to the person.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from planner.language import say
from runtime.events import Metric

PATIENCE = 3
"""Logged losses in a row that decide. One alone may be a step that was skipped by the loss scale of fp16."""

SMOOTHED = 5
"""Losses in a mean: single rows differ by more than training moves."""

EXPLOSION_FACTOR, EXPLOSION_NATS = 3.0, 3.0
"""A smoothed loss this many times its lowest, and this much above it, has exploded: 3 nats more give the
right token a twentieth of its probability."""

STILL_FOR, STILL_WITHIN = 10, 1e-5
"""Logged losses in a row, apart by less than this part of each, that say the model answers alike whatever it
is shown: different rows have different losses. Seen at a learning rate of 1000, where every token became as
likely as any other."""


@dataclass(frozen=True)
class Judgement:
    """Something to say about the loss; `fatal` ends the stage."""

    what: str
    why: str
    remedy: str
    fatal: bool = False


@dataclass
class LossWatch:
    """Takes metrics in order; speaks once about each thing."""

    logged: int = 0
    broken: int = 0
    """Losses in a row that are no number."""
    zero: int = 0
    """Losses in a row that are exactly zero."""
    last_good: int = 0
    """Step of the latest loss that was a number."""
    lowest: float = math.inf
    warned_at: float = 0.0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=SMOOTHED))
    still: int = 0
    """Losses in a row that equal the one before."""
    before: float = math.inf

    def take(self, metric: Metric) -> Judgement | None:
        """Return what is wrong with a training loss, if anything is."""
        loss = metric.values.get("loss")
        if loss is None:
            return None
        self.logged += 1
        if not math.isfinite(loss):
            self.broken += 1
            return self._no_number(metric.step)
        self.broken, self.last_good = 0, metric.step
        self.zero = self.zero + 1 if loss == 0 else 0
        if self.zero:
            return self._zero(metric.step)
        return self._standstill(metric.step, loss) or self._explosion(metric.step, loss)

    def _no_number(self, step: int) -> Judgement | None:
        remedy = say(
            "Plan again with a lower learning_rate or in fp32, and look at the data for empty or broken rows."
        )
        good = say("Step {step} was the last with a number.", step=self.last_good)
        if self.broken == PATIENCE:
            what = say("The loss is no number any more, {count} times in a row.", count=PATIENCE)
            return Judgement(what, good, remedy, fatal=True)
        if self.broken == 1:
            return Judgement(say("The loss of step {step} is no number.", step=step), good, remedy)
        return None

    def _zero(self, step: int) -> Judgement | None:
        if self.zero != PATIENCE:
            return None
        if self.logged == PATIENCE:
            return Judgement(
                say("The loss is exactly 0 from the first step on: nothing is learned."),
                say("No token of the rows counts as an answer, so there is nothing to be wrong about."),
                say("Look at what is trained on: steersman data inspect shows the loss mask of a row."),
                fatal=True,
            )
        return Judgement(
            say("The loss is exactly 0 since step {step}.", step=step - PATIENCE + 1),
            say("The rows are known by heart; further steps teach nothing."),
            say("Fewer epochs, or more rows, would do."),
        )

    def _standstill(self, step: int, loss: float) -> Judgement | None:
        self.still = self.still + 1 if abs(loss - self.before) <= STILL_WITHIN * loss else 0
        self.before = loss
        if self.still != STILL_FOR:
            return None
        return Judgement(
            say(
                "The loss stands still at {loss:.4f} since step {step}, whatever rows are shown.",
                loss=loss,
                step=step - STILL_FOR,
            ),
            say(
                "Such a model answers everything alike: its weights were thrown too far, or none is trained."
            ),
            say("Stop it, and plan again with a lower learning_rate and more warm-up."),
        )

    def _explosion(self, step: int, loss: float) -> Judgement | None:
        self.recent.append(loss)
        mean = sum(self.recent) / len(self.recent)
        lowest = self.lowest
        self.lowest = min(lowest, mean)
        limit = max(EXPLOSION_FACTOR * lowest, lowest + EXPLOSION_NATS)
        if not math.isfinite(lowest) or mean <= limit or mean < 2 * self.warned_at:
            return None
        self.warned_at = mean
        return Judgement(
            say(
                "The loss explodes: about {loss:.2f} at step {step}, and it had been {lowest:.2f}.",
                loss=mean,
                step=step,
                lowest=lowest,
            ),
            "",
            say("Stop it, and plan again with a lower learning_rate, more warm-up or a lower max_grad_norm."),
        )
