"""Check that transformers answers a merged Hugging Face folder exactly as Steersman's engine does.

`python -m tests.parity.transformers_parity [FOLDER] [--engine PYTHON] [--environment FOLDER]`

FOLDER is a merged model; without it, that of the newest run that has one here, or else the demo's own model
before any training, which is fetched if need be. Tokens of the prompts, logits at every position
and greedy answers are compared. torch and transformers are installed into a scratch environment, which is
kept: neither the app nor an engine ever holds them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TOLERANCE = 2e-4
"""In float64, except for norms and rotary angles, which both sides keep in float32: 9e-5 on SmolLM2-135M."""
PACKAGES = ("torch==2.13.0", "transformers>=5,<6", "safetensors", "numpy")
JOB = {
    "texts": ["The capital of France is", "def fibonacci(n):\n    ", "1, 2, 3, 5, 8, 13,"],
    "chats": [
        [{"role": "user", "content": "Who are you?"}],
        [
            {"role": "user", "content": "Name a colour."},
            {"role": "assistant", "content": "Blue."},
            {"role": "user", "content": "Name another one."},
        ],
    ],
    "new_tokens": 32,
}


def scratch_python(folder: Path) -> Path:
    """Return the interpreter of an environment with torch and transformers, made on first use."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    have = subprocess.run([python, "-c", "import torch, transformers"], capture_output=True, check=False)
    if have.returncode != 0:
        for package in PACKAGES:  # torch first and alone, as its index may be another one
            subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return python


def need(python: Path, package: str) -> None:
    """Install one more package into the scratch environment."""
    if subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)


def newest_model() -> Path:
    """Return the merged model of the newest run that has a proven one; the demo's base model without any."""
    from planner.errors import SteersmanError
    from runtime.acquire.fetch import acquire
    from runtime.acquire.resolve import resolve_model
    from runtime.chat import find_models
    from runtime.paths import models_folder
    from runtime.run.layout import list_runs

    for run in list_runs():
        try:
            folder = find_models(run).model
        except (SteersmanError, OSError):
            continue
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if str(config.get("architectures", [""])[0]).endswith("ForCausalLM"):
            return folder
    print(
        "No run with a merged model is here, so the demo's base model is compared. MODEL=DIR names another."
    )
    source = resolve_model("smollm2-135m-instruct").source
    return acquire(source, models_folder(), lambda *progress: None)


def engine_python() -> Path:
    """Return the engine's interpreter."""
    from runtime.engines.registry import python_of

    override = os.environ.get("STEERSMAN_TEST_ENGINE")
    return Path(override) if override else python_of("paddlenlp", "cpu")


def answers_of(
    python: Path, script: str, folder: Path, work: Path
) -> tuple[dict[str, list[list[int]]], list[np.ndarray]]:
    """Return prompts and answers as tokens, and the logits of each prompt, as one side computes them."""
    out = work / f"{script}.npz"
    log = work / f"{script}.log"
    with log.open("wb") as stream:
        done = subprocess.run(
            [python, HERE / script, folder, work / "job.json", out], stdout=stream, stderr=stream, check=False
        )
    if done.returncode != 0:
        sys.exit(f"{script} failed:\n{log.read_text(errors='replace')[-3000:]}")
    found = np.load(out)
    tokens: dict[str, list[list[int]]] = json.loads(str(found["tokens"]))
    return tokens, [found[f"logits{number}"] for number in range(len(tokens["prompts"]))]


def compare(folder: Path, engine: Path, scratch: Path) -> bool:
    """Print the figures and return whether both sides agree."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "job.json").write_text(json.dumps(JOB))
        ours, our_logits = answers_of(engine, "ours.py", folder, work)
        theirs, their_logits = answers_of(scratch, "theirs.py", folder, work)
    same_prompts = ours["prompts"] == theirs["prompts"]
    same_answers = sum(a == b for a, b in zip(ours["answers"], theirs["answers"], strict=True))
    count = len(ours["answers"])
    print(f"model               {folder}")
    print(f"prompt tokens       {'identical' if same_prompts else 'DIFFERENT'} ({count} prompts)")
    difference = float("inf")
    if same_prompts:
        difference = max(float(np.abs(a - b).max()) for a, b in zip(our_logits, their_logits, strict=True))
    print(f"logits              max difference {difference:.1e} in float64 (allowed {TOLERANCE:.0e})")
    print(f"greedy answers      {same_answers} of {count} identical over {JOB['new_tokens']} tokens")
    return same_prompts and same_answers == count and difference <= TOLERANCE


def main() -> int:
    """Return 0 when transformers and the engine agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="merged model; default: the newest run's")
    parser.add_argument("--engine", type=Path, help="the engine's interpreter")
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir(), "steersman-parity"))
    given = parser.parse_args()
    scratch = scratch_python(given.environment)
    return 0 if compare(given.folder or newest_model(), given.engine or engine_python(), scratch) else 1


if __name__ == "__main__":
    sys.exit(main())
