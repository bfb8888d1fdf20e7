"""Compare two runs of one plan: the loss curves float by float, the results, what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from planner.language import say
from planner.plan import Plan
from planner.planfile import loads
from planner.schema import Record
from runtime.replay_versions import (
    Difference,
    Versions,
    collect,
    data_hash,
    differences,
    load,
    model_files,
    plan_digest,
)
from runtime.run import commit, journal
from runtime.run.layout import RunFolder
from runtime.run.view import RunView, fold

CURVES = ("loss", "eval_loss")


class Point(Record):
    """One figure of two runs; NaN where one has none."""

    curve: str
    step: int
    then: float
    now: float

    @property
    def difference(self) -> float:
        """Now - then."""
        return self.now - self.then


class Comparison(Record):
    """Two runs side by side."""

    points: int
    """Figures that both have."""
    differing: tuple[Point, ...]
    """Those that are not equal, bit by bit; a figure that only one run has counts."""
    results: dict[str, bool]
    """Output of a stage -> whether its files are equal, byte by byte."""

    @property
    def equal(self) -> bool:
        """Whether the curves are equal."""
        return self.points > 0 and not self.differing

    def sentence(self) -> str:
        """Return the outcome in words."""
        if not self.points:
            return say("The two runs have no loss in common.")
        if self.equal:
            return say("The curves are equal, float by float, at {points} points.", points=self.points)
        finite = [abs(point.difference) for point in self.differing if math.isfinite(point.difference)]
        first = self.differing[0]
        return say(
            "{differing} of {points} points differ, first {curve} of step {step}, at most by {most:.2e}.",
            differing=len(self.differing),
            points=max(self.points, len(self.differing)),
            curve=first.curve,
            step=first.step,
            most=max(finite, default=math.nan),
        )


def view_of(run: RunFolder) -> RunView:
    """Return what a run's journal says."""
    return fold(journal.read(run.journal))


def curves(view: RunView) -> dict[tuple[str, int], float]:
    """Return (curve, step) -> value of the training."""
    return {
        (name, metric.step): metric.values[name]
        for metric in view.stage("train").metrics
        for name in CURVES
        if name in metric.values
    }


def compare(then: RunFolder, now: RunFolder) -> Comparison:
    """Compare two runs by their journals."""
    first, second = view_of(then), view_of(now)
    old, new = curves(first), curves(second)
    keys = sorted({*old, *new}, key=lambda key: (key[1], key[0]))
    points = [
        Point(curve=key[0], step=key[1], then=old.get(key, math.nan), now=new.get(key, math.nan))
        for key in keys
    ]
    return Comparison(
        points=len(old.keys() & new.keys()),
        differing=tuple(point for point in points if not same(point.then, point.now)),
        results=results(first, second),
    )


def same(one: float, other: float) -> bool:
    """Return whether two floats are equal; two that are both no number are."""
    return one == other or (math.isnan(one) and math.isnan(other))


def results(then: RunView, now: RunView) -> dict[str, bool]:
    """Return output -> whether both runs made the same files, for what both made."""
    found = {}
    for stage in ("convert", "prepare", "train", "merge"):
        old, new = then.stage(stage).outputs, now.stage(stage).outputs
        for name in sorted(old.keys() & new.keys()):
            digests = [commit.digest_of(dict(value["files"])) for value in (old[name], new[name])]
            found[f"{stage}.{name}"] = digests[0] == digests[1]
    return found


def changed_since(run: RunFolder) -> list[Difference]:
    """Return what is not as it was when the run was made. Hashes model and data. BadInput if unknown."""
    then = load(run)
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    return differences(then, versions_now(run, plan, then))


def versions_now(run: RunFolder, plan: Plan, then: Versions) -> Versions:
    """Return what a run would be made with now; the model as it lies where the run acquired it."""
    return collect(plan, plan_digest(run), model_now(run, then), data_hash(run, plan))


def model_now(run: RunFolder, then: Versions) -> Mapping[str, str]:
    """Return file -> sha256 of the model's files that the run knew; one that is gone is left out."""
    acquired = view_of(run).stage("acquire").outputs.get("model")
    if acquired is None:
        return model_files({})
    folder = Path(str(acquired["path"]).replace("<run>", str(run.root), 1))
    known = [name for name in then.found.get("model", {}) if (folder / name).is_file()]
    return {name: commit.hash_file(folder / name) for name in known}
