"""Stage `convert_back`: a PaddleNLP folder or checkpoint, whole or in pieces, becomes one proven model.

Specification: `source_folder` (only read), `destination`, `to` (`huggingface` or `paddlenlp`), `tolerance`,
and `original`, a Hugging Face folder whose config and tokenizer are taken, or empty. Output: `model`. Proofs:
`join.weights` for pieces; for Hugging Face `convert.weights`, `convert.tokenizer` and `convert.logits`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `converting_back.work`."""
    return run_stage(spec, "runtime.workers.converting_back")
