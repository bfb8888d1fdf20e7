"""Data, configs and specifications for the tests of PaddleFormers' workers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from runtime.data import formers_rows
from runtime.data.corpus import write_corpora
from runtime.data.tokens import load_counter
from tests.runtime.train_setup import rows

LAB = Path(__file__).resolve().parent / "formers_lab.py"


def write_rows(folder: Path) -> Path:
    """Write train.jsonl and dev.jsonl with `messages`."""
    folder.mkdir(parents=True)
    for name, count, seed in (("train", 15, 0), ("dev", 4, 1)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows(count, seed):
                messages = []
                for question, answer in zip(row["src"], row["tgt"], strict=True):
                    messages.append({"role": "user", "content": question})
                    messages.append({"role": "assistant", "content": answer})
                file.write(json.dumps({"messages": messages}) + "\n")
    return folder


def write_pairs(folder: Path) -> Path:
    """Write train.jsonl and dev.jsonl with pairs of answers, of which the better one never ends in `!`."""
    folder.mkdir(parents=True)
    for name, count, seed in (("train", 12, 2), ("dev", 3, 3)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows(count, seed):
                question, answer = row["src"][0], row["tgt"][0]
                pair = {
                    "messages": [{"role": "user", "content": question}],
                    "chosen_response": [{"role": "assistant", "content": answer}],
                    "rejected_response": [{"role": "assistant", "content": answer[:-1] + "!"}],
                }
                file.write(json.dumps(pair) + "\n")
    return folder


def write_texts(folder: Path, model: Path) -> Path:
    """Write plain texts as the prepare stage does: rows, token files, and rows in the toolkit's layout."""
    folder.mkdir(parents=True)
    counts = {"train.json": 12, "dev.json": 3}
    for seed, (name, count) in enumerate(counts.items()):
        lines = [{"text": " ".join(row["src"] + row["tgt"])} for row in rows(count, 4 + seed)]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write_corpora(folder, counts, load_counter(model), lambda done, total, unit, message: None)
    formers_rows.write(folder, "erniekit")
    return folder


class Formers:
    """Folders of runs with the toolkit's own YAML, and what the worker left there."""

    def __init__(self, root: Path, model: Path, data: Path) -> None:
        self.root = root
        self.model = model
        self.data = data

    def stage(self, run: str, stage: str = "train") -> Path:
        return self.root / run / "stages" / stage

    def output(self, run: str) -> Path:
        return self.root / run / "output"

    def config(self, run: str, **changes: Any) -> Path:
        """Write the config of a run: 12 steps, an epoch and a half."""
        values: dict[str, Any] = {
            "stage": "SFT",
            "model_name_or_path": str(self.model),
            "train_dataset_type": "messages",
            "eval_dataset_type": "messages",
            "train_dataset_path": str(self.data / "train.jsonl"),
            "train_dataset_prob": "1.0",
            "eval_dataset_path": str(self.data / "dev.jsonl"),
            "eval_dataset_prob": "1.0",
            "max_seq_len": 256,
            "packing": False,
            "mix_strategy": "concat",
            "fine_tuning": "LoRA",
            "lora_rank": 4,
            "compute_type": "float32",
            "fp16_opt_level": "O1",
            "amp_master_grad": False,
            "split_param": False,
            "_attn_implementation": "eager",
            "sharding": "",
            "per_device_train_batch_size": 1,
            "per_device_eval_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "learning_rate": 5e-3,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 1,
            "max_steps": 12,
            "num_train_epochs": 3,
            "seed": 7,
            "do_train": True,
            "do_eval": True,
            "evaluation_strategy": "steps",
            "eval_steps": 6,
            "logging_steps": 1,
            "save_strategy": "steps",
            "save_steps": 6,
            "save_total_limit": 50,
            "save_checkpoint_format": "flex_checkpoint",
            "load_checkpoint_format": "flex_checkpoint",
            "device": "cpu",
            "disable_tqdm": True,
            "output_dir": str(self.output(run)),
            **changes,
        }
        path = self.root / run / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return path

    def train(self, run: str, **changes: Any) -> dict[str, Any]:
        """Return the specification of a training."""
        extras = {"lora_alpha": 8, "lora_dropout": 0.1, "tracker": "none"}
        config = self.root / run / "config.yaml"
        if changes or not config.exists():
            self.config(run, **changes)
        return {
            "stage": "train",
            "stage_folder": str(self.stage(run)),
            "config": str(config),
            "processes": 1,
            "extras": extras,
            "output": str(self.output(run)),
        }

    def spec(self, run: str, stage: str, **values: Any) -> dict[str, Any]:
        """Return the specification of another stage."""
        return {"stage": stage, "stage_folder": str(self.stage(run, stage)), **values}

    def events(self, run: str, kind: str, stage: str = "train") -> list[dict[str, Any]]:
        path = self.stage(run, stage) / "events-rank0.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["kind"] == kind]

    def curve(self, run: str) -> dict[int, float]:
        """Return step -> training loss."""
        found = self.events(run, "metric")
        return {event["step"]: event["values"]["loss"] for event in found if "loss" in event["values"]}

    def proofs(self, run: str, stage: str) -> dict[str, bool]:
        return {event["name"]: event["passed"] for event in self.events(run, "proof", stage)}


class Lab:
    """What the jobs gave, and where their files are."""

    def __init__(self, runs: Formers, results: dict[str, dict[str, Any]], source: Path) -> None:
        self.runs = runs
        self.results = results
        self.source = source

    def __getitem__(self, job: str) -> dict[str, Any]:
        result = self.results[job]
        assert "failed" not in result, result.get("failed")
        return result


def run_lab(python: Path, folder: Path, jobs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Do all jobs in one process of the engine and return name -> result."""
    out = folder / "results.jsonl"
    lab = folder / "lab.json"
    lab.write_text(json.dumps({"out": str(out), "do": list(jobs.values())}), encoding="utf-8")
    done = subprocess.run(
        [str(python), str(LAB), str(lab)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = out.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(jobs), done.stderr[-3000:]
    return dict(zip(jobs, map(json.loads, lines), strict=True))
