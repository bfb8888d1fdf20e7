"""Measurements of finished runs: kept, read back, and turned into corrections of the next plan."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from planner.facts import Facts
from planner.pace import setup_from
from planner.plan import Plan
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime import calibration, trial
from runtime.acquire.resolve import resolve_model
from runtime.calibration import calibration_for, load, measurements_file, record, store
from runtime.data.scan import scan
from runtime.events import State
from runtime.probe import probe_hardware
from runtime.run.journal import Journal
from runtime.run.layout import RunFolder, create_run
from runtime.run.view import StageView

FIGURES = {"peak_memory_bytes": 800_000_000, "tokens_per_second": 100.0, "steps": 20, "train_seconds": 9.0}


@pytest.fixture
def facts(tiny_hf_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facts:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    data = scan("steersman-demo", tiny_hf_model, max_length=256, src_length=128, seed=1, dev_fraction=0.1)
    return Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=probe_hardware(tmp_path))


def finished(folder: Path, plan: Plan, figures: dict[str, float] = FIGURES) -> RunFolder:
    run = create_run(folder, dumps(plan))
    with closing(Journal(run.journal)) as book:
        book.append(State(t=1000.0, stage="train", state="running"))
        book.append(State(t=2000.0, stage="train", state="committed", figures=figures, outputs={}))
    return run


def test_a_finished_run_corrects_the_next_plan_on_this_machine(facts: Facts, tmp_path: Path) -> None:
    plan = make_plan(facts, Wishes())
    measured = record(finished(tmp_path / "first", plan))
    assert measured is not None and load() == [measured]
    assert measured.peak_bytes == 800_000_000 and measured.tokens_per_second == 100.0
    assert measured.forecast_peak_bytes == plan.forecast.peak_memory_bytes
    found = calibration_for(facts)
    assert found is not None and found.runs == 1 and "first" in found.because
    assert found.memory_ratio == pytest.approx(
        min(2, max(0.5, 800e6 / plan.forecast.peak_memory_bytes)), abs=1e-3
    )


def test_corrections_do_not_pile_up(facts: Facts, tmp_path: Path) -> None:
    """A corrected plan that meets its forecast exactly confirms the same correction."""
    plain = make_plan(facts, Wishes())
    forecast = {
        "peak_memory_bytes": 1_000_000_000,
        "tokens_per_second": 400.0,
        "memory_ratio": 1.25,
        "speed_ratio": 0.8,
    }
    corrected = plain.model_copy(update={"forecast": plain.forecast.model_copy(update=forecast)})
    figures = FIGURES | {"peak_memory_bytes": 1_000_000_000, "tokens_per_second": 400.0}
    measured = record(finished(tmp_path / "corrected", corrected, figures))
    assert measured is not None
    assert measured.memory_ratio == pytest.approx(1.25)
    assert measured.speed_ratio == pytest.approx(0.8)


def test_recording_a_run_again_adds_nothing(facts: Facts, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", make_plan(facts, Wishes()))
    record(run)
    record(run)
    assert len(load()) == 1


def test_a_damaged_line_spoils_only_itself(facts: Facts, tmp_path: Path) -> None:
    plan = make_plan(facts, Wishes())
    first = record(finished(tmp_path / "one", plan))
    with measurements_file().open("ab") as file:
        file.write(b'{"machine": "cut off by a cra')
    second = record(finished(tmp_path / "two", plan))
    assert load() == [first, second]
    measurements_file().write_bytes(b"\xff\x00 not text\n" + measurements_file().read_bytes())
    assert load() == [first, second]


def test_few_steps_teach_memory_but_no_speed(facts: Facts, tmp_path: Path) -> None:
    measured = record(finished(tmp_path / "short", make_plan(facts, Wishes()), FIGURES | {"steps": 2}))
    assert measured is not None
    assert measured.tokens_per_second is None and measured.memory_ratio is not None


def test_unproven_training_and_typed_hardware_teach_nothing(facts: Facts, tmp_path: Path) -> None:
    plan = make_plan(facts, Wishes())
    assert record(create_run(tmp_path / "empty", dumps(plan))) is None
    typed = facts.hardware.model_copy(update={"origin": "typed"})
    elsewhere = plan.model_copy(update={"facts": facts.model_copy(update={"hardware": typed})})
    assert record(finished(tmp_path / "typed", elsewhere)) is None
    assert calibration_for(elsewhere.facts) is None and load() == []


def test_an_unwritable_data_folder_is_an_os_error(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report stage passes over that; it must be no other error."""
    measured = record(finished(tmp_path / "run", make_plan(facts, Wishes())))
    assert measured is not None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError):
        store(measured)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_trial_compares_what_it_measured_with_the_forecast_of_that(facts: Facts, processes: int) -> None:
    plan = make_plan(facts, Wishes(pins={"num_processes": processes}))
    figures = {"step_seconds": 2.0, "peak_memory_bytes": 700_000_000, "longest_row_tokens": 200}
    stage = StageView("preflight", state="committed", ended=3000.0, figures=figures)
    measured = trial.of_preflight(plan, stage)
    setup = setup_from(plan.value)
    assert measured.kind == "trial" and measured.peak_bytes == 700_000_000
    rows = setup.micro_batch * setup.accumulation * processes
    assert measured.tokens_per_second == pytest.approx(rows * 200 / 2.0)
    assert measured.forecast_tokens_per_second is not None
    assert calibration.of_training(plan, "x", StageView("train")) is None
    stage.figures["step_seconds"] = 0.2  # too short to be more than warming up
    assert trial.of_preflight(plan, stage).tokens_per_second is None


def test_a_scratch_run_is_seen_by_nobody_and_removed(facts: Facts, tmp_path: Path) -> None:
    from runtime.run.layout import list_runs

    with trial.scratch_run(make_plan(facts, Wishes())) as run:
        assert run.plan.is_file() and list_runs() == []
    assert not run.root.exists()
