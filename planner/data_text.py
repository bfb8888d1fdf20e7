"""Data that is elsewhere, described by its size: `50000` rows of `350:2048` tokens become facts."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Literal

from planner.errors import BadInput
from planner.facts import DataFacts, TokenLengths
from planner.language import say

Layout = Literal["messages", "text", "preference", "labelled", "retrieval"]

SPREAD = 0.6
"""Standard deviation of the logarithm of row lengths: an assumption where nobody counted. With it the 90th
percentile is 1.8 times the mean, and the longest of some thousand rows 7 times."""

LONGEST = 3.5
"""The longest of some thousand rows, in standard deviations above the median: expected maximum of 4,000
normal draws."""

ANSWER_SHARE = 0.5
"""Share of tokens that carry loss; an assumption, 1 for continued pretraining."""

MOST_DEV_ROWS = 1000
"""Most rows that are held out when the data has no dev file: more of them take time at every look and hardly
sharpen the loss, whose standard error falls with their square root."""

LAYOUTS: dict[str, Layout] = {
    "pretrain": "text",
    "dpo": "preference",
    "orpo": "preference",
    "simpo": "preference",
    "reward": "preference",
    "kto": "labelled",
    "embedding": "retrieval",
}
"""Stage -> layout of its rows; conversations for the others."""


def parse(rows: int, tokens: str, stage: str = "sft", dev_fraction: float = 0.05) -> DataFacts:
    """Return the facts of `rows` rows with `tokens` tokens each: `mean`, or `mean:longest`.

    Raises `BadInput` for tokens of another form, or a longest row that is shorter than the mean.
    """
    mean, longest = read_tokens(tokens)
    dev = min(rows - 1, MOST_DEV_ROWS, max(1, round(rows * dev_fraction))) if dev_fraction else 0
    train = rows - dev
    median = mean / math.exp(SPREAD**2 / 2)
    most = longest or max(1, round(median * math.exp(SPREAD * LONGEST)))

    def quantile(deviations: float) -> int:
        return max(1, min(most, round(median * math.exp(SPREAD * deviations))))

    total = round(train * mean)
    return DataFacts(
        path="described",
        format=LAYOUTS.get(stage, "messages"),
        train_rows=train,
        dev_rows=dev,
        dev_given=False,
        typed=True,
        lengths=TokenLengths(
            mean=mean,
            p50=quantile(0.0),
            p90=quantile(1.2816),
            p99=quantile(2.3263),
            max=most,
            total=total,
            answer_total=total if stage == "pretrain" else round(total * ANSWER_SHARE),
            counted=False,
        ),
        fingerprint=hashlib.sha256(f"described {rows} {tokens} {stage} {dev_fraction}".encode()).hexdigest(),
    )


def read_tokens(text: str) -> tuple[float, int | None]:
    """Return (mean, longest) of `350` or `350:2048`; `k` stands for 1,000."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)(k?)\s*(?::\s*(\d+(?:\.\d+)?)(k?)\s*)?", text.lower())
    if match is None or float(match[1]) <= 0:
        raise BadInput(
            say("Tokens per row cannot be read from {text}.", text=repr(text)),
            remedy=say("Give the mean, or the mean and the longest: 350 or 350:2048."),
        )
    mean = float(match[1]) * (1000 if match[2] else 1)
    if match[3] is None:
        return mean, None
    longest = int(float(match[3]) * (1000 if match[4] else 1))
    if longest < mean:
        raise BadInput(
            say(
                "The longest row ({longest:,} tokens) cannot be shorter than the mean ({mean:,.0f}).",
                longest=longest,
                mean=mean,
            )
        )
    return mean, longest
