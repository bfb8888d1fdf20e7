"""`pytorch_model.bin` is read without torch, and nothing in it is ever run."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from planner.errors import BadInput
from planner.facts import ModelSource
from runtime.acquire.fetch import acquire
from runtime.acquire.listing import Listing, RemoteFile, wanted_files
from runtime.acquire.local import count_parameters
from runtime.workers.refusal import RefusedError
from runtime.workers.tensor_files import write_safetensors
from runtime.workers.torch_bin import bin_entries
from tests.runtime.model_folders import fingerprint
from tests.runtime.torch_files import Stored, as_bins, write_bin
from tests.tiny_model import write_tiny_llama


def silent(done: float, total: float, unit: str, message: str) -> None: ...


def test_every_precision_and_view_is_read_as_it_is(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    full = random.standard_normal((6, 4)).astype(np.float32)
    half = full.astype(np.float16)
    bits = (full.view(np.uint32) >> 16).astype(np.uint16)
    shared = np.arange(20, dtype=np.float32)
    write_bin(
        tmp_path / "pytorch_model.bin",
        {
            "full": full,
            "half": Stored(half, "HalfStorage"),
            "brain": Stored(bits, "BFloat16Storage"),
            "turned": Stored(full, "FloatStorage", shape=(4, 6), strides=(1, 4)),
            "inside": Stored(shared, "FloatStorage", shape=(2, 3), strides=(3, 1), offset=5),
            "scalar": Stored(shared, "FloatStorage", shape=(1,), strides=(1,), offset=7),
        },
    )
    entries = bin_entries(tmp_path / "pytorch_model.bin")
    assert {name: tensor.shape for name, tensor in entries.items()}["turned"] == (4, 6)
    np.testing.assert_array_equal(entries["brain"].value(), bits)
    plain = [tensor for name, tensor in entries.items() if name != "brain"]
    write_safetensors(plain, tmp_path, "pt", lambda done, total: None)
    found = load_file(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(found["full"], full)
    np.testing.assert_array_equal(found["half"], half)
    np.testing.assert_array_equal(found["turned"], full.T)
    np.testing.assert_array_equal(found["inside"], shared[5:11].reshape(2, 3))
    assert found["scalar"] == [7]


class Evil:
    """A pickle that leaves a file behind when it is opened the naive way."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda mark: Evil(os.mkdir, mark), "posix.mkdir"),
        (lambda mark: Evil(eval, f"__import__('os').mkdir({mark!r})"), "builtin"),
        (lambda mark: Evil(np.save, mark, np.zeros(2)), "numpy"),
    ],
)
def test_code_in_the_pickle_is_refused_and_not_run(call: Any, named: str, tmp_path: Path) -> None:
    mark = str(tmp_path / "run")
    evil = call(mark)
    write_bin(tmp_path / "pytorch_model.bin", {"w": np.zeros((2, 2), np.float32)}, extra=evil)
    with pytest.raises(RefusedError, match="so it was not opened") as refusal:
        bin_entries(tmp_path / "pytorch_model.bin")
    assert named in refusal.value.what
    assert not Path(mark).exists()


def test_the_naive_way_runs_it(tmp_path: Path) -> None:
    """Why the file is not given to pickle itself."""
    mark = tmp_path / "run"
    pickle.loads(pickle.dumps(Evil(os.mkdir, str(mark))))
    assert mark.exists()


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: path.write_bytes(b"not a zip"), "torch 1.6 or later"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "holds no weights that torch saved"),
        (lambda path: write_bin(path, {}, extra=[1, 2]), "extra, which is no weight"),
        (lambda path: write_bin(path, {"w": Stored(np.arange(4), "LongStorage")}), "as LongStorage numbers"),
        (
            lambda path: write_bin(path, {"w": np.zeros((9, 9), np.float32)}, zipped=True),
            "compressed or cut off",
        ),
        (
            lambda path: write_bin(
                path, {"w": Stored(np.zeros(4, np.float32), "FloatStorage", shape=(9,), strides=(1,))}
            ),
            "is damaged at the tensor w",
        ),
    ],
)
def test_what_is_no_plain_state_dict_is_refused_in_words(write: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    write(path)
    with pytest.raises(RefusedError, match=sentence):
        bin_entries(path)


@pytest.mark.parametrize("files", [1, 3])
def test_a_local_folder_is_copied_into_the_cache_and_stays_as_it_is(files: int, tmp_path: Path) -> None:
    """PaddleNLP would write a second copy of the model into the folder that it reads."""
    original = load_file(write_tiny_llama(tmp_path / "original") / "model.safetensors")
    folder = as_bins(write_tiny_llama(tmp_path / "mine"), files)
    before = fingerprint(folder)
    folder.chmod(0o555)
    source = ModelSource(kind="local", id=str(folder))
    assert count_parameters(folder) == sum(value.size for value in original.values())
    got = acquire(source, tmp_path / "models", silent)
    made = fingerprint(got)
    assert acquire(source, tmp_path / "models", silent) == got and fingerprint(got) == made
    folder.chmod(0o755)
    assert fingerprint(folder) == before and not got.is_relative_to(folder)
    found = load_file(got / "model.safetensors")
    assert found.keys() == original.keys()
    for name, value in original.items():
        np.testing.assert_array_equal(found[name], value)
    assert (got / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert not list(got.glob("*.bin"))


def test_a_changed_source_is_converted_again(tmp_path: Path) -> None:
    folder = as_bins(write_tiny_llama(tmp_path / "mine"))
    source = ModelSource(kind="local", id=str(folder))
    first = load_file(acquire(source, tmp_path / "models", silent) / "model.safetensors")
    other = as_bins(write_tiny_llama(tmp_path / "other", seed=9))
    (folder / "pytorch_model.bin").write_bytes((other / "pytorch_model.bin").read_bytes())
    second = load_file(acquire(source, tmp_path / "models", silent) / "model.safetensors")
    assert any(not np.array_equal(first[name], second[name]) for name in first)


def test_of_a_hub_bins_are_fetched_only_where_there_are_no_safetensors() -> None:
    files = {name: RemoteFile(1) for name in ("config.json", "pytorch_model.bin", "model.safetensors")}
    assert "pytorch_model.bin" not in wanted_files("a/b", Listing("1", files))
    del files["model.safetensors"]
    assert "pytorch_model.bin" in wanted_files("a/b", Listing("1", files))
    names = (
        "config.json",
        "pytorch_model.bin.index.json",
        "pytorch_model-00001-of-00001.bin",
        "optimizer.bin",
    )
    listing = Listing("1", {name: RemoteFile(1) for name in names})
    assert sorted(wanted_files("a/b", listing)) == sorted(names[:3])
    with pytest.raises(BadInput, match="no safetensors weights"):
        wanted_files("a/b", Listing("1", {"config.json": RemoteFile(1), "model.pdparams": RemoteFile(1)}))
