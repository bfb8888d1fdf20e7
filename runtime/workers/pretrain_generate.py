"""Stage `generate` of continued pretraining: perplexity of held-out text, and how both models go on with it.

Specification: `base` (PaddleNLP folder), `model` (the result), `data` (prepared data with token files),
`length` (tokens of a sequence), `beginnings` (texts to go on with; empty for those of the held-out texts),
`max_new_tokens`, `train_result` (result.json of the training stage). Output: `samples`, as of `generate`.
Proofs: `generate.perplexity`, `generate.answers`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `pretrain_continuing.work`."""
    return run_stage(spec, "runtime.workers.pretrain_continuing")
