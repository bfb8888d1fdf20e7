"""Runs are found again wherever their folder lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.run.layout import create_run, find_run, list_runs


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("STEERSMAN_HOME", str(folder))
    return folder


def test_a_run_elsewhere_is_listed_and_is_the_latest(home: Path, tmp_path: Path) -> None:
    inside = create_run(home / "runs" / "inside", "a plan")
    elsewhere = create_run(tmp_path / "project" / "run", "a plan")
    assert {run.root for run in list_runs()} == {inside.root, elsewhere.root}
    assert find_run("latest").root == elsewhere.root
    assert find_run("run").root == elsewhere.root
    assert elsewhere.reference == str(elsewhere.root)
    assert inside.reference == "inside"


def test_runs_of_one_name_do_not_hide_each_other(tmp_path: Path) -> None:
    first = create_run(tmp_path / "first" / "run", "a plan")
    second = create_run(tmp_path / "second" / "run", "a plan")
    assert {run.root for run in list_runs()} == {first.root, second.root}


def test_a_removed_run_is_forgotten_and_its_place_can_be_used_again(home: Path, tmp_path: Path) -> None:
    gone = create_run(tmp_path / "gone" / "run", "a plan")
    shutil.rmtree(gone.root)
    assert list_runs() == []
    create_run(tmp_path / "new" / "run", "a plan")
    create_run(gone.root, "a plan")
    assert len(list_runs()) == len(list((home / "runs").iterdir())) == 2


def test_unknown_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no run 'nobody'"):
        find_run("nobody")
