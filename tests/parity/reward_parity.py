"""Check that transformers scores with a reward model's folder exactly as Steersman's engine does.

`python -m tests.parity.reward_parity FOLDER [--engine PYTHON] [--environment FOLDER]`

FOLDER is what stage merge of a reward run gave. The scores of token sequences of several lengths are
compared, in float32; torch and transformers live in the scratch environment of `transformers_parity`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from runtime.paths import engines_folder
from tests.parity.transformers_parity import scratch_python

START = Path(__file__).resolve().parents[2] / "runtime" / "workers" / "start.py"
TOLERANCE = 1e-4
LENGTHS = (3, 17, 60)

OURS = """
import importlib.util, json, sys
start, folder, texts = sys.argv[1:]
spec = importlib.util.spec_from_file_location("start", start)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.register_package()
import paddle
from runtime.workers import reward_folder
model = reward_folder.load(folder)
found = [float(model(paddle.to_tensor([text])).logits[0, -1, 0]) for text in json.loads(texts)]
print("SCORES" + json.dumps(found))
"""
THEIRS = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification
_, folder, texts = sys.argv[1:]
model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
with torch.no_grad():
    found = [float(model(torch.tensor([text])).logits[0, 0]) for text in json.loads(texts)]
print("SCORES" + json.dumps(found))
"""


def scores(python: Path, code: str, folder: Path, texts: list[list[int]]) -> list[float]:
    """Return what one side gives each text."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        command = [str(python), script.name, str(START), str(folder), json.dumps(texts)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("SCORES")), None)
    if line is None:
        raise SystemExit(done.stderr[-2000:])
    found: list[float] = json.loads(line.removeprefix("SCORES"))
    return found


def main(arguments: list[str]) -> int:
    """Compare, print the figures, and return 1 when they are apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", type=Path, default=engines_folder() / "paddlenlp-cpu" / "bin" / "python")
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir(), "steersman-parity"))
    given = parser.parse_args(arguments)
    texts = [[3 + (7 * place + length) % 200 for place in range(length)] for length in LENGTHS]
    ours = scores(given.engine, OURS, given.folder, texts)
    theirs = scores(scratch_python(given.environment), THEIRS, given.folder, texts)
    apart = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    print(f"scores of {len(texts)} texts, apart by at most {apart:.1e} (allowed: {TOLERANCE:.0e})")
    return int(apart > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
