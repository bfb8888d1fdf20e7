"""What a person can do with a run next: one line of words and one command each."""

from __future__ import annotations

import shlex

from planner.language import say
from runtime.run.layout import RunFolder
from runtime.run.view import RunView


def output_path(run: RunFolder, view: RunView, stage: str, output: str) -> str:
    """Return where an output of a proven stage lies; empty if there is none."""
    value = view.stage(stage).outputs.get(output, {})
    return str(value.get("path", "")).replace("<run>", str(run.root), 1)


def next_steps(run: RunFolder, view: RunView) -> list[tuple[str, str]]:
    """Return (what, command), the most likely first."""
    steps = []
    model = output_path(run, view, "merge", "model")
    if model:
        if not (
            "merge.scores" in view.stage("merge").proofs  # a reward model gives scores and no answers
            or "generate.embeddings" in view.stage("generate").proofs  # an embedding model gives vectors
        ):
            steps.append((say("Talk to the result"), f"steersman chat {run.reference}"))
            serving = f"steersman serve-model {run.reference}"
            steps.append((say("Serve it to clients of OpenAI's API"), serving))
        steps.append((say("Take the model elsewhere"), f"cp -r {shlex.quote(model)} my-model"))
    if view.state != "finished":
        steps.append((say("Continue"), f"steersman resume {run.reference}"))
        steps.append((say("Read the log"), f"steersman logs {run.reference}"))
    if model and view.state == "finished":
        command = f"steersman upload {run.reference} --to huggingface --repo OWNER/NAME --dry-run"
        steps.append((say("Write a model card, and upload it later"), command))
    if (run.root / "tracker").is_dir():
        steps.append((say("See the curves"), f"steersman watch {run.reference}"))
    if view.state == "finished":
        steps.append((say("Verify every result"), f"steersman resume {run.reference}"))
    return steps
