"""What a run was made with, what has changed since, and how two runs of one plan compare."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime import replay_versions
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.probe import probe_hardware
from runtime.replay import changed_since, compare
from runtime.replay_versions import Versions, differences
from runtime.run.layout import RunFolder, create_run
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import new_run, supervise

COMMAND = [sys.executable, "-m", "tui.command_line", "replay"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def made(tmp_path: Path, tiny_hf_model: Path) -> RunFolder:
    """A run of a real plan that noted what it is made with, as a supervisor does."""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"src": f"Who {n}?", "tgt": f"Me {n}."}) + "\n" for n in range(30)))
    data = scan(str(file), tiny_hf_model, max_length=512, src_length=256, seed=42, dev_fraction=0.1)
    facts = Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=probe_hardware(tmp_path))
    plan = make_plan(facts, Wishes(pins={"method": "lora"}))
    run = create_run(tmp_path / "run", dumps(plan))
    replay_versions.write(run, plan, {})
    return run


def test_the_record_names_everything_and_no_place(made: RunFolder, tmp_path: Path) -> None:
    found = replay_versions.load(made).found
    assert set(found) == set(replay_versions.SUBJECTS)
    assert found["engine"]["name"] == "paddlenlp"
    assert len(found["data"]["sha256"]) == len(found["plan"]["sha256"]) == 64
    assert found["machine"]["cores"].isdigit()
    assert str(tmp_path) not in made.versions.read_text()


def test_nothing_has_changed_until_something_has(made: RunFolder, tmp_path: Path) -> None:
    assert changed_since(made) == []
    rows = tmp_path / "rows.jsonl"
    rows.write_text(rows.read_text() + '{"src": "More?", "tgt": "No."}\n')
    values = json.loads(made.versions.read_text())
    values["found"]["packages"]["paddlenlp"] = "2.8.0"
    made.versions.write_text(json.dumps(values))
    changed = {(one.subject, one.name): one.sentence() for one in changed_since(made)}
    assert set(changed) == {("packages", "paddlenlp"), ("data", "sha256")}
    assert changed["packages", "paddlenlp"] == "package paddlenlp: - now, 2.8.0 then."


def test_a_record_is_completed_but_never_replaced(made: RunFolder) -> None:
    values = json.loads(made.versions.read_text())
    values["found"]["packages"] = {"paddlenlp": "2.8.0"}
    made.versions.write_text(json.dumps(values))
    from planner.planfile import loads

    replay_versions.write(made, loads(made.plan.read_text()), {})
    assert replay_versions.load(made).found["packages"] == {"paddlenlp": "2.8.0"}


def test_an_engine_is_read_package_by_package(engine_python: Path) -> None:
    found = replay_versions.packages(engine_python.parent.parent)
    assert found["paddlenlp"].startswith("3.0.0") and "paddlepaddle" in found and len(found) > 50
    assert replay_versions.python_version(engine_python.parent.parent).startswith("3.")


def test_differences_are_told_by_subject_and_hashes_are_short() -> None:
    then = Versions(found={"data": {"sha256": "a" * 64}, "machine": {"cores": "2"}})
    now = Versions(found={"data": {"sha256": "b" * 64}, "machine": {"cores": "8"}})
    told = [one.sentence() for one in differences(then, now)]
    assert told == ["data sha256: bbbbbbbbbbbb now, aaaaaaaaaaaa then.", "machine cores: 8 now, 2 then."]


def test_an_older_run_is_told_that_it_noted_nothing(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={})
    with pytest.raises(BadInput, match="did not note what it was made with"):
        changed_since(run)


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, losses: list[Any]) -> RunFolder:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    run = new_run(folder, train={"losses": losses, "steps": len(losses), "step_seconds": 0.0})
    assert supervise(run) == 0
    return run


def test_two_runs_are_compared_float_by_float(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stand_in(tmp_path / "one", monkeypatch, [3.0, 2.0, 1.0])
    same = stand_in(tmp_path / "same", monkeypatch, [3.0, 2.0, 1.0])
    other = stand_in(tmp_path / "other", monkeypatch, [3.0, 2.0000000001, 1.0])
    equal = compare(one, same)
    assert equal.equal and equal.results == {"train.output": True}
    assert equal.sentence() == "The curves are equal, float by float, at 3 points."
    differing = compare(one, other)
    assert not differing.equal
    assert [(point.step, point.then) for point in differing.differing] == [(2, 2.0)]
    assert differing.sentence() == "1 of 3 points differ, first loss of step 2, at most by 1.00e-10."
    shorter = stand_in(tmp_path / "shorter", monkeypatch, [3.0, 2.0])
    assert not compare(one, shorter).equal, "a step that is missing is a difference"
    done = subprocess.run(
        [*COMMAND, str(one.root), "--compare", str(other.root)], capture_output=True, text=True, check=False
    )
    assert (
        done.returncode == 4 and "1 of 3 points differ" in done.stdout and "2.0000000001"[:10] in done.stdout
    )
    refused = subprocess.run([*COMMAND, str(one.root)], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "did not note" in refused.stderr
