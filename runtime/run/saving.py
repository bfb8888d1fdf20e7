"""Ask a training for a checkpoint now, while it goes on."""

from __future__ import annotations

from planner.errors import BadInput
from planner.language import say
from runtime.run.layout import RunFolder
from runtime.run.status import read_status

SAVES = "train"
"""The stage that has checkpoints."""


def request_checkpoint(run: RunFolder) -> None:
    """Ask for a checkpoint at the end of the step under way. BadInput unless the run is training.

    The journal says `saving` and `saved`, with the step. A second request before that is the same request.
    """
    status = read_status(run)
    if status.state != "running":
        raise BadInput(
            say("The run {run} is not running, so there is nothing to save.", run=run.name),
            remedy=say("Its checkpoints so far are kept."),
        )
    current = status.view.current()
    if current is None or current.name != SAVES:
        name = current.name if current else say("between two stages")
        raise BadInput(
            say("Only training has checkpoints, and {run} is at: {stage}.", run=run.name, stage=name),
            remedy=say("Results of finished stages are on disk already."),
        )
    run.stage(SAVES).save.touch()
