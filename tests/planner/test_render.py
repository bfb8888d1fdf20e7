"""Rendering: the config is the engine's own format, judged by the engine's own parser."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from planner.errors import NothingFeasible
from planner.plan import Plan
from planner.render import (
    explanation,
    launch_command,
    launch_script,
    templates,
    train_config,
    train_extras,
    worker_environment,
)
from tests.planner.scenes import DEMO, LONG, SHORT, amd, data, plan

PARSER = Path(__file__).with_name("parse_configs.py")


def config(made: Plan) -> dict[str, Any]:
    return dict(json.loads(train_config(made, model="/m", data="/d", output_dir="/o")))


def many_plans() -> list[Plan]:
    """Return plans over hardware, models, data, goals and pins; those that do not fit are left out."""
    made = []
    models = (
        "smollm2-135m-instruct",
        "qwen2.5-7b-instruct",
        "llama-3.1-70b-instruct",
        "mistral-7b-instruct-v0.3",
    )
    machines = (amd(), amd(64, 512), "8x A100-80G", "V100 32g x4", "4090", "2 nodes x 8 H800 ib 400")
    for model, machine, found, goal in itertools.product(
        models, machines, (DEMO, SHORT, LONG, data(dev=0)), ("balance", "quality", "memory")
    ):
        try:
            made.append(plan(model, found, machine, goal=goal, alternatives=False))
        except NothingFeasible:
            continue
    pins: list[dict[str, Any]] = [
        {"method": "full"},
        {"evaluation_strategy": "epoch"},
        {"evaluation_strategy": "no"},
        {"lr_scheduler_type": "constant_with_warmup"},
        {"zero_padding": False},
        {"recompute": True},
        {"sharding": "stage1"},
        {"learning_rate": 1.0},
    ]
    return made + [plan(**pin) for pin in pins]


@pytest.mark.engine
def test_every_config_is_accepted_as_it_is_by_the_engines_own_parser(
    engine_python: Path, tmp_path: Path
) -> None:
    texts = {
        train_config(made, model="/m", data="/d", output_dir=str(tmp_path / "out")): made
        for made in many_plans()
    }
    assert len(texts) > 100
    worlds = {}
    for index, (text, made) in enumerate(texts.items()):
        (tmp_path / f"config-{index:03}.json").write_text(text, encoding="utf-8")
        worlds[f"config-{index:03}.json"] = made.value("num_processes")
    (tmp_path / "worlds.json").write_text(json.dumps(worlds), encoding="utf-8")
    done = subprocess.run(
        [str(engine_python), str(PARSER), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,
    )
    assert "FAULTS" in done.stdout, done.stderr[-2000:]
    assert json.loads(done.stdout.split("FAULTS")[-1]) == {}


def test_config_holds_the_decisions_in_the_engines_types() -> None:
    made = plan()
    written = config(made)
    assert (written["model_name_or_path"], written["dataset_name_or_path"], written["output_dir"]) == (
        "/m",
        "/d",
        "/o",
    )
    assert (written["device"], written["report_to"]) == ("cpu", "none")
    for name, decision in made.decisions.items():
        if name in written:
            assert written[name] == decision.value
            assert type(written[name]) is type(decision.value)


def test_nothing_is_null_and_nothing_is_off_by_name() -> None:
    for made in (
        plan(),
        plan(method="full"),
        plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G", method="full"),
        plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G", sharding="none"),
    ):
        written = config(made)
        assert None not in written.values()
        off = [name for name, decision in made.decisions.items() if decision.value in ("none", "")]
        assert off and not [name for name in off if name in written]
        assert written.get("sharding", "none") == made.value("sharding")
        assert ("lora" in written) == (made.value("method") == "lora")


def test_precision_becomes_the_engines_switches() -> None:
    gpu = config(plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G"))
    assert (gpu["bf16"], gpu["fp16"], gpu["fp16_opt_level"], gpu["device"]) == (True, False, "O2", "gpu")
    old = config(plan("qwen2.5-0.5b-instruct", SHORT, "V100"))
    assert (old["bf16"], old["fp16"]) == (False, True)


def test_an_odd_path_stays_one_string() -> None:
    path = 'a "b" <c> \\ é {{ 1 }} ${x}'
    assert json.loads(train_config(plan(), model=path, data=path, output_dir=path))["output_dir"] == path


def test_extras_hold_what_the_config_has_no_field_for() -> None:
    assert train_extras(plan()) == {
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "lora_target_modules": "all-linear",
        "stage": "sft",
        "early_stopping_patience": 0,
        "tracker": "swanlab-offline",
        "project": "smollm2-135m-instruct-steersman-demo-lora",
        "planned_steps": 98,
    }


def test_launch_on_a_cpu_counts_processes_and_on_gpus_names_devices() -> None:
    assert launch_command(plan(), "py", "start.py", "spec.json", "log") == [
        *["py", "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log"],
        *["start.py", "train", "spec.json"],
    ]
    eight = launch_command(
        plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G"), "py", "start.py", "spec.json", "log"
    )
    assert eight[3:5] == ["--nproc_per_node", "8"], "names of devices differ from machine to machine"
    several = launch_command(plan("qwen2.5-7b-instruct", SHORT, "2 nodes x 4 A100"), "py", "s", "x", "log")
    assert several[3:7] == ["--nproc_per_node", "4", "--nnodes", "2"]


def test_environment_holds_threads_and_the_mkl_switch_only_where_it_helps() -> None:
    assert worker_environment(plan()) == {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MKL_DEBUG_CPU_TYPE": "5",
    }
    assert "MKL_DEBUG_CPU_TYPE" not in worker_environment(plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G"))


def test_a_process_that_works_alone_gets_every_core() -> None:
    assert worker_environment(plan())["OMP_NUM_THREADS"] == "1"
    assert worker_environment(plan(), alone=True)["OMP_NUM_THREADS"] == "2"


def test_on_a_device_a_model_answers_in_the_numbers_that_it_was_trained_in() -> None:
    name = "STEERSMAN_ANSWER_DTYPE"
    on_gpus = plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G")
    assert worker_environment(on_gpus, alone=True)[name] == "bfloat16"
    assert worker_environment(plan("qwen2.5-7b-instruct", SHORT, "8x V100"), alone=True)[name] == "float16"
    assert name not in worker_environment(on_gpus) and name not in worker_environment(plan(), alone=True)


def test_launch_script_is_sound_shell_and_asks_for_the_first_machine(tmp_path: Path) -> None:
    for made in (plan(), plan("qwen2.5-7b-instruct", SHORT, "2 nodes x 4 A100")):
        script = tmp_path / "launch.sh"
        script.write_text(launch_script(made, ["-m", "x y", "$(touch no)", "it's"]), encoding="utf-8")
        subprocess.run(["bash", "-n", str(script)], check=True)
        text = script.read_text(encoding="utf-8")
        assert "'x y' '$(touch no)'" in text
        assert ("PADDLE_MASTER" in text) == (made.facts.hardware.nodes > 1)


def test_the_explanation_names_every_setting_with_its_reason() -> None:
    made = plan()
    text = explanation(made)
    for name, decision in made.decisions.items():
        assert f"| `{name}` |" in text
        assert decision.because.replace("|", "/") in text


def test_templates_refuse_undefined_names_and_reach_no_further() -> None:
    with pytest.raises(UndefinedError):
        templates().from_string("{{ nothing }}").render()
    with pytest.raises(Exception, match=r"unsafe|undefined"):
        templates().from_string("{{ ''.__class__.__mro__ }}").render()
