"""Stage `generate` of an embedding fine-tune: held-out queries look for their passages, before and after.

Specification: `base` (PaddleNLP folder), `model` (the result), `data` (prepared data), `config` (that of the
training), `train_result` (result.json of the training stage). Output: `samples`, as of `generate`: the query,
and the passages that both models find. Proof: `generate.embeddings`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `embedding_searching.work`."""
    return run_stage(spec, "runtime.workers.embedding_searching")
