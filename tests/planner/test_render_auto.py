"""Auto-parallel: rendered for the families that upstream has scripts for, in the words of those scripts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from planner.errors import NothingFeasible
from planner.methods import runnable
from planner.plan import Plan
from planner.render import read_config, script, train_config
from planner.solve import make_plan
from planner.upstream import files
from planner.wishes import Wishes
from tests.planner.scenes import SHORT, facts

EIGHT = "8x A100-80G nvlink"
PARSER = Path(__file__).with_name("parse_configs.py")

MADE = {
    "llama": ("pretrain", "llama-3.1-8b", EIGHT, "auto_parallel/llama/run_pretrain_auto.py"),
    "llama-70b": (
        "pretrain",
        "llama-3.1-70b",
        "8 nodes x 8 H800 ib 400",
        "auto_parallel/llama/run_pretrain_auto.py",
    ),
    "gpt": ("pretrain", "gpt2-xl", EIGHT, "auto_parallel/gpt-3/run_pretrain_auto.py"),
}
"""Name -> stage, model, machine, and upstream's script."""


def made(name: str, *, static: bool) -> Plan:
    """Return one plan by auto-parallel."""
    stage, model, machine, _ = MADE[name]
    pins = {"enable_auto_parallel": True, "to_static": static}
    return make_plan(facts(model, SHORT, machine), Wishes(stage=stage, pins=pins), alternatives=False)  # type: ignore[arg-type]


def config(plan: Plan) -> dict[str, Any]:
    """Return its config."""
    return read_config(train_config(plan, model="m", data="d", output_dir="o"), "paddlenlp")


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("name", MADE)
def test_the_config_is_for_upstreams_own_script(name: str, static: bool) -> None:
    plan = made(name, static=static)
    written = config(plan)
    assert (written["enable_auto_parallel"], written["to_static"]) == (True, static)
    assert plan.value("method") == "full"
    assert not written["unified_checkpoint"]
    folder = files(plan)
    assert f'"$LLM/{MADE[name][3]}"' in folder["launch.sh"]
    assert MADE[name][3] in folder["README.md"]
    assert f' start.py "$LLM/{MADE[name][3]}"' in folder["launch.sh"] and "`start.py`" in folder["README.md"]
    compile(folder["start.py"], "start.py", "exec")
    assert runnable(plan)


REFUSED = {
    "family": ("pretrain", "qwen2.5-7b", EIGHT, {}, "no auto-parallel script for qwen2"),
    "stage": (
        "dpo",
        "llama-3.1-8b-instruct",
        EIGHT,
        {},
        "no auto-parallel script for llama models in stage dpo",
    ),
    "later": (
        "sft",
        "llama-3.1-8b-instruct",
        EIGHT,
        {},
        "no auto-parallel script for llama models in stage sft",
    ),
    "method": ("pretrain", "llama-3.1-8b", EIGHT, {"method": "lora"}, "the method is lora"),
    "engine": ("sft", "ernie-4.5-0.3b-pt", EIGHT, {}, "belong to PaddleNLP"),
    "machine": ("sft", "smollm2-135m", "", {}, "needs accelerators"),
    "sharding": ("pretrain", "llama-3.1-8b", EIGHT, {"sharding": "stage2"}, "shard by stage1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_where_upstream_has_no_script(name: str) -> None:
    stage, model, machine, pins, sentence = REFUSED[name]
    wishes = Wishes(stage=stage, pins={"enable_auto_parallel": True, **pins})  # type: ignore[arg-type,dict-item]
    with pytest.raises(NothingFeasible) as caught:
        make_plan(facts(model, SHORT, machine), wishes, alternatives=False)
    assert sentence in caught.value.what


@pytest.mark.engine
def test_the_engines_own_parser_takes_them(engine_python: Path, tmp_path: Path) -> None:
    worlds = {}
    for name in MADE:
        for static in (False, True):
            plan = made(name, static=static)
            file = f"{script(plan)}-{name}-{static}.json"
            text = train_config(plan, model="m", data="d", output_dir=str(tmp_path / "out"))
            (tmp_path / file).write_text(text, encoding="utf-8")
            worlds[file] = plan.value("num_processes")
    (tmp_path / "worlds.json").write_text(json.dumps(worlds), encoding="utf-8")
    done = subprocess.run(
        [str(engine_python), str(PARSER), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert "FAULTS" in done.stdout, done.stderr[-2000:]
    assert json.loads(done.stdout.split("FAULTS")[-1]) == {}
