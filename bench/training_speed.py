"""Training speed of the demo's plan against PaddleNLP's own trainer with its defaults, on the same data.

`python -m bench.training_speed STEPS ROUNDS` (by default 6 and 2). The two alternate in one run, so that a
change of the machine's mood meets both. Only tokens that are not padding count; the first step of each run
warms up and is left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


def steersman(*arguments: str) -> None:
    """Run a command of the program itself, quietly."""
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)


def prepare(folder: Path) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Plan the demo and run it until its data is ready; return the plan and two stages' outputs."""
    plan = folder / "plan.yaml"
    steersman("plan", "--model", "smollm2-135m-instruct", "--data", "steersman-demo", "-o", str(plan))
    steersman("run", str(plan), "--run", str(folder / "run"), "--until", "prepare")
    outputs = [
        json.loads((folder / "run" / "stages" / stage / "result.json").read_text("utf-8"))["outputs"]
        for stage in ("convert", "prepare")
    ]
    return plan, outputs[0], outputs[1]


def ours(plan_path: Path, model: str, data: str, steps: int) -> list[dict[str, float]]:
    """Train as planned for a few steps; return tokens and seconds of each step after the first."""
    from planner import planfile, render
    from runtime.engines.registry import python_of

    plan = planfile.loads(plan_path.read_text("utf-8"), str(plan_path))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = json.loads(
            render.train_config(plan, model=model, data=data, output_dir=str(folder / "output"))
        )
        quiet = {
            "max_steps": steps,
            "logging_steps": 1,
            "do_eval": False,
            "evaluation_strategy": "no",
            "save_strategy": "no",
        }
        config.pop("eval_steps", None)
        (folder / "config.json").write_text(json.dumps(config | quiet), encoding="utf-8")
        extras = render.train_extras(plan) | {"tracker": "none"}
        spec = {
            "stage": "train",
            "stage_folder": name,
            "config": str(folder / "config.json"),
            "extras": extras,
        }
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        python = python_of(str(plan.value("engine")), str(plan.value("engine_build")))
        start = str(PROJECT / "runtime" / "workers" / "start.py")
        command = render.launch_command(
            plan, str(python), start, str(folder / "spec.json"), str(folder / "launch")
        )
        environment = bare_environment() | render.worker_environment(plan)
        subprocess.run(command, check=True, capture_output=True, env=environment)
        lines = (folder / "events-rank0.jsonl").read_text("utf-8").splitlines()
    metrics = [event["values"] for event in map(json.loads, lines) if event["kind"] == "metric"]
    return [
        {"tokens": values["tokens_per_second"] * values["step_seconds"], "seconds": values["step_seconds"]}
        for values in metrics[1:]
    ]


def plain(plan_path: Path, model: str, data: str, steps: int) -> list[dict[str, float]]:
    """Train with PaddleNLP's defaults for as many steps."""
    from planner import planfile
    from runtime.engines.registry import python_of

    plan = planfile.loads(plan_path.read_text("utf-8"), str(plan_path))
    python = python_of(str(plan.value("engine")), str(plan.value("engine_build")))
    script = str(PROJECT / "bench" / "plain_paddlenlp.py")
    command = [str(python), script, model, data, str(plan.value("lora_rank")), str(steps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=bare_environment())
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("STEPS ")]
    measured: list[dict[str, float]] = json.loads(line.removeprefix("STEPS "))
    return measured[1:]


def bare_environment() -> dict[str, str]:
    """Return this process's environment without anything that sets threads or kernels."""
    tuned = ("OMP_", "MKL_", "CUDA_VISIBLE_DEVICES", "FLAGS_", "PADDLE_")
    return {key: value for key, value in os.environ.items() if not key.startswith(tuned)}


def speed(steps: list[dict[str, float]]) -> float:
    """Return tokens that are not padding per second."""
    return sum(step["tokens"] for step in steps) / sum(step["seconds"] for step in steps)


def main(steps: int = 6, rounds: int = 2) -> None:
    """Print both speeds, round by round, and the ratio of their medians."""
    speeds: dict[str, list[float]] = {"as planned": [], "PaddleNLP defaults": []}
    with tempfile.TemporaryDirectory() as name:
        plan, converted, prepared = prepare(Path(name))
        for number in range(1, rounds + 1):
            for label, run in (("as planned", ours), ("PaddleNLP defaults", plain)):
                speeds[label].append(speed(run(plan, converted["model"], prepared["data"], steps)))
                print(f"round {number}, {label}: {speeds[label][-1]:.1f} tokens/s", flush=True)
    planned, default = (statistics.median(values) for values in speeds.values())
    ratio = planned / default
    print(f"tokens/s without padding: {planned:.1f} as planned, {default:.1f} by default, ratio {ratio:.2f}")


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
