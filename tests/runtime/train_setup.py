"""Configs, specs and data for the tests of the training worker."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
START = PROJECT / "runtime" / "workers" / "start.py"
LAB = Path(__file__).resolve().parent / "engine_lab.py"

WORDS = ["sail", "helm", "mast", "rope", "wind", "tide", "star", "port", "keel", "deck", "oar", "map"]


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return short conversations of one or two turns, reproducibly."""
    dice = random.Random(seed)

    def sentence(words: int) -> str:
        return " ".join(dice.choices(WORDS, k=words))

    result: list[dict[str, Any]] = []
    for index in range(count):
        turns = 1 + index % 2
        result.append(
            {
                "src": [sentence(dice.randint(2, 4)) + "?" for _ in range(turns)],
                "tgt": [sentence(dice.randint(2, 5)) + "." for _ in range(turns)],
            }
        )
    return result


def write_data(folder: Path, train: list[dict[str, Any]], dev: list[dict[str, Any]]) -> Path:
    """Write train.json and dev.json as the prepare stage does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in (("train", train), ("dev", dev)):
        (folder / f"{name}.json").write_text(
            "".join(json.dumps(row) + "\n" for row in split), encoding="utf-8"
        )
    return folder


def config(model: Path, data: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """Return a training config for a tiny model on the CPU: 12 steps, two epochs and a bit."""
    values: dict[str, Any] = {
        "model_name_or_path": str(model),
        "dataset_name_or_path": str(data),
        "output_dir": str(output),
        "device": "cpu",
        "do_train": True,
        "do_eval": True,
        "evaluation_strategy": "steps",
        "eval_steps": 6,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "save_total_limit": 50,
        "max_steps": 12,
        "num_train_epochs": 3,
        "per_device_train_batch_size": 1,
        "per_device_eval_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "learning_rate": 5e-3,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 1,
        "lora": True,
        "lora_rank": 4,
        "zero_padding": True,
        "greedy_zero_padding": False,
        "max_length": 256,
        "src_length": 128,
        "bf16": False,
        "fp16_opt_level": "O1",
        "unified_checkpoint": True,
        "report_to": "none",
        "seed": 7,
    }
    return {**values, **changes}


class Runs:
    """Makes stage folders with configs and specs, and reads what the worker left there."""

    def __init__(self, root: Path, model: Path, data: Path) -> None:
        self.root = root
        self.model = model
        self.data = data

    def output(self, name: str) -> Path:
        return self.root / name / "output"

    def stage(self, name: str) -> Path:
        return self.root / name / "stages" / "train"

    def spec(self, name: str, extras: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Write the config of a run and return its spec."""
        stage = self.stage(name)
        stage.mkdir(parents=True, exist_ok=True)
        path = self.config(name, **changes)
        return {
            "stage": "train",
            "stage_folder": str(stage),
            "config": str(path),
            "extras": {"lora_alpha": 8, "lora_dropout": 0.1, "tracker": "none", **(extras or {})},
        }

    def config(self, name: str, **changes: Any) -> Path:
        """Write the config of a run and return its path."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "config.json"
        data = Path(changes.pop("dataset_name_or_path", self.data))
        values = config(self.model, data, self.output(name), **changes)
        path.write_text(json.dumps(values), encoding="utf-8")
        return path

    def events(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind that the first rank wrote, over all starts."""
        path = self.stage(name) / "events-rank0.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["kind"] == kind]

    def curve(self, name: str) -> dict[int, float]:
        """Return step -> training loss."""
        events = self.events(name, "metric")
        return {event["step"]: event["values"]["loss"] for event in events if "loss" in event["values"]}

    def states(self, name: str) -> list[str]:
        return [event["state"] for event in self.events(name, "state")]

    def messages(self, name: str) -> str:
        """Return everything that was said, log and errors, as one text."""
        said = [event["message"] for event in self.events(name, "log")]
        return "\n".join(said + [f"{error['what']} {error['why']}" for error in self.events(name, "error")])

    def result(self, name: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads((self.stage(name) / "result.json").read_text(encoding="utf-8"))
        return result

    def checkpoints(self, name: str) -> list[int]:
        return sorted(int(path.name.split("-")[1]) for path in self.output(name).glob("checkpoint-*"))


def environment() -> dict[str, str]:
    """Return an engine process's environment. An empty device list would break the launcher."""
    values = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    return {**values, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


def launcher(python: Path, processes: int, log_folder: Path) -> list[str]:
    """Return the command that starts `processes` training processes."""
    host = ["--host", "127.0.0.1"]
    count = ["--nproc_per_node", str(processes), "--log_dir", str(log_folder)]
    return [str(python), "-m", "paddle.distributed.launch", *host, *count]


def start(python: Path, processes: int, spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the worker of a stage as the product does where it takes all processes."""
    stage = Path(spec["stage_folder"])
    path = stage / "spec.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    with (stage / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [*launcher(python, processes, stage / "launch"), str(START), spec["stage"], str(path)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )


def wait_for(what: Any, seconds: float = 120) -> None:
    """Wait until `what()` is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def run_lab(
    python: Path, processes: int, folder: Path, experiments: list[dict[str, Any]], lab: Path = LAB
) -> dict[str, dict[str, Any]]:
    """Run experiments in one engine process (or one per rank) and return name -> result."""
    folder.mkdir(parents=True, exist_ok=True)
    results, listing, log = folder / "results.jsonl", folder / "lab.json", folder / "log.txt"
    listing.write_text(json.dumps([str(results), *experiments]), encoding="utf-8")
    command = [str(python)] if processes == 1 else launcher(python, processes, folder / "launch")
    command += [str(lab), str(listing)]
    with log.open("wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment(), timeout=600)
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    found = {entry["name"]: entry for entry in map(json.loads, lines)}
    for experiment in experiments:
        assert experiment["name"] in found, f"{experiment['name']} did not finish; see {log}"
        assert "traceback" not in found[experiment["name"]], found[experiment["name"]]["traceback"]
    return found
