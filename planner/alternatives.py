"""Other whole plans for the same wishes: the most different ones that fit, with what they would cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from planner.errors import SteersmanError
from planner.pace import setup_from
from planner.plan import AlternativePlan, Plan
from planner.search import Candidate, differing, outcome, words
from planner.search.naming import named
from planner.situation import Situation
from planner.trade_off import trade_off
from planner.unused import WITHOUT_TRAINING
from planner.wishes import Value

MOST = 3
MOST_TRIED = 5
LEANER = 0.85
"""Share of the chosen plan's memory from which a way counts as leaner."""

GAIN = 0.97
"""Share of memory or time from which another plan gains something."""

METHODS = ("reft", "vera", "lokr", "prefix_tuning", "qlora", "lora", "full")
"""From those that can learn least to those that can learn most: by the weights that they train, and by how
exact the frozen ones are."""

Maker = Callable[..., Plan]


def alternative_plans(s: Situation, plan: Plan, make: Maker) -> tuple[AlternativePlan, ...]:
    """Return up to three other plans, each really made; `make` is `make_plan`."""
    if s.wishes.stage in WITHOUT_TRAINING:
        return ()
    found: list[AlternativePlan] = []
    seen = {figures(plan)}
    for rival in islice(candidates(s), MOST_TRIED):
        changes = {name: value for name, value in pins_of(rival).items() if name not in s.wishes.pins}
        if not changes:
            continue
        try:
            wishes = s.wishes.model_copy(update={"pins": s.wishes.pins | changes})
            other = make(s.facts, wishes, alternatives=False)
        except SteersmanError:
            continue
        if figures(other) in seen or not worth_showing(plan, other):
            continue
        seen.add(figures(other))
        found.append(described(plan, other, changes))
        if len(found) == MOST:
            break
    return tuple(found)


def candidates(s: Situation) -> Iterator[Candidate]:
    """Yield rejected ways that fit: other methods, then the leanest, then the fastest of the rest."""
    best = outcome(s)
    peak = best.peak
    rivals = [
        one
        for one in best.rejected
        if one.fits
        and (
            one.kind == "method"
            or one.peak < GAIN * peak
            or one.tokens_per_second * GAIN > best.tokens_per_second
        )
    ]
    names: set[str] = set()
    for one in rivals:
        if one.kind == "method" and one.setup.method not in names:
            names.add(one.setup.method)
            yield one
    rest = [one for one in rivals if one.kind != "method"]
    lean = sorted(
        (one for one in rest if one.peak <= LEANER * peak), key=lambda one: (one.peak, -one.tokens_per_second)
    )
    if lean:
        yield lean[0]
    yield from sorted(
        (one for one in rest if one not in lean[:1]), key=lambda one: (-one.tokens_per_second, one.peak)
    )


def pins_of(rival: Candidate) -> dict[str, Value]:
    """Return the settings to fix to get a way."""
    setup = rival.setup
    if rival.kind == "method":
        fixed: dict[str, Value] = {"method": setup.method}
        return fixed | ({"weight_quantize_algo": setup.weight_format} if setup.method == "qlora" else {})
    return named(setup, rival.kind)


def figures(plan: Plan) -> tuple[object, ...]:
    """Return what tells two plans apart for a person."""
    ahead = plan.forecast
    return ahead.peak_memory_bytes, ahead.train_seconds, plan.value("method")


def worth_showing(plan: Plan, other: Plan) -> bool:
    """Return whether another plan gains anything: memory, time, or a method that learns more."""
    here, there = plan.forecast, other.forecast
    more = METHODS.index(str(other.value("method"))) > METHODS.index(str(plan.value("method")))
    return (
        more
        or there.peak_memory_bytes < GAIN * here.peak_memory_bytes
        or there.train_seconds < GAIN * here.train_seconds
    )


def described(plan: Plan, other: Plan, changes: dict[str, Value]) -> AlternativePlan:
    """Return another plan in figures, with the trade-off in a sentence."""
    here, there = plan.forecast, other.forecast
    return AlternativePlan(
        title=words(changes),
        changes=changes,
        follows=following(plan, other, changes),
        peak_memory_bytes=there.peak_memory_bytes,
        train_seconds=there.train_seconds,
        tokens_per_second=there.tokens_per_second,
        cost=there.cost,
        because=trade_off(here, there),
    )


def following(plan: Plan, other: Plan, changes: dict[str, Value]) -> dict[str, Value]:
    """Return what another plan shares differently beside what would be fixed for it."""
    here, there = (setup_from(one.value, one.wishes.stage) for one in (plan, other))
    return {name: value for name, value in differing(there, here).items() if name not in changes}
