"""Relative paths of a plan: from here, or from beside its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.plan import Plan
from runtime.run.place import folder_of_paths, path_of_data
from tests.planner.scenes import plan as scene


def naming(path: str) -> Plan:
    """Return a plan whose data have this path."""
    plan = scene()
    facts = plan.facts.model_copy(update={"data": plan.facts.data.model_copy(update={"path": path})})
    return plan.model_copy(update={"facts": facts})


def test_data_here_come_first_then_those_beside_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, beside = tmp_path / "here", tmp_path / "beside"
    here.mkdir(), beside.mkdir()
    monkeypatch.chdir(here)
    plan, file = naming("rows.jsonl"), beside / "plan.yaml"
    assert folder_of_paths(plan, file) == here, "they are nowhere: said later, with the path as typed"
    assert path_of_data(plan, file) == "rows.jsonl"
    (beside / "rows.jsonl").touch()
    assert folder_of_paths(plan, file) == beside
    assert path_of_data(plan, file) == str(beside / "rows.jsonl")
    assert folder_of_paths(plan, None) == here
    (here / "rows.jsonl").touch()
    assert folder_of_paths(plan, file) == here
    assert folder_of_paths(naming(str(beside / "rows.jsonl")), file) == here


def test_a_mixture_stays_as_it_is_written(tmp_path: Path) -> None:
    words = "a.jsonl*0.7 + b.jsonl*0.3"
    assert path_of_data(naming(words), tmp_path / "plan.yaml") == words
