"""A plan for a static graph, run in one go; then everything that can be done with its result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.paths import engines_folder, home
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder, create_run
from runtime.run.start import start_supervisor
from runtime.run.status import read_status
from tests.runtime.results_setup import LEARNT, Trained
from tests.runtime.stand_in_run import states
from tests.runtime.test_serving import Served
from tui.command_line import main

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PINS = {"learning_rate": 1e-5, "max_new_tokens": 64}
"""A rate at which the taught model forgets nothing, so that its answers still end."""

QUESTION = {"messages": [{"role": "user", "content": "Who are you?\nAnd why?"}]}


@pytest.fixture(scope="module")
def run(taught: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """The finished run, in a home of its own that shares the engines."""
    root, engines = tmp_path_factory.mktemp("after"), engines_folder()
    (root / "home").mkdir()
    (root / "home" / "engines").symlink_to(engines)
    rows = [
        {"messages": [{"role": "user", "content": f"{word}, who are you{mark}"}, said]}
        for said in [{"role": "assistant", "content": LEARNT}]
        for word in ("Hi", "Ho", "Hey", "Ah", "Oh")
        for mark in "?!.:;-+*"
    ]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = taught.root / "taught"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEERSMAN_HOME", str(root / "home"))
        found = scan(
            str(root / "rows.jsonl"), model, max_length=256, src_length=128, seed=42, dev_fraction=0.25
        )
        facts = Facts(model=resolve_model(str(model)), data=found.facts, hardware=probe_hardware(root))
        plan = make_plan(facts, Wishes(target="paddle_static", pins=PINS))
        made = create_run(root / "run", dumps(plan))
        assert start_supervisor(made).wait(900) == 0, read_status(made).reason
        yield made


def report_of(run: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.stage("report").root / "report.json").read_text("utf-8"))
    return found


def test_the_static_graph_is_a_stage_with_proofs(run: RunFolder) -> None:
    report = report_of(run)
    proofs = {proof["name"] for proof in report["proofs"] if proof["passed"]}
    assert proofs >= {"merge.tokens", "generate.answers", "export.logits", "export.tokens"}
    assert str(run.stage("export").root / "static") in report["files"].values()
    commands = [command for _, command in report["next"]]
    for part in ("predict/export_model.py", "flask_server.py", "steersman serve-model", "--static"):
        assert any(part in command for command in commands), (part, commands)


def test_batches_and_clients_are_answered_by_the_graph(run: RunFolder, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps(QUESTION) + "\n")
    answers = {}
    for flags in ((), ("--static",)):
        out = tmp_path / f"{len(flags)}.jsonl"
        assert main(["predict", str(run.root), "--data", str(data), "--out", str(out), *flags]) == 0
        answers[flags] = json.loads(out.read_text())["answer"]
    assert answers[()] == answers[("--static",)] == LEARNT
    server = Served(home(), run.root, "--static")
    try:
        assert server.chat(**QUESTION)[1]["choices"][0]["message"]["content"] == LEARNT
    finally:
        server.process.terminate()
        assert server.process.wait(30) == 0


def test_it_is_quantised_on_its_own_rows_and_its_report_stays_proven(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    for method in ("gptq", "ptq"):
        assert main(["quantise", str(run.root), "--method", method]) == 0
    assert "A8W8: loss on 10 held-out rows" in capsys.readouterr().out
    assert [one["method"] for one in report_of(run)["quantised"]] == ["a8w8", "gptq"]
    assert "A8W8" in (run.root / "report.html").read_text("utf-8")
    assert start_supervisor(run).wait(300) == 0
    assert states(run, "report").count("redone") == 0 and read_status(run).state == "finished"
