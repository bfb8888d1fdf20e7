"""The phases of a merge, as its progress names them."""

from __future__ import annotations

from runtime.workers.speech import say, template
from runtime.workers.stage_run import Stage

PHASES = (
    template("loading the base model"),
    template("adding what was trained"),
    template("writing the merged weights"),
    template("loading them back and comparing"),
)


def say_phase(stage: Stage, number: int, within: float = 0.0) -> None:
    """Report progress: phase `number` of `PHASES`, and how far into it. Raises when a stop was requested."""
    stage.check_stop()
    stage.emitter.progress(number + within, len(PHASES), "steps", say(PHASES[number]))


def say_written(stage: Stage, done: int, total: int) -> None:
    """Report how many tensors are written, in steps of a tenth: a large model has thousands."""
    stage.check_stop()
    if done * 10 // total != (done - 1) * 10 // total:
        say_phase(stage, 2, done / total)


def say_proven(stage: Stage) -> None:
    """Report that all phases are done and every proof holds."""
    stage.emitter.progress(len(PHASES), len(PHASES), "steps", say("proven"))
