"""Check what PaddleFormers makes of an ERNIE-4.5 against transformers and PEFT.

`python -m tests.parity.ernie [--engine PYTHON] [--environment FOLDER]`

A tiny model is trained with LoRA in the engine, which keeps several layers as one, and merged. transformers
must answer the merged folder as the engine does, and PEFT with the exported adapter as the merged folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from runtime.workers.numpy_llama import forward
from runtime.workers.peft_export import export_peft
from tests.parity.transformers_parity import HERE, TOLERANCE, compare, need, scratch_python
from tests.runtime.ernie_jobs import ernie_jobs
from tests.runtime.formers_setup import run_lab
from tests.runtime.tiny_ernie import write_tiny_ernie

STEPS = ("ernie_convert", "ernie_lora", "ernie_merge")
LONGEST = 2000
"""Characters of a failure that are shown: its end."""
TOKENS = [1, 20, 30, 40, 50, 60, 70]


def formers_python() -> Path:
    """Return the interpreter of the engine of PaddleFormers."""
    from runtime.engines.registry import python_of

    return python_of("paddleformers", "cpu")


def agrees(engine: Path, scratch: Path, root: Path) -> bool:
    """Train, merge and export below `root`, print the figures and return whether all three agree."""
    source = write_tiny_ernie(root / "source")
    runs, jobs = ernie_jobs(root, source)
    results = run_lab(engine, root, {name: jobs[name] for name in STEPS})
    for name, result in results.items():
        if "refused" in result or "failed" in result:
            sys.exit(f"{name}: {str(result.get('refused', result.get('failed')))[-LONGEST:]}")
    merged = Path(results["ernie_merge"]["outputs"]["model"])
    same = compare(merged, engine, scratch)
    exported, out = root / "peft", root / "peft.npz"
    exported.mkdir()
    export_peft(runs.output("lora") / "adapter", exported, str(source))
    command = [scratch, HERE / "theirs_peft.py", source, exported, out, json.dumps(TOKENS)]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    expected = forward(merged, json.loads((merged / "config.json").read_text()), TOKENS)
    found = np.load(out)
    difference, effect = float(np.abs(found["logits"] - expected).max()), float(found["effect"])
    print(f"PEFT ERNIE    logits differ by {difference:.1e}; the adapter moves them by {effect:.2g}")
    return same and difference <= TOLERANCE < effect


def main() -> int:
    """Return 0 when everything agrees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--engine", type=Path, help="the interpreter of PaddleFormers' engine")
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir(), "steersman-parity"))
    given = parser.parse_args()
    scratch = scratch_python(given.environment)
    need(scratch, "peft")
    with tempfile.TemporaryDirectory() as name:
        return 0 if agrees(given.engine or formers_python(), scratch, Path(name)) else 1


if __name__ == "__main__":
    sys.exit(main())
