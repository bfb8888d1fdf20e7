"""A checkpoint is whole or absent: the rules of `runtime.workers.checkpoints`, without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.workers import checkpoints


def write_checkpoint(output: Path, step: int) -> Path:
    staged = checkpoints.staging(output) / f"checkpoint-{step}"
    staged.mkdir()
    (staged / "weights.bin").write_bytes(bytes(range(256)) * step)
    (staged / "state.json").write_text(f'{{"step": {step}}}', encoding="utf-8")
    final = output / f"checkpoint-{step}"
    checkpoints.publish(staged, final)
    return final


def test_newest_complete_checkpoint_is_found(tmp_path: Path) -> None:
    for step in (2, 10, 9):
        write_checkpoint(tmp_path, step)
    assert checkpoints.find(tmp_path) == (tmp_path / "checkpoint-10", (tmp_path / "saving",))


def test_nothing_is_found_in_an_empty_or_absent_folder(tmp_path: Path) -> None:
    assert checkpoints.find(tmp_path) == (None, ())
    assert checkpoints.find(tmp_path / "absent") == (None, ())


def cut(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"short")


def flip(folder: Path) -> None:
    data = bytearray((folder / "weights.bin").read_bytes())
    data[100] ^= 1
    (folder / "weights.bin").write_bytes(data)


def remove(folder: Path) -> None:
    (folder / "state.json").unlink()


def unseal(folder: Path) -> None:
    (folder / checkpoints.MANIFEST).unlink()


def garble(folder: Path) -> None:
    (folder / checkpoints.MANIFEST).write_text("[1, 2", encoding="utf-8")


def empty_manifest(folder: Path) -> None:
    (folder / checkpoints.MANIFEST).write_text("{}", encoding="utf-8")


@pytest.mark.parametrize("damage", [cut, flip, remove, unseal, garble, empty_manifest])
def test_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: object) -> None:
    good, bad = write_checkpoint(tmp_path, 4), write_checkpoint(tmp_path, 5)
    damage(bad)  # type: ignore[operator]
    found = checkpoints.find(tmp_path)
    assert found.checkpoint == good
    assert bad in found.broken


def test_a_kill_before_the_rename_leaves_no_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1)
    staged = checkpoints.staging(tmp_path) / "checkpoint-2"
    staged.mkdir()
    (staged / "weights.bin").write_bytes(b"half")
    found = checkpoints.find(tmp_path)
    assert found.checkpoint == tmp_path / "checkpoint-1"
    assert found.broken == (tmp_path / "saving",)


def test_rotation_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        write_checkpoint(tmp_path, step)
    removed = checkpoints.rotate(tmp_path, 2, best=str(tmp_path / "checkpoint-1"))
    assert removed == [tmp_path / "checkpoint-2"]
    assert [checkpoints.step_of(path) for path in checkpoints.newest_first(tmp_path)] == [4, 3, 1]


def test_rotation_never_removes_the_last_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1)
    assert checkpoints.rotate(tmp_path, 0, best=None) == []


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 3)
    assert checkpoints.is_complete(write_checkpoint(tmp_path, 3))
