"""Write `pytorch_model.bin` as torch writes it, without torch."""

from __future__ import annotations

import io
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file


@contextmanager
def stand_in_torch() -> Iterator[types.ModuleType]:
    """Let the pickler find the names that torch's files hold."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*arguments: Any) -> None: ...

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = (
        "torch._utils",
        *["_rebuild_tensor_v2"] * 2,
    )
    inner._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    for name in ("FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": inner})
    try:
        yield torch
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class Stored:
    """A tensor on its way into the file: `strides` and `offset` in numbers over `data`."""

    def __init__(self, data: np.ndarray, kind: str, shape: Any = None, strides: Any = None, offset: int = 0):
        self.data, self.kind, self.offset = np.ascontiguousarray(data), kind, offset
        self.shape = tuple(shape or data.shape)
        self.strides = tuple(strides or (stride // data.itemsize for stride in self.data.strides))


class _Storage:
    def __init__(self, stored: Stored) -> None:
        self.stored = stored


def write_bin(path: Path, tensors: dict[str, Any], extra: Any = None, zipped: bool = False) -> None:
    """Write a state dict; `extra` goes into it as it is, whatever it asks to run."""
    storages: dict[int, tuple[str, np.ndarray]] = {}
    with stand_in_torch() as torch:

        class Reduced:
            def __init__(self, stored: Stored) -> None:
                self.stored = stored

            def __reduce__(self) -> Any:
                stored = self.stored
                view = _Storage(stored), stored.offset, stored.shape, stored.strides
                rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
                hooks: OrderedDict[str, Any] = OrderedDict()
                return rebuild, (*view, False, hooks)

        class Pickler(pickle.Pickler):
            def persistent_id(self, value: Any) -> Any:
                if not isinstance(value, _Storage):
                    return None
                key = storages.setdefault(id(value.stored.data), (str(len(storages)), value.stored.data))[0]
                kind = getattr(torch, value.stored.kind)
                return "storage", kind, key, "cpu", value.stored.data.size

        values: Any = OrderedDict(
            (name, Reduced(value if isinstance(value, Stored) else Stored(value, "FloatStorage")))
            for name, value in tensors.items()
        )
        if extra is not None:
            values["extra"] = extra
        buffer = io.BytesIO()
        Pickler(buffer, 2).dump(values)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if zipped else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, data in storages.values():
            archive.writestr(f"archive/data/{key}", data.tobytes())
        archive.writestr("archive/version", "3\n")


def as_bins(folder: Path, files: int = 1) -> Path:
    """Store the safetensors of `folder` as `pytorch_model.bin`, or several with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, weight_map = list(tensors), {}
    for number in range(files):
        name = f"pytorch_model-{number + 1:05d}-of-{files:05d}.bin" if files > 1 else "pytorch_model.bin"
        write_bin(folder / name, {tensor: tensors[tensor] for tensor in names[number::files]})
        weight_map.update(dict.fromkeys(names[number::files], name))
    if files > 1:
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder
