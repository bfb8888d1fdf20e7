"""The search itself: grids of every method, predicted and ranked, once for each set of earlier decisions."""

from __future__ import annotations

from dataclasses import dataclass

from planner import memory
from planner.pace import PARTS_OF_SEARCH
from planner.search.axes import Dropped, axes_for, recompute_choices
from planner.search.base import family_of, held, profile_of, setup_for
from planner.search.demand import room_for_sequences, wanted_sequences
from planner.search.grid import accelerator_grid, processor_grid
from planner.search.kinds import Kind, kinds
from planner.search.nothing import nothing_fits
from planner.search.ranking import Outcome, Predicted, choose, fitting, predict
from planner.search.rejected import alternatives
from planner.setup import Setup
from planner.situation import Situation


@dataclass(frozen=True)
class Asked:
    """What the answer depends on, besides the facts: the way before splitting, the pins and the demand."""

    base: Setup
    pins: tuple[tuple[str, object], ...]
    wanted: tuple[float, ...]
    packed: bool


def outcome(s: Situation) -> Outcome:
    """Return the best way to share the work; `NothingFeasible` with the smallest changes that would help.

    With a time limit the rows of a step depend on the speed and the speed on the rows of a step: the second
    look uses the speed that the first one found.
    """
    found = _outcome(s, None)
    if s.wishes.time_limit_minutes is None:
        return found
    return _outcome(s, found.tokens_per_second)


def fits(s: Situation, max_length: int | None = None, *, quantised: bool = False) -> bool:
    """Return whether anything fits, without storing weights in few bits unless that was asked for, by the
    wishes or by `quantised`.

    `max_length` in tokens is tried instead of what was decided. Only memory is predicted, and only for the
    smallest micro-batch, so that a rule may ask for many lengths.
    """
    trial = (
        s
        if max_length is None
        else s.trying(max_length=max_length, zero_padding=s.known("zero_padding", True))
    )
    tried = [kind for kind in kinds(trial) if kind.order is not None]
    plain_ones = [kind for kind in tried if kind.weight_format == "none"]
    if quantised or not plain_ones:
        plain_ones = tried
    key = ("fits", quantised, _asked(trial, (1.0,)))
    if key not in s.memo:
        grids = (grid_of(trial, kind, 1.0, 1.0, small_pieces=True)[0] for kind in plain_ones)
        s.memo[key] = any(fitting(trial, grid) for grid in grids if grid is not None)
    return bool(s.memo[key])


def _outcome(s: Situation, rate: float | None) -> Outcome:
    demand = (wanted_sequences(s, kind.method, rate) for kind in kinds(s))
    key = _asked(s, (*demand, room_for_sequences(s, rate)))
    if key not in s.memo:
        s.memo[key] = search(s, rate)
    found = s.memo[key]
    assert isinstance(found, Outcome)
    return found


def search(s: Situation, rate: float | None) -> Outcome:
    """Return the best way and the best of each other kind."""
    grids, dropped = predicted(s, rate)
    chosen = choose(grids)
    if chosen is None:
        grids, dropped = predicted(s, rate, small_pieces=True)
        chosen = choose(grids)
    if chosen is None:
        raise nothing_fits(s, grids, attempt)
    same, index = chosen
    setup = same.grid.one(index)
    return Outcome(
        setup=setup,
        peak=int(same.peak[index]),
        limit=int(same.limit[index]),
        parts=memory.peak(s.model, held(setup), s.device, profile_of(s)),
        seconds_per_step=float(same.seconds[index]),
        tokens_per_second=float(same.tokens_per_second[index]),
        rejected=tuple(alternatives(s, grids, chosen)),
        dropped=dropped,
        considered=sum(len(one.peak) for one in grids),
    )


def attempt(s: Situation) -> tuple[Predicted, int] | None:
    """Return the best way of a changed situation; None when nothing fits there either, which memory alone
    tells."""
    tried = (kind for kind in kinds(s) if kind.order is not None)
    grids = (grid_of(s, kind, 1.0, 1.0, small_pieces=True)[0] for kind in tried)
    if not any(fitting(s, grid) for grid in grids if grid is not None):
        return None
    return choose(predicted(s, None)[0]) or choose(predicted(s, None, small_pieces=True)[0])


def predicted(
    s: Situation, rate: float | None, *, small_pieces: bool = False
) -> tuple[list[Predicted], tuple[Dropped, ...]]:
    """Return the forecasts of every method's grid, and what was left out of the first one's."""
    grids, dropped = [], None
    room = room_for_sequences(s, rate)
    for kind in kinds(s):
        wanted = wanted_sequences(s, kind.method, rate)
        grid, left_out = grid_of(s, kind, wanted, room, small_pieces=small_pieces)
        dropped = left_out if dropped is None else dropped
        if grid is not None:
            grids.append(predict(s, kind, grid, room))
    return grids, dropped or ()


def grid_of(
    s: Situation, kind: Kind, wanted: float, room: float, *, small_pieces: bool
) -> tuple[Setup | None, tuple[Dropped, ...]]:
    """Return every way of one method, and the degrees that were left out."""
    base = setup_for(s, method=kind.method, weight_format=kind.weight_format)
    found = family_of(s)
    if not s.on_gpu or found is None:
        return processor_grid(s, base, recompute_choices(s, found), wanted), ()
    axes, dropped = axes_for(s, kind, found)
    return accelerator_grid(s, base, axes, wanted, room, small_pieces=small_pieces), dropped


def _asked(s: Situation, wanted: tuple[float, ...]) -> Asked:
    pins = tuple((name, s.wishes.pins[name]) for name in PARTS_OF_SEARCH if name in s.wishes.pins)
    return Asked(setup_for(s), pins, wanted, bool(s.known("zero_padding", True)))
