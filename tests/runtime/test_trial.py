"""A trial: real steps of a real engine on this machine, remembered, and what the next plan makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from planner.errors import StageFailed
from planner.facts import Facts
from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime import trial
from runtime.acquire.resolve import resolve_model
from runtime.calibration import calibration_for, load
from runtime.data.scan import scan
from runtime.paths import engines_folder, home
from runtime.probe import probe_hardware
from runtime.run.layout import list_runs


def plan_for(model: Path, folder: Path) -> Plan:
    data = scan("steersman-demo", model, max_length=256, src_length=128, seed=1, dev_fraction=0.1)
    facts = Facts(model=resolve_model(str(model)), data=data.facts, hardware=probe_hardware(folder))
    return make_plan(facts, Wishes())


@pytest.fixture
def plan(tiny_hf_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan for a tiny model, in a home of its own that shares the engines."""
    engines = engines_folder()
    own = tmp_path / "home"
    own.mkdir()
    if engines.is_dir():
        (own / "engines").symlink_to(engines)
    monkeypatch.setenv("STEERSMAN_HOME", str(own))
    monkeypatch.delenv("STEERSMAN_STAGE_TABLE", raising=False)
    return plan_for(tiny_hf_model, tmp_path)


@pytest.mark.engine
@pytest.mark.slow
def test_a_trial_measures_and_corrects_the_next_plan(plan: Plan, engine_python: Path) -> None:
    told: list[str] = []
    measured = trial.trial(plan, told.append)
    assert any("preflight" in sentence for sentence in told)
    assert measured.kind == "trial" and load() == [measured]
    assert measured.peak_bytes is not None and measured.memory_ratio is not None
    assert list_runs() == [] and list((home() / "trials").iterdir()) == []
    found = calibration_for(plan.facts)
    assert found is not None and "a trial of" in found.because
    corrected = make_plan(plan.facts.model_copy(update={"calibration": found}), plan.wishes)
    assert corrected.forecast.memory_ratio == found.memory_ratio == round(measured.memory_ratio, 4)
    assert corrected.forecast.peak_memory_bytes == pytest.approx(measured.peak_bytes, rel=0.01)
    assert found.because in corrected.forecast.assumptions


def test_a_trial_that_fails_says_why_and_teaches_nothing(plan: Plan, tiny_hf_model: Path) -> None:
    gone = plan.facts.model.model_copy(
        update={"source": plan.facts.model.source.model_copy(update={"id": "/nowhere/model"})}
    )
    broken = plan.model_copy(update={"facts": plan.facts.model_copy(update={"model": gone})})
    with pytest.raises(StageFailed) as failure:
        trial.trial(broken)
    assert failure.value.what
    assert load() == [] and list((home() / "trials").iterdir()) == []


def test_a_trial_on_a_busy_processor_says_so(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def never(*arguments: object) -> None:
        raise StageFailed("Not today.")

    monkeypatch.setattr(trial, "_run_to_preflight", never)
    for load_average, sentences in ((0.1, 0), (1.7, 1)):
        monkeypatch.setattr(os, "getloadavg", lambda busy=load_average: (busy, busy, busy))
        told.clear()
        with pytest.raises(StageFailed):
            trial.trial(plan, told.append)
        assert len(told) == sentences
        assert all("1.7 of" in sentence for sentence in told)
