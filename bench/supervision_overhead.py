"""What Steersman costs while it trains: the train stage under its supervisor against the bare launch command.

`python -m bench.supervision_overhead STEPS ROUNDS` (by default 40 and 2). The same command, config and
environment run both ways, alternating. Beside the wall time it prints the processor time of supervisor and
front end as a share of the machine, which other work on the machine does not disturb.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parent.parent


def steersman(*arguments: str) -> None:
    """Run a command of the program itself, its output thrown away."""
    subprocess.run(
        [sys.executable, "-m", "tui.command_line", *arguments], cwd=PROJECT, check=True, capture_output=True
    )


def supervised(plan: Path, run: Path) -> tuple[float, float]:
    """Train supervised; return (wall seconds of the stage, processor seconds of Steersman itself)."""
    shutil.rmtree(run / "stages" / "train", ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "tui.command_line",
        "run",
        str(plan),
        "--run",
        str(run),
        "--until",
        "train",
    ]
    front = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    own: dict[int, float] = {}
    while front.poll() is None:
        supervisor = json.loads((run / "supervisor.json").read_text("utf-8")).get("pid")
        for pid in (front.pid, supervisor):
            try:
                times = psutil.Process(pid).cpu_times()
            except psutil.NoSuchProcess:
                continue
            own[pid] = times.user + times.system
        time.sleep(0.2)
    if front.returncode != 0:
        raise SystemExit(f"the supervised run ended with {front.returncode}; see {run}")
    committed = [
        event
        for event in map(json.loads, (run / "journal.jsonl").read_text("utf-8").splitlines())
        if event["stage"] == "train" and event["kind"] == "state" and event["state"] == "committed"
    ]
    return float(committed[-1]["seconds"]), sum(own.values())


def bare(run: Path) -> float:
    """Run the recorded command of the train stage by itself, in a copy of its folder; return wall seconds."""
    stage = run / "stages" / "train"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "train"
        folder.mkdir()
        for file in ("spec.json", "config.json"):
            text = (stage / file).read_text("utf-8").replace(str(stage), str(folder))
            (folder / file).write_text(text, encoding="utf-8")
        recorded = json.loads((stage / "command.json").read_text("utf-8"))["command"]
        command = [part.replace(str(stage), str(folder)) for part in recorded]
        variables = json.loads((stage / "environment.json").read_text("utf-8"))["set"]
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment |= variables | {"STEERSMAN_STAGE_FOLDER": str(folder)}
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return time.perf_counter() - start


def main(steps: int = 40, rounds: int = 2) -> None:
    """Print both wall times, their ratio, and Steersman's own share of the processor time."""
    with tempfile.TemporaryDirectory() as name:
        plan, run = Path(name) / "plan.yaml", Path(name) / "run"
        wishes = ["--set", f"max_steps={steps}", "--set", "tracker=none"]
        model = ["--model", "smollm2-135m-instruct", "--data", "steersman-demo"]
        steersman("plan", *model, *wishes, "-o", str(plan))
        steersman("run", str(plan), "--run", str(run), "--until", "preflight")
        with_steersman, without, own = [], [], []
        for _ in range(rounds):
            wall, processor = supervised(plan, run)
            with_steersman.append(wall)
            own.append(processor / (wall * psutil.cpu_count()))
            without.append(bare(run))
    ours, theirs = statistics.median(with_steersman), statistics.median(without)
    print(f"train stage of {steps} steps: {ours:.1f} s under Steersman, {theirs:.1f} s bare launch command")
    print(f"overhead by wall time: {100 * (ours / theirs - 1):+.1f} %")
    print(f"processor time of supervisor and front end: {100 * statistics.median(own):.2f} % of the machine")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
