"""A run's status as one JSON object, for scripts."""

from __future__ import annotations

from typing import Any

from runtime.run.status import Status
from runtime.run.view import StageView


def as_dict(status: Status) -> dict[str, Any]:
    """Return name, folder, state, reason and every stage."""
    return {
        "run": status.run.name,
        "folder": str(status.run.root),
        "state": status.state,
        "reason": status.reason,
        "supervisor": status.supervisor.pid if status.supervisor else None,
        "orphans": list(status.orphans),
        "stages": [
            stage_dict(stage, lost=status.state != "running") for stage in status.view.stages.values()
        ],
    }


def stage_dict(stage: StageView, *, lost: bool) -> dict[str, Any]:
    """Return one stage; one that was running when its supervisor vanished is lost."""
    progress, metric = stage.progress, stage.metrics[-1] if stage.metrics else None
    return {
        "stage": stage.name,
        "state": "lost" if lost and stage.state == "running" else stage.state,
        "reason": stage.reason,
        "seconds": stage.seconds,
        "progress": progress.model_dump(include={"done", "total", "unit", "message"}) if progress else None,
        "metric": metric.model_dump(mode="json", include={"step", "values"}) if metric else None,
        "proofs": [
            proof.model_dump(mode="json", include={"name", "passed", "sentence", "measured"})
            for proof in stage.proofs.values()
        ],
        "figures": stage.figures,
        "outputs": {name: output.get("path") for name, output in stage.outputs.items()},
    }
