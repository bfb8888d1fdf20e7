"""Worker `quantise`: the merged model of a run in few bits, by PaddleSlim, proven and measured.

Specification: `base` (PaddleNLP folder), `model` (merged Hugging Face folder), `data` (prepared folder),
`method` (weight_only_int8, weight_only_int4, a8w8, gptq, awq), `rows` (of dev.json), `src_length`,
`max_length`, `paddleslim` (folder of the package), `destination` (folder of the result), `accuracy` (JSON
file) and `max_loss` (largest rise of the loss, or null). Outputs: `model`, `accuracy`. Proofs:
`quantise.reload`, `quantise.loss`. Figures: loss, perplexity, accuracy before and after, and share of equal
likeliest tokens.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the worker; see `quantising.work`."""
    return run_stage(spec, "runtime.workers.quantising")
