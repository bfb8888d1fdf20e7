"""Check converted folders and exported adapters against transformers, PEFT and torch themselves.

`python -m tests.parity.conversions [--engine PYTHON] [--environment FOLDER]`

Tiny llama, qwen2, mistral and gemma go to PaddleNLP's format and back; transformers must answer the result as
the engine does. Adapters, with and without rank-stabilised scaling or a mixer, are exported for PEFT, which
must answer as base plus adapter. And what torch saves as pytorch_model.bin must be read to the last bit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from runtime.workers.adapter_files import changes_by_tensor
from runtime.workers.numpy_llama import forward
from runtime.workers.peft_export import export_peft
from runtime.workers.shard_merge import merge_shards
from runtime.workers.tensor_files import write_safetensors
from runtime.workers.torch_bin import folder_bins
from tests.parity.transformers_parity import HERE, compare, engine_python, need, scratch_python
from tests.runtime.model_folders import edit_json
from tests.runtime.tiny_gemma import write_tiny_gemma
from tests.tiny_model import write_tiny_llama

LAB = HERE.parent / "runtime" / "convert_lab.py"
FAMILIES = ("llama", "qwen2", "mistral", "gemma")
TOKENS = [1, 20, 30, 40, 50, 60, 70]
TOLERANCE = 2e-4
"""As for merged models: both sides keep norms and rotary angles in float32."""

SAVE_BIN = """
import sys, torch
from safetensors.torch import load_file
tensors = {name: value.to(torch.bfloat16) for name, value in load_file(sys.argv[1]).items()}
torch.save(tensors, sys.argv[2] + "/pytorch_model.bin")
"""


def there_and_back(engine: Path, root: Path) -> dict[str, Path]:
    """Convert a tiny model of each family to PaddleNLP's format and back; return the last folders."""
    steps: dict[str, Any] = {}
    for family in FAMILIES:
        source = root / f"{family}-hf"
        if family == "gemma":
            write_tiny_gemma(source)
        else:
            write_tiny_llama(source, model_type=family, tied=family == "qwen2")
        for name, module, start, end in (
            ("there", "converting", source, root / f"{family}-paddle"),
            ("back", "converting_back", root / f"{family}-paddle", root / family),
        ):
            spec = {"source_folder": str(start), "destination": str(end), "to": "huggingface"}
            spec["stage_folder"] = str(root / "stages" / f"{family}-{name}")
            steps[f"{family} {name}"] = {"do": "stage", "module": module, "spec": spec}
    (root / "lab.json").write_text(json.dumps({"out": str(root / "out.json"), "steps": steps}))
    subprocess.run([engine, LAB, root / "lab.json"], check=True, capture_output=True)
    results = json.loads((root / "out.json").read_text())
    for name, result in results.items():
        if "gave" not in result:
            sys.exit(f"{name}: {result['refused']}")
    return {family: root / family for family in FAMILIES}


def write_adapter(base: Path, folder: Path, *, rslora: bool, mixer: bool) -> None:
    """Write a random PaddleNLP adapter of all linear layers of a tiny llama."""
    from safetensors.numpy import save_file

    random = np.random.default_rng(5)
    tensors = {}
    for name, weight in load_file(base / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            layer = f"llama.{name.removeprefix('model.').removesuffix('.weight')}"
            out, width = weight.shape
            tensors[f"{layer}.lora_A"] = random.standard_normal((width, 4)).astype(np.float32) * 0.1
            tensors[f"{layer}.lora_B"] = random.standard_normal((4, out)).astype(np.float32) * 0.1
            if mixer:
                tensors[f"{layer}.lora_AB"] = random.standard_normal((4, 4)).astype(np.float32)
    folder.mkdir()
    save_file(tensors, folder / "peft_model-00001-of-00001.safetensors")
    config = {"r": 4, "lora_alpha": 6, "rslora": rslora, "lora_use_mixer": mixer}
    (folder / "lora_config.json").write_text(json.dumps(config))


def adapters_agree(scratch: Path, base: Path, root: Path) -> bool:
    """Export adapters, let PEFT load them, and compare with the merged weights in our own forward pass."""
    agree = True
    for name, options in {
        "LoRA": {"rslora": False, "mixer": False},
        "rsLoRA": {"rslora": True, "mixer": False},
        "MosLoRA": {"rslora": False, "mixer": True},
    }.items():
        adapter, exported, merged = (root / f"{name}-{part}" for part in ("adapter", "peft", "merged"))
        write_adapter(base, adapter, **options)
        exported.mkdir()
        merged.mkdir()
        export_peft(adapter, exported, str(base))
        merge_shards(base, changes_by_tensor(adapter, base), merged)
        config = json.loads((base / "config.json").read_text())
        expected = forward(merged, config, TOKENS)
        out = root / f"{name}.npz"
        command = [scratch, HERE / "theirs_peft.py", base, exported, out, json.dumps(TOKENS)]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        found = np.load(out)
        difference = float(np.abs(found["logits"] - expected).max())
        print(
            f"PEFT {name:8} logits differ by {difference:.1e}; "
            f"the adapter moves them by {float(found['effect']):.2g}"
        )
        agree &= difference <= TOLERANCE < float(found["effect"])
    return agree


def bins_agree(scratch: Path, base: Path, root: Path) -> bool:
    """Read what torch saved as bfloat16, without torch, and compare with what it was made of."""
    folder = root / "bins"
    folder.mkdir()
    subprocess.run([scratch, "-c", SAVE_BIN, base / "model.safetensors", folder], check=True)
    tensors = folder_bins(folder)
    original = load_file(base / "model.safetensors")
    same = tensors.keys() == original.keys() and all(
        np.abs((tensors[name].value().astype(np.uint32) << 16).view(np.float32) - value).max()
        <= np.abs(value).max() * 2**-8
        for name, value in original.items()
    )
    write_safetensors(list(tensors.values()), folder, "pt", lambda done, total: None)
    print(f"torch's bfloat16 .bin {'equals' if same else 'DIFFERS FROM'} its source ({len(tensors)} tensors)")
    return same


def main() -> int:
    """Return 0 when everything agrees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--engine", type=Path, help="the engine's interpreter")
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir(), "steersman-parity"))
    given = parser.parse_args()
    scratch, engine = scratch_python(given.environment), given.engine or engine_python()
    need(scratch, "peft")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        folders = there_and_back(engine, root)
        # Each family answers in both; gemma's exact gelu is told to transformers by its config.
        verdicts = [compare(folder, engine, scratch) for folder in folders.values()]
        agree = all(verdicts)
        base = root / "llama"
        edit_json(base / "config.json", torch_dtype="float32")
        agree &= adapters_agree(scratch, base, root)
        agree &= bins_agree(scratch, base, root)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
