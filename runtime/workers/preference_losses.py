"""What is learned from preferences: what a model makes of both answers, and the loss and figures of that.

DPO and its relatives take their formulas from PaddleNLP's own `DPOCriterion`. KTO's stands here: PaddleNLP
lets the point that answers are measured against fall below zero on one process, where the paper holds it at
zero (arXiv:2402.01306, equation 8; paddlenlp 3.0.0b4 transformers/kto_criterion.py:kto_loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import paddle
from paddle.nn import functional

from runtime.workers.answer_logits import AnswerLogits
from runtime.workers.conversation import IGNORED
from runtime.workers.preference_dataset import inputs_of

if TYPE_CHECKING:
    from paddlenlp.trl import DPOCriterion

    from runtime.workers.preference_arguments import Objective

AVERAGED = ("ipo", "or", "simpo")
"""Losses of the mean log-probability of an answer's tokens (dpo_criterion.py:forward); others take the
sum."""


class Judged(NamedTuple):
    """What policy and reference make of both answers, per pair: log-probabilities, or scores of a reward
    model."""

    first: paddle.Tensor
    second: paddle.Tensor
    reference_first: paddle.Tensor
    reference_second: paddle.Tensor
    good: paddle.Tensor
    """Whether the first answer is a good one; always, but for KTO."""
    first_tokens: paddle.Tensor
    second_tokens: paddle.Tensor

    def detached(self) -> Judged:
        """Return the values without their history."""
        return Judged(*(values.detach() for values in self))


def joined(parts: Sequence[Judged]) -> Judged:
    """Return several batches as one."""
    return Judged(*(paddle.concat([part[index] for part in parts]) for index in range(len(Judged._fields))))


def per_answer(values: paddle.Tensor, owners: paddle.Tensor, pairs: int) -> paddle.Tensor:
    """Return [pairs, 2]: the sum of `values` [kept] over the positions that each answer owns."""
    chosen = functional.one_hot(owners - 1, 2 * pairs).astype(values.dtype)
    return paddle.matmul(values.unsqueeze(0), chosen).reshape([pairs, 2])


def log_probabilities(
    model: Any, hooks: AnswerLogits | None, batch: dict[str, paddle.Tensor], logprobs: Any
) -> paddle.Tensor:
    """Return [pairs, 2]: the log-probability of both answers under a causal language model.

    Logits are computed within the answers alone where `hooks` can see to that. `logprobs` is the criterion's
    cross-entropy without reduction, which also knows logits that are spread over devices.
    """
    owners, labels = batch["owners"].flatten(), batch["labels"].flatten()
    positions = paddle.nonzero(owners > 0).flatten()
    if hooks is not None:
        hooks.labels = paddle.where(
            batch["owners"] > 0, batch["labels"], paddle.full_like(batch["labels"], IGNORED)
        )
    try:
        output = model(**inputs_of(batch))
    finally:
        if hooks is not None:
            hooks.labels = hooks.positions = None
    logits = output[0] if isinstance(output, tuple) else output
    logits = logits.flatten(0, 1)
    if hooks is None:
        logits = paddle.index_select(logits, positions)
    wanted = paddle.index_select(labels, positions).unsqueeze(-1)
    found = -logprobs(logits.astype("float32"), wanted).flatten()
    return per_answer(found, paddle.index_select(owners, positions), batch["marks"].shape[0])


def answer_tokens(batch: dict[str, paddle.Tensor]) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return how many tokens the first and the second answers have."""
    marks = batch["marks"].astype("float32")
    return marks[:, 2] - marks[:, 1], marks[:, 3] - marks[:, 2]


def scores_at_ends(model: Any, batch: dict[str, paddle.Tensor]) -> paddle.Tensor:
    """Return [pairs, 2]: a reward model's score at the last token of both answers."""
    output = model(**inputs_of(batch))
    scores = (output[0] if isinstance(output, tuple) else output.logits).squeeze(-1).astype("float32")
    marks = batch["marks"]
    ends = [paddle.stack([marks[:, 0], marks[:, column] - 1], axis=-1) for column in (2, 3)]
    return paddle.stack([paddle.gather_nd(scores, end) for end in ends], axis=-1)


def judged(batch: dict[str, paddle.Tensor], policy: paddle.Tensor, reference: paddle.Tensor | None) -> Judged:
    """Return what was made of a batch; `policy` and `reference` are [pairs, 2]."""
    if reference is None:
        reference = paddle.zeros_like(policy)
    good = batch["marks"][:, 4] > 0
    return Judged(policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1], good, *answer_tokens(batch))


def loss_of(
    objective: Objective, found: Judged, criterion: DPOCriterion, baseline: paddle.Tensor | None = None
) -> Any:
    """Return the mean loss over pairs. `baseline` is KTO's, if it was measured over more than these."""
    if objective.stage == "reward":
        return -functional.log_sigmoid(found.first - found.second).mean()
    if objective.stage == "kto":
        return kto_loss(objective, found, kto_baseline(found) if baseline is None else baseline)
    first, second, reference_first, reference_second = weighed(objective, found)
    loss = criterion.dpo_loss(first, second, reference_first, reference_second)
    if objective.sft_loss_ratio:
        loss = loss - objective.sft_loss_ratio * found.first.sum() / found.first_tokens.sum()
    return loss


def weighed(objective: Objective, found: Judged) -> tuple[paddle.Tensor, ...]:
    """Return policy and reference of both answers, as means over their tokens where the loss wants that."""
    if objective.loss_type not in AVERAGED or objective.stage != "dpo":
        return found.first, found.second, found.reference_first, found.reference_second
    tokens = (found.first_tokens, found.second_tokens) * 2
    return tuple(value / count for value, count in zip(found[:4], tokens, strict=True))


def kto_baseline(found: Judged) -> paddle.Tensor:
    """Return how much likelier than the reference the policy finds answers to other questions, at least 0."""
    return (found.second - found.reference_second).mean().detach().clip(min=0)


def kto_loss(objective: Objective, found: Judged, baseline: paddle.Tensor) -> paddle.Tensor:
    """Return the mean loss over good and bad answers, each with its weight."""
    ratio = found.first - found.reference_first
    sign = paddle.where(found.good, paddle.ones_like(ratio), -paddle.ones_like(ratio))
    weight = paddle.where(
        found.good,
        paddle.full_like(ratio, objective.desirable_weight),
        paddle.full_like(ratio, objective.undesirable_weight),
    )
    return (weight * (1 - functional.sigmoid(objective.beta * sign * (ratio - baseline)))).mean()


def figures(objective: Objective, found: Judged) -> dict[str, float]:
    """Return rewards in the field's names: beta times the log-ratio to the reference, or a reward model's
    scores.

    `rewards/accuracies` is the share of pairs whose better answer has the higher reward. Judged answers
    have no pairs: good ones count as chosen, bad ones as rejected, and `kl` is what both are measured
    against.
    """
    if objective.stage == "kto":
        rewards = objective.beta * (found.first - found.reference_first)
        good = found.good
        chosen, rejected = rewards[good], rewards[paddle.logical_not(good)]
        extra = {"kl": float(kto_baseline(found))}
    else:
        first, second, reference_first, reference_second = weighed(objective, found)
        scale = 1.0 if objective.stage == "reward" else objective.beta
        chosen, rejected = scale * (first - reference_first), scale * (second - reference_second)
        extra = {"rewards/accuracies": float((chosen > rejected).astype("float32").mean())}
    named = {"rewards/chosen": chosen, "rewards/rejected": rejected}
    result = {name: float(values.mean()) for name, values in named.items() if values.shape[0]}
    if len(result) == len(named):
        extra["rewards/margins"] = result["rewards/chosen"] - result["rewards/rejected"]
    return result | extra
