"""Worker `quantise`: what few bits would cost in accuracy. It rounds in floats and writes no quantised model.

Specification: `base` (PaddleNLP folder), `model` (merged Hugging Face folder), `data` (prepared folder),
`method`, `rows` (of dev.json), `src_length`, `max_length`, `destination` (accuracy.json). Figures: loss,
perplexity and share of equal likeliest tokens before and after.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the worker; see `quantising.work`."""
    return run_stage(spec, "runtime.workers.quantising")
