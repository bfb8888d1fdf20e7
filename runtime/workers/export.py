"""Stage `export`: the merged model as a static graph for Paddle inference.

Specification: `base` (PaddleNLP folder), `model` (merged Hugging Face folder), `destination`, `tolerance`
(of logits). Output: `static`, a folder with the graph of one step and a way to run it. Proofs:
`export.logits`, `export.tokens`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `static_export.work`."""
    return run_stage(spec, "runtime.workers.static_export")
