"""Merging shard by shard: exact in every precision and order, refused in words, found when wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from runtime.workers import shard_merge
from runtime.workers.refusal import RefusedError
from runtime.workers.shard_merge import check_shards, merge_shards
from runtime.workers.tensor_files import float_array, folder_entries
from runtime.workers.weight_change import Change, Kronecker, LowRank, Mora, mixed, pushed, vera
from tests.runtime.model_folders import write_raw

INS, OUTS = 24, 36
RANDOM = np.random.default_rng(3)


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


CHANGES: dict[str, Change] = {
    "lora": LowRank(numbers(INS, 4), numbers(4, OUTS), 0.5),
    "mixer": mixed(numbers(INS, 4), numbers(4, 4), numbers(4, OUTS), 2.0),
    "vera": vera(numbers(INS, 4), numbers(4), numbers(4, OUTS), numbers(OUTS), 1.0),
    "lokr": Kronecker(numbers(6, 4), numbers(6, 6), 0.7),
    "mora": Mora(numbers(10, 10), (INS, OUTS)),
}
FULL = {
    "lora": lambda c: c.a @ c.b * c.scaling,
    "mixer": lambda c: c.a @ c.b * c.scaling,
    "vera": lambda c: c.a @ c.b * c.scaling,
    "lokr": lambda c: np.kron(c.w1, c.w2).T * c.scaling,
    "mora": lambda c: c.apply(np.eye(INS), slice(None)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_parts_of_a_change_are_parts_of_the_whole(kind: str) -> None:
    change = CHANGES[kind]
    whole = FULL[kind](change)
    assert change.shape == whole.shape == (INS, OUTS)
    some, others = slice(3, 17), slice(5, 36)
    np.testing.assert_allclose(change.block(some, others), whole[some, others], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pushed(change, some, others), whole[some, others], rtol=1e-5, atol=1e-5)
    vectors = numbers(3, INS)
    np.testing.assert_allclose(
        change.apply(vectors, others), (vectors @ whole)[:, others], rtol=1e-4, atol=1e-4
    )


def write_base(folder: Path, precision: str, paddle_order: bool, shards: int) -> None:
    """Write one adapted matrix for each change and some tensors that nothing changes."""
    folder.mkdir()
    shape = (INS, OUTS) if paddle_order else (OUTS, INS)
    tensors = {f"{kind}.weight": numbers(*shape) for kind in CHANGES}
    tensors |= {"embed.weight": numbers(50, 8), "norm.weight": numbers(8)}
    if precision == "float64":
        tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
    names = sorted(tensors)
    weight_map = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors" if shards > 1 else "model.safetensors"
        part = {name: tensors[name] for name in names[number::shards]}
        write_raw(folder / file, part, precision == "bfloat16")
        weight_map.update(dict.fromkeys(part, file))
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def numbers_of(folder: Path) -> dict[str, np.ndarray]:
    return {name: float_array(entry).astype(np.float64) for name, entry in folder_entries(folder).items()}


def spacing(value: np.ndarray, precision: str) -> np.ndarray:
    """Return the distance of neighbouring numbers."""
    if precision == "bfloat16":
        return np.asarray(np.spacing(np.abs(value).astype(np.float32)).astype(np.float64) * 2**16)
    return np.asarray(np.spacing(np.abs(value).astype(precision)), np.float64)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("paddle_order", "shards"), [(False, 3), (True, 1)])
def test_every_number_is_the_nearest_to_base_plus_change(
    precision: str, paddle_order: bool, shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_merge, "BLOCK_BYTES", 1000)  # several pieces even of these small matrices
    base, out = tmp_path / "base", tmp_path / "out"
    write_base(base, precision, paddle_order, shards)
    out.mkdir()
    changes = {f"{kind}.weight": change for kind, change in CHANGES.items()}
    merged = merge_shards(base, changes, out, paddle_order=paddle_order)
    assert (merged.files, merged.tensors, merged.changed) == (shards, 7, 5)
    assert check_shards(base, changes, out, paddle_order=paddle_order) == merged
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in base.iterdir())
    after = numbers_of(out)
    for name, value in numbers_of(base).items():
        kind = name.removesuffix(".weight")
        delta = FULL[kind](CHANGES[kind]).astype(np.float64) if kind in CHANGES else np.zeros(1)
        expected = value + (delta if paddle_order else delta.T)
        # FULL computes in float32, so a number next to a tie may fall on its other side.
        near = 0.5 * spacing(after[name], precision) + (4e-6 if kind in CHANGES else 0)
        assert (np.abs(after[name] - expected) <= near).all(), name


def test_a_wrong_number_or_a_lost_adapter_is_found(tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    write_base(base, "float32", False, 1)
    out.mkdir()
    change = {"lora.weight": CHANGES["lora"]}
    merge_shards(base, {}, out)
    with pytest.raises(RefusedError, match=r"lora\.weight is not base plus adapter"):
        check_shards(base, change, out)
    merge_shards(base, change, out)
    raw = bytearray((out / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (out / "model.safetensors").write_bytes(raw)
    with pytest.raises(RefusedError, match="is not base plus adapter"):
        check_shards(base, change, out)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"other.weight": CHANGES["lora"]}, "other.weight, which the base model does not have"),
        ({"embed.weight": CHANGES["lora"]}, r"of shape \[36, 24\], the base has \[50, 8\]"),
        ({"lora.weight": LowRank(numbers(INS, 4), numbers(4, OUTS), 1e39)}, "infinite"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Change], sentence: str, tmp_path: Path) -> None:
    write_base(tmp_path / "base", "float32", False, 1)
    (tmp_path / "out").mkdir()
    with pytest.raises(RefusedError, match=sentence):
        merge_shards(tmp_path / "base", changes, tmp_path / "out")
