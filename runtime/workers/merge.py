"""Stage `merge`: what was trained becomes a Hugging Face folder that provably answers alike.

Specification: `base` (PaddleNLP folder), `adapter` or `trained_model`, `hf_folder` (the original Hugging
Face folder), `destination`, `tolerance`. Output: `model`. Proofs: `merge.logits`, `merge.tokens`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `merging.work`."""
    return run_stage(spec, "runtime.workers.merging")
