"""The tasks of stages that follow a proven model, apart from the answers and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.run.task import StageTask

if TYPE_CHECKING:
    from runtime.stages.table import Done, PlanTable

TOLERANCE = 1e-4
"""Largest difference of logits between the static graph and the dynamic model, in float32."""

STATIC_BYTES_PER_PARAMETER = 4


def export(table: PlanTable, done: Done) -> StageTask:
    """Trace one step of the merged model as a static graph and prove that its answers are the same."""
    return table.engine_task(
        "export",
        done,
        done.digests("convert", "merge"),
        on_host=True,
        proofs=("export.logits", "export.tokens"),
        disk_bytes=STATIC_BYTES_PER_PARAMETER * table.plan.facts.model.parameters,
        base=done.path("convert", "model"),
        model=done.path("merge", "model"),
        destination=str(table.run.stage("export").root / "static"),
        tolerance=TOLERANCE,
    )
