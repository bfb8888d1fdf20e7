"""Over how many processes a checkpoint's optimizer is spread: a run with another number cannot go on from it.

Left to itself upstream fails deep inside (`optimizer-state-dict not found`, `should in state dict`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

FILE = "processes.json"


def shards(training: Any) -> int:
    """Return over how many processes the optimizer is spread; 1 when each holds all of it."""
    return max(1, int(training.sharding_parallel_degree)) if training.sharding else 1


def stages(training: Any) -> int:
    """Return over how many processes the layers are spread; 1 without a pipeline."""
    return max(1, int(getattr(training, "pipeline_parallel_degree", 1)))


def write(folder: Path, training: Any) -> None:
    """Write it into a checkpoint that is being made."""
    values = {
        "processes": int(training.world_size),
        "optimizer_shards": shards(training),
        "pipeline_stages": stages(training),
    }
    (folder / FILE).write_text(json.dumps(values), encoding="utf-8")


def check(checkpoint: str | None, training: Any) -> None:
    """Raise `RefusedError` when a checkpoint's optimizer is spread otherwise than this training's."""
    path = Path(checkpoint or "") / FILE
    if not checkpoint or not path.is_file():
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    check_stages(Path(checkpoint).name, int(found.get("pipeline_stages", 1)), stages(training))
    saved, wanted = int(found["optimizer_shards"]), shards(training)
    if saved == wanted:
        return
    raise RefusedError(
        say(
            "{checkpoint} is of {saved} processes that shared the optimizer; now there are {wanted}.",
            checkpoint=Path(checkpoint).name,
            saved=saved,
            wanted=wanted,
        ),
        say("Its parts cannot be put together while training."),
        say("Start as many processes as before, or begin the training anew."),
    )


def check_stages(checkpoint: str, saved: int, wanted: int) -> None:
    """Raise `RefusedError` when a checkpoint's layers are spread otherwise."""
    if saved != wanted:
        raise RefusedError(
            say(
                "{checkpoint} is of a pipeline of {saved} stage(s); now there are {wanted}.",
                checkpoint=checkpoint,
                saved=saved,
                wanted=wanted,
            ),
            say("Each stage's random state and optimizer are its own."),
            say("Take as many stages as before, or begin the training anew."),
        )
