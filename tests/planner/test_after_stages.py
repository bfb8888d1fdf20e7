"""Which stages a plan has: a static graph is exported where its answers can be proven, and only there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.plan import STAGES, Plan
from planner.planfile import dumps, loads
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.run.layout import RunFolder
from runtime.stages.table import PlanTable
from tests.planner.scenes import DEMO, facts


def planned(model: str = "smollm2-135m-instruct", **wishes: object) -> Plan:
    values = {"target": "paddle_static", **wishes}
    return make_plan(facts(model, DEMO, ""), Wishes(**values), alternatives=False)  # type: ignore[arg-type]


def test_a_plan_for_a_static_graph_exports_before_it_reports() -> None:
    plan = planned()
    assert plan.stages == (*STAGES[:-1], "export", "report")
    assert plan.forecast.stage_seconds["export"] > 10
    assert loads(dumps(plan)) == plan


def test_other_plans_do_not_export() -> None:
    plan = planned(target="huggingface")
    assert plan.stages == STAGES
    assert "export" not in plan.forecast.stage_seconds


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"pins": {"method": "prefix_tuning"}}, "needs a merged model"),
        ({"pins": {"method": "reft"}}, "needs a merged model"),
        ({"pins": {"engine": "paddleformers"}}, "PaddleNLP only"),
    ],
)
def test_where_it_cannot_be_proven_the_plan_says_why(wishes: dict[str, object], words: str) -> None:
    plan = planned(**wishes)
    decision = plan.decisions["export"]
    assert decision.value == "huggingface" and words in decision.because
    assert plan.stages == STAGES


def test_the_stage_reads_the_merged_model_and_needs_both_proofs(tmp_path: Path) -> None:
    table = PlanTable(RunFolder(tmp_path / "run"), planned())
    task = table.task("export", {})
    json.dumps(task.spec)
    assert task.spec["model"] == "<merge.model>" and task.inside_engine
    assert task.proofs == ("export.logits", "export.tokens")
    assert task.command[-2:] == ("export", str(table.run.stage("export").spec))
