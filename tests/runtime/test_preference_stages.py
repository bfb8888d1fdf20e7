"""What the last stages of a run are told after learning preferences. No engine is needed for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Stage, Wishes
from runtime.run.layout import RunFolder
from runtime.stages.asked import asked
from runtime.stages.prompts import dev_prompts
from tests.planner.scenes import amd, data, facts
from tests.runtime.preference_runs import GOOD, judged_rows, pair_rows


def planned(stage: Stage, dev: int = 10) -> Plan:
    return make_plan(
        facts("qwen2.5-0.5b-instruct", data(dev=dev), amd(8, 64)), Wishes(stage=stage), alternatives=False
    )


@pytest.mark.parametrize(
    ("stage", "dev", "proofs"),
    [
        ("sft", 10, ("generate.answers",)),
        ("dpo", 10, ("generate.answers", "generate.preferences")),
        ("kto", 10, ("generate.answers", "generate.preferences")),
        ("dpo", 0, ("generate.answers",)),
        ("reward", 10, ("generate.scores",)),
    ],
)
def test_held_out_answers_are_weighed_where_there_are_any(
    stage: Stage, dev: int, proofs: tuple[str, ...], tmp_path: Path
) -> None:
    plan = planned(stage, dev)
    found = asked(plan, RunFolder(tmp_path / "run"), str(tmp_path))
    assert found.proofs == proofs
    assert ("plan_stage" in found.spec) == (stage != "sft")
    json.dumps(found.spec)


def test_the_better_answer_is_the_one_to_compare_with(tmp_path: Path) -> None:
    for name, rows in (("pairs", pair_rows(6)), ("judged", judged_rows(6))):
        file = tmp_path / f"{name}.json"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        for row, prompt in zip(rows, dev_prompts(file), strict=True):
            assert prompt.messages[-1] == {"role": "user", "content": row["src"][-1]}
            told = ["system"] if row.get("context", {}).get("system") else []
            earlier = [turn["role"] for turn in prompt.messages[:-1]]
            assert earlier == [*told, *["user", "assistant"] * len(row["tgt"])]
            bad = name == "judged" and row["sort"] == [0]
            assert prompt.reference is None if bad else str(prompt.reference).startswith(GOOD)
