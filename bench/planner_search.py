"""How long the search takes, and a whole plan with its explanation and alternatives; peak memory of both.

The search is timed on a situation in which everything before it is decided, without what an earlier one
remembered; catalogues are read before. Aims: 20 ms for 7B on 8 cards, 150 ms for 70B on 1024 cards and
DeepSeek-V3 on 2048.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from planner.facts import Facts
from planner.search import outcome
from planner.situation import Situation
from planner.solve import make_plan, solved
from planner.wishes import Wishes
from tests.planner.scenes import MANY, SHORT, data, facts

ROUNDS = 9
CORPUS = data(rows=2_000_000, mean=900, longest=4_000)


class Scene(NamedTuple):
    """One question to the search."""

    name: str
    facts: Callable[[], Facts]
    wishes: Wishes
    aim: float
    """Milliseconds."""


SCENES = (
    Scene("demo, 135M on two cores", lambda: facts(), Wishes(), 20),
    Scene("7B on 8 cards", lambda: facts("qwen2.5-7b-instruct", SHORT, "8x A100-80G nvlink"), Wishes(), 20),
    Scene(
        "70B on 1024 cards",
        lambda: facts("llama-3.1-70b-instruct", MANY, "128 nodes x 8 H800 ib 400"),
        Wishes(goal="quality"),
        150,
    ),
    Scene(
        "DeepSeek-V3 on 2048 cards",
        lambda: facts("deepseek-v3", CORPUS, "256 nodes x 8 H800 ib 400"),
        Wishes(stage="pretrain"),
        150,
    ),
)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median milliseconds of `work` and its peak memory in MiB."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return statistics.median(taken), peak


def fresh(s: Situation) -> Situation:
    """Return the situation without what was computed before."""
    return replace(s, memo={})


def main() -> int:
    """Print a line for each scene; return 1 when a search misses its aim."""
    missed = 0
    print(f"{'scene':28} {'ways':>7} {'search':>9} {'aim':>7} {'memory':>9} {'whole plan':>11} {'memory':>9}")
    for scene in SCENES:
        known = scene.facts()
        s = solved(known, scene.wishes)
        ways = outcome(fresh(s)).considered
        search, held = timed(lambda s=s: outcome(fresh(s)))  # type: ignore[misc]
        whole, held_whole = timed(lambda k=known, w=scene.wishes: make_plan(k, w))  # type: ignore[misc]
        missed += search > scene.aim
        print(
            f"{scene.name:28} {ways:7,} {search:6.1f} ms {scene.aim:4.0f} ms {held:5.1f} MiB "
            f"{whole:8.0f} ms {held_whole:5.1f} MiB"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
