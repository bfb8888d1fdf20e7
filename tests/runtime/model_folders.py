"""Variants of the tiny model: other precisions, shards, families; and how to compare folders."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file


def edit_json(path: Path, **values: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    content = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}, indent=2))


def rewrite(folder: Path, *, bfloat16: bool = False, shards: int = 1) -> Path:
    """Store the float32 weights of `folder` again, rounded to bfloat16 and in several files with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, weight_map = sorted(tensors), {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors" if shards > 1 else "model.safetensors"
        part = names[number::shards]
        write_raw(folder / file, {name: tensors[name] for name in part}, bfloat16)
        weight_map.update(dict.fromkeys(part, file))
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    if bfloat16:
        edit_json(folder / "config.json", torch_dtype="bfloat16")
    return folder


def write_raw(path: Path, tensors: dict[str, np.ndarray], bfloat16: bool) -> None:
    """Write a safetensors file by hand, because NumPy has no bfloat16."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, value in tensors.items():
        bits = (
            ((value.view(np.uint32) + 0x8000) >> 16).astype("<u2").tobytes() if bfloat16 else value.tobytes()
        )
        place = [len(data), len(data) + len(bits)]
        header[name] = {
            "dtype": "BF16" if bfloat16 else "F32",
            "shape": list(value.shape),
            "data_offsets": place,
        }
        data += bits
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Return file name -> hash and modification time of everything below `folder`."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


ON_SMALL_DISK = """
mount -t tmpfs -o size=$2 tmpfs "$1" || exit 99
folder=$1; shift 2
"$@"; code=$?
left=$(find "$folder" -name '*.safetensors' -not -path '*/.partial*')
[ -n "$left" ] && echo "model: there" >&2 || echo "model: absent" >&2
exit $code
"""


def on_small_disk(folder: Path, size: str, command: list[str]) -> list[str]:
    """Return a command that runs `command` while `folder` is a disk of `size`; needs Linux user namespaces.

    Afterwards it says on stderr whether a model was left there (`model: there` or `model: absent`).
    """
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no user namespaces, so no small disk can be mounted")
    return ["unshare", "-rm", "sh", "-c", ON_SMALL_DISK, "sh", str(folder), size, *command]
