"""Stage `merge_adapters`: several adapters of one base model become one Hugging Face folder.

Specification: `adapters` (folders), `hf_folder` (the base), `destination`, `method`, `weights`, `density`,
`normalize`, `seed`. Output: `model`. Proofs: `merge.weights`, `merge.loads`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `merging_adapters.work`."""
    return run_stage(spec, "runtime.workers.merging_adapters")
