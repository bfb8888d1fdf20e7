"""Peak memory of merging an adapter shard by shard (aim: at most 1.5 x the largest shard plus the adapter).

`python -m bench.merge_memory MEGABYTES SHARDS RANK` (by default 384, 4 and 32). A generated bfloat16 model of
about that size is merged in a process of its own, and every number is checked in another; their peak resident
memory is compared with that of a process that has only imported the same modules. Nothing loads Paddle.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
WIDTH, INNER = 2048, 8192

CHILD = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from runtime.workers.adapter_files import changes, hf_module, read_adapter
from runtime.workers.shard_merge import check_shards, merge_shards
from runtime.workers.tensor_files import folder_entries
def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
start = peak()
what, root = sys.argv[2], Path(sys.argv[3])
if what != "nothing":
    entries = folder_entries(root / "base")
    adapter = read_adapter(root / "adapter")
    sizes = {layer: entries[hf_module(layer) + ".weight"].shape[::-1] for layer in adapter.layers}
    added = {hf_module(name) + ".weight": change for name, change in changes(adapter, sizes).items()}
    work = merge_shards if what == "merge" else check_shards
    work(root / "base", added, root / "merged")
print(json.dumps({"peak": peak(), "start": start}))
"""


def write_model(root: Path, megabytes: int, shards: int, rank: int) -> tuple[int, int]:
    """Write base and adapter; return the bytes of the largest shard and of the adapter."""
    base, adapter = root / "base", root / "adapter"
    base.mkdir()
    adapter.mkdir()
    (root / "merged").mkdir()
    random = np.random.default_rng(0)
    layers = max(shards, megabytes * 2**20 // (2 * WIDTH * INNER))
    weight_map, parts = {}, {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(shard, layers, shards)]
        size = 2 * WIDTH * INNER
        header = {
            name: {
                "dtype": "BF16",
                "shape": [INNER, WIDTH],
                "data_offsets": [place * size, (place + 1) * size],
            }
            for place, name in enumerate(names)
        }
        text = json.dumps(header).encode()
        with (base / file).open("wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for _ in names:
                out.write((random.integers(0x3C00, 0x3D00, WIDTH * INNER, dtype=np.uint16)).data)
        weight_map.update(dict.fromkeys(names, file))
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    for layer in range(layers):
        name = f"llama.layers.{layer}.mlp.up_proj"
        parts[f"{name}.lora_A"] = random.standard_normal((WIDTH, rank)).astype(np.float32) * 0.01
        parts[f"{name}.lora_B"] = random.standard_normal((rank, INNER)).astype(np.float32) * 0.01
    from safetensors.numpy import save_file

    save_file(parts, adapter / "peft_model-00001-of-00001.safetensors")
    (adapter / "lora_config.json").write_text(json.dumps({"r": rank, "lora_alpha": 2 * rank}))
    largest = max(path.stat().st_size for path in base.glob("*.safetensors"))
    return largest, sum(value.nbytes for value in parts.values())


def measured(what: str, root: Path) -> tuple[int, float]:
    """Return peak bytes and seconds of one child."""
    started = time.perf_counter()
    command = [sys.executable, "-c", CHILD, str(PROJECT), what, str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout)["peak"]), time.perf_counter() - started


def main(megabytes: int = 384, shards: int = 4, rank: int = 32) -> None:
    """Print both peaks beside the bound, in MB; exit with 1 when it is exceeded."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        largest, adapter = write_model(root, megabytes, shards, rank)
        nothing, _ = measured("nothing", root)
        bound = 1.5 * largest + adapter
        print(
            f"largest shard {largest / 1e6:.0f} MB, adapter {adapter / 1e6:.0f} MB, "
            f"bound {bound / 1e6:.0f} MB"
        )
        print(f"modules alone {nothing / 1e6:.0f} MB")
        failed = False
        for what in ("merge", "check"):
            peak, seconds = measured(what, root)
            failed |= peak > bound
            print(
                f"{what}: peak {peak / 1e6:.0f} MB in all, {(peak - nothing) / 1e6:.0f} MB of it for the "
                f"work, {seconds:.1f} s"
            )
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
