"""Stage `convert`: a Hugging Face folder becomes a PaddleNLP folder that provably computes the same.

Specification: `source_folder` (Hugging Face folder, only read), `destination`, `tolerance`. Output: `model`.
Proofs: `convert.weights`, `convert.tokenizer`, `convert.logits`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `converting.work`."""
    return run_stage(spec, "runtime.workers.converting")
