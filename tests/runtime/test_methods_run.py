"""Unusual methods from plan to proof through the run engine, and a chat with what they hand out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Value, Wishes
from runtime.acquire.resolve import resolve_model
from runtime.chat import ChatWorker, find_models
from runtime.data.scan import scan
from runtime.paths import engines_folder
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder, create_run
from runtime.run.start import start_supervisor
from runtime.run.status import read_status
from tests.runtime.results_setup import LEARNT, Trained

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SHORT: dict[str, Value] = {"num_train_epochs": 1, "learning_rate": 1e-6, "max_new_tokens": 64}
"""A rate at which the taught model forgets nothing, so that its answers still end."""

METHODS: dict[str, dict[str, Value]] = {
    "pissa": {"lora_variant": "pissa"},
    "prefix": {"method": "prefix_tuning", "num_prefix_tokens": 8},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own that shares the engines."""
    engines = engines_folder()
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "engines").symlink_to(engines)
    monkeypatch.setenv("STEERSMAN_HOME", str(folder))
    return folder


def data_of(folder: Path) -> Path:
    """Write the lesson that the taught model knows, often enough for a split."""
    questions = ("Who are you?\nAnd why?", "Hi", "Who are you?")
    rows = [{"src": [question], "tgt": [LEARNT]} for question in questions * 10]
    path = folder / "lesson.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", METHODS)
def test_from_plan_to_chat(name: str, taught: Trained, home: Path, tmp_path: Path) -> None:
    model, data = taught.root / "taught", data_of(tmp_path)
    found = scan(str(data), model, max_length=256, src_length=128, seed=42, dev_fraction=0.2)
    facts = Facts(model=resolve_model(str(model)), data=found.facts, hardware=probe_hardware(tmp_path))
    plan = make_plan(facts, Wishes(pins={**SHORT, **METHODS[name]}))
    run = create_run(tmp_path / "run", dumps(plan))
    assert start_supervisor(run).wait(600) == 0, read_status(run).reason
    report: dict[str, Any] = json.loads((run.stage("report").root / "report.json").read_text())
    proofs = {proof["name"]: proof["passed"] for proof in report["proofs"]}
    assert all(proofs.values())
    assert proofs.keys() >= {"merge.reload", "merge.logits", "merge.tokens", "generate.answers"}
    assert {"base_rougeL", "tuned_rougeL", "tuned_bleu4"} <= set(report["figures"]["generate"])
    talk_to(run)


def talk_to(run: RunFolder) -> None:
    """Ask both models through the chat worker."""
    with ChatWorker(find_models(run)) as worker:
        for which in ("tuned", "base"):
            *_, end = worker.ask([{"role": "user", "content": "Hi"}], which, max_new_tokens=24)  # type: ignore[arg-type]
            assert end["tokens"] > 0
