"""The folders that a run left behind: found, proven and still there; or one sentence why not."""

from __future__ import annotations

from pathlib import Path

from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from planner.planfile import loads
from runtime.run.layout import RunFolder
from runtime.run.next_steps import output_path
from runtime.run.status import Status


def result_folder(run: RunFolder, status: Status, stage: str, output: str = "model") -> Path:
    """Return the output folder of a proven stage. BadInput when it is not proven, or gone."""
    if not status.view.stage(stage).proven:
        running = status.state == "running"
        state = say("it is running now") if running else say("the run has not come that far")
        raise BadInput(
            say(
                "{run} has no result to talk to: its stage {stage} is not proven, {state}.",
                run=run.name,
                stage=stage,
                state=state,
            ),
            remedy=say("See `steersman status {run}`; continue with `steersman resume {run}`.", run=run.name),
        )
    named = output_path(run, status.view, stage, output)
    if not named:
        raise BadInput(say("{run} has no {output}: it trained all weights.", run=run.name, output=output))
    folder = Path(named)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise BadInput(
            say("The model {path} is gone.", path=folder),
            remedy=say("Make it again: {command}", command=f"steersman resume {run.name}"),
        )
    return folder


def answering_plan(run: RunFolder) -> Plan:
    """Return the plan of a run whose model writes text; BadInput for a reward model."""
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    if plan.wishes.stage == "reward":
        raise BadInput(
            say("{run} made a reward model, which scores answers and gives none.", run=run.name),
            remedy=say("Its scores of held-out answers: `steersman status {run}`.", run=run.name),
        )
    return plan
