"""Training speed of both engines on this machine: the same model, data, settings and global batch.

`python -m bench.engine_speed STEPS ROUNDS` (by default 6 and 2). The demo is planned for each engine with
everything fixed that decides the work of a step, and its data are prepared by the run itself. The two train
in turn, so that a change of the machine's mood meets both. Only tokens that are not padding count; the first
step of each training warms up and is left out.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from bench.training_speed import PROJECT, bare_environment, speed, steersman

ENGINES = ("paddlenlp", "paddleformers")
MODEL, DATA = "smollm2-135m-instruct", "steersman-demo"
SAME = {
    "method": "lora",
    "lora_rank": "8",
    "max_length": "256",
    "zero_padding": "true",
    "num_processes": "2",
    "omp_num_threads": "1",
    "per_device_train_batch_size": "1",
    "gradient_accumulation_steps": "1",
    "sharding": "none",
    "recompute": "false",
}
"""What decides the work of a step, the same in both plans: two processes with one pack of 256 tokens each."""

QUIET = {"logging_steps": 1, "do_eval": False, "evaluation_strategy": "no", "save_strategy": "no"}
"""Nothing but steps."""


def prepared(engine: str, folder: Path) -> tuple[Path, str, str]:
    """Plan the demo for an engine and run it until its data is ready; return plan, model and data."""
    plan = folder / f"{engine}.yaml"
    pins = [word for name, value in SAME.items() for word in ("--set", f"{name}={value}")]
    steersman("plan", "--model", MODEL, "--data", DATA, "--engine", engine, *pins, "-o", str(plan))
    run = folder / engine
    steersman("run", str(plan), "--run", str(run), "--until", "prepare")
    outputs = {
        stage: json.loads((run / "stages" / stage / "result.json").read_text("utf-8"))["outputs"]
        for stage in ("convert", "prepare")
    }
    return plan, outputs["convert"]["model"], outputs["prepare"]["data"]


def trained(plan_path: Path, model: str, data: str, steps: int) -> list[dict[str, float]]:
    """Train for a few steps; return tokens and seconds of each step after the first."""
    from planner import planfile, render
    from runtime.engines.registry import python_of

    plan = planfile.loads(plan_path.read_text("utf-8"), str(plan_path))
    engine = str(plan.value("engine"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = render.train_config(plan, model=model, data=data, output_dir=str(folder / "output"))
        config = render.read_config(text, engine) | QUIET | {"max_steps": steps, "warmup_steps": 1}
        for unused in ("eval_steps", "load_best_model_at_end"):
            config.pop(unused, None)
        write = json.dumps if engine == "paddlenlp" else yaml.safe_dump
        (folder / render.config_name(plan)).write_text(write(config), encoding="utf-8")
        spec = {
            "stage": "train",
            "stage_folder": name,
            "config": str(folder / render.config_name(plan)),
            "extras": render.train_extras(plan) | {"tracker": "none"},
        }
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        python = python_of(engine, str(plan.value("engine_build")))
        start = str(PROJECT / "runtime" / "workers" / "start.py")
        command = render.launch_command(
            plan, str(python), start, str(folder / "spec.json"), str(folder / "launch")
        )
        environment = bare_environment() | render.worker_environment(plan)
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise RuntimeError(f"{engine} stopped with {done.returncode}: {done.stderr[-2000:]}")
        lines = (folder / "events-rank0.jsonl").read_text("utf-8").splitlines()
    metrics: list[dict[str, Any]] = [
        event["values"] for event in map(json.loads, lines) if event["kind"] == "metric"
    ]
    return [
        {"tokens": values["tokens_per_second"] * values["step_seconds"], "seconds": values["step_seconds"]}
        for values in metrics[1:]
        if "step_seconds" in values
    ]


def main(steps: int = 6, rounds: int = 2) -> None:
    """Print the speed of both, round by round, and the ratio of their medians."""
    speeds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    with tempfile.TemporaryDirectory() as name:
        ready = {engine: prepared(engine, Path(name)) for engine in ENGINES}
        for number in range(1, rounds + 1):
            for engine, (plan, model, data) in ready.items():
                speeds[engine].append(speed(trained(plan, model, data, steps)))
                print(f"round {number}, {engine}: {speeds[engine][-1]:.1f} tokens/s", flush=True)
    first, second = (statistics.median(values) for values in speeds.values())
    print(
        f"tokens/s without padding, the same work: {first:.1f} with {ENGINES[0]}, {second:.1f} with "
        f"{ENGINES[1]}, ratio {second / first:.2f}"
    )


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
