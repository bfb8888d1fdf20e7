"""The ways that were not taken: the best of each other kind, and why it lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner.language import say
from planner.phrases import plural, size
from planner.search.base import HEADROOM
from planner.search.ranking import Candidate, Mask, Predicted
from planner.setup import Setup
from planner.situation import Situation


def alternatives(s: Situation, grids: list[Predicted], chosen: tuple[Predicted, int]) -> Iterator[Candidate]:
    """Yield the best way of each other method, then of each other value of each split."""
    same, index = chosen
    best = same.grid.one(index)
    for other in grids:
        if other is not same:
            found = other.best()
            if found is not None:
                yield candidate(s, "method", other, found, chosen)
    for kind, mask in others(same, best):
        found = same.best(mask)
        if found is not None:
            yield candidate(s, kind, same, found, chosen)


def others(same: Predicted, best: Setup) -> Iterator[tuple[str, Mask]]:
    """Yield what differs in one respect: each other value of it, with everything else free."""
    for name in (
        "recompute",
        "tensor",
        "pipeline",
        "sharding",
        "context",
        "expert",
        "offload",
        "micro_batch",
    ):
        values = np.broadcast_to(np.asarray(getattr(same.grid, name)), same.peak.shape)
        for value in np.unique(values):
            if value != getattr(best, name):
                yield name, values == value


def candidate(
    s: Situation, kind: str, grid: Predicted, index: int, chosen: tuple[Predicted, int]
) -> Candidate:
    """Return one way with the reason why it lost against the chosen one."""
    setup = grid.grid.one(index)
    peak, limit = int(grid.peak[index]), int(grid.limit[index])
    return Candidate(
        kind=kind,
        setup=setup,
        peak=peak,
        limit=limit,
        seconds=float(grid.seconds[index]),
        tokens_per_second=float(grid.tokens_per_second[index]),
        fits=bool(grid.fits[index]),
        reason=reason(s, grid, index, chosen),
    )


def reason(s: Situation, grid: Predicted, index: int, chosen: tuple[Predicted, int]) -> str:
    """Return in one sentence why a way lost."""
    peak, best = size(grid.peak[index]), chosen[0]
    if not grid.fits[index]:
        usable = size(HEADROOM * grid.limit[index])
        return say("Needs {peak}, and {usable} may be used.", peak=peak, usable=usable)
    if not grid.few[index] and best.few[chosen[1]]:
        return say(
            "Fits with {peak}, but a step would see {sequences}, too many for the data.",
            peak=peak,
            sequences=plural(int(grid.per_step[index]), "sequence"),
        )
    share = float(best.tokens_per_second[chosen[1]] / grid.tokens_per_second[index] - 1)
    if share > 0.02:
        return say("Fits with {peak}, and is {share:.0%} slower.", peak=peak, share=share)
    if grid.kind.method != best.kind.method:
        return say(
            "Fits with {peak}, and is less suited to what you favour ({goal}).", peak=peak, goal=s.wishes.goal
        )
    if share > -0.02:
        return say("Fits with {peak}, and is no faster.", peak=peak)
    if int(grid.grid.one(index).pipeline) > 1 and int(best.grid.one(chosen[1]).pipeline) == 1:
        return say(
            "Fits with {peak} and takes {share:.0%} less time, too little for a pipeline, which fails more "
            "often.",
            peak=peak,
            share=-share,
        )
    return say(
        "Fits with {peak} and is {share:.1%} faster, too little to be less simple.", peak=peak, share=-share
    )
