"""Preferences and a reward model from plan to report through the run engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Value, Wishes
from runtime.acquire.resolve import resolve_model
from runtime.chat import find_models
from runtime.data.scan import scan
from runtime.paths import engines_folder
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder, create_run
from runtime.run.start import start_supervisor
from runtime.run.status import read_status
from tests.runtime.results_setup import LEARNT, Trained

pytestmark = [pytest.mark.engine, pytest.mark.slow]

GENTLE: dict[str, Value] = {"learning_rate": 1e-5, "max_new_tokens": 64}
"""A rate at which the taught model forgets nothing, so that its answers still end."""

CASES: dict[str, dict[str, Value]] = {
    "dpo": {"loss_type": "sigmoid"},
    "simpo": {},
    "orpo": {"method": "full"},
    "kto": {},
    "reward": {"learning_rate": 1e-3},
}
"""Stage -> what is fixed besides."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own that shares the engines."""
    engines = engines_folder()
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "engines").symlink_to(engines)
    monkeypatch.setenv("STEERSMAN_HOME", str(folder))
    return folder


def data_of(folder: Path, stage: str) -> Path:
    """Write pairs, or judged answers, about what the taught model knows."""
    questions = [
        f"{greeting}, who are you{mark}"
        for greeting in ("Hi", "Ho", "Hey", "Ah", "Oh")
        for mark in "?!.:;-+*"
    ]
    rows: list[dict[str, Any]] = []
    for number, question in enumerate(questions):
        pair = {"chosen": LEARNT, "rejected": "Nobody at all."}
        if stage == "kto":
            side = ("chosen", "rejected")[number % 2]
            rows.append({"prompt": question, "completion": pair[side], "label": side == "chosen"})
        else:
            rows.append({"prompt": question, **pair})
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def finished(stage: str, model: Path, folder: Path) -> tuple[RunFolder, dict[str, Any]]:
    """Plan and run; return the run and its report."""
    data = data_of(folder, stage)
    found = scan(str(data), model, max_length=256, src_length=128, seed=42, dev_fraction=0.25)
    facts = Facts(model=resolve_model(str(model)), data=found.facts, hardware=probe_hardware(folder))
    plan = make_plan(facts, Wishes(stage=stage, pins={**GENTLE, **CASES[stage]}))
    run = create_run(folder / "run", dumps(plan))
    assert start_supervisor(run).wait(900) == 0, read_status(run).reason
    report: dict[str, Any] = json.loads((run.stage("report").root / "report.json").read_text("utf-8"))
    return run, report


@pytest.mark.parametrize("stage", CASES)
def test_from_plan_to_report(stage: str, taught: Trained, home: Path, tmp_path: Path) -> None:
    run, report = finished(stage, taught.root / "taught", tmp_path)
    proofs = {proof["name"]: proof for proof in report["proofs"]}
    assert all(proof["passed"] for proof in proofs.values())
    ends = (
        {"merge.scores", "generate.scores"} if stage == "reward" else {"merge.tokens", "generate.preferences"}
    )
    assert ends | {"preflight.steps", "merge.reload"} <= set(proofs)
    assert report["rewards"]["margin_last"] > report["rewards"]["margin_first"]
    assert report["curves"]["rewards/margins"] and report["curves"]["eval_rewards/margins"]
    page = (run.stage("report").root / "report.md").read_text("utf-8")
    assert "better answers got" in page
    assert "Reward margin" in (run.root / "report.html").read_text("utf-8")
    talks = any("steersman chat" in command for _, command in report["next"])
    assert talks == (stage != "reward")
    if stage == "reward":
        assert report["figures"]["generate"]["accuracy_after"] == 1.0
        with pytest.raises(BadInput, match="scores answers"):
            find_models(run)
    else:
        assert report["figures"]["generate"]["preference_margin"] > 0
