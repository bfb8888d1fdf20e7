"""Prepared texts and queries, configs and specifications, for the tests of pretraining and embeddings."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from runtime.data.prepare import prepare
from tests.runtime.data_files import write_rows
from tests.runtime.train_setup import WORDS, Runs

LAB = Path(__file__).resolve().parent / "texts_lab.py"
PRETRAIN, EMBEDDING = "pretrain_setup", "embedding_setup"
LENGTH = 32
FILLERS = ["now", "then", "here", "there", "soon", "again"]
ANSWERS = [word.upper()[::-1] for word in reversed(WORDS)]
"""What goes with each of `WORDS`."""


def texts(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return plain texts of some words, reproducibly."""
    dice = random.Random(seed)
    return [{"text": " ".join(dice.choices(WORDS, k=dice.randint(6, 14))) + "."} for _ in range(count)]


def queries(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return queries, each of one word, with a passage of another word that always goes with it; of three
    rows one has no bad passage. Nobody knows what goes with what without having learned it."""
    dice = random.Random(seed)
    places = range(len(WORDS))
    rows = []
    for number in range(count):
        own, other = dice.sample(places, 2)
        rows.append(
            {
                "query": f"{dice.choice(FILLERS)} {WORDS[own]}?",
                "pos_passage": [f"{ANSWERS[own]} {dice.choice(FILLERS)}."],
                "neg_passage": [f"{ANSWERS[other]} {dice.choice(FILLERS)}."] if number % 3 else [],
            }
        )
    return rows


def prepared(root: Path, rows: list[dict[str, Any]], model: Path, dev_fraction: float) -> Path:
    """Prepare rows as a run does and return the folder."""
    data = write_rows(root / "rows.jsonl", rows)
    prepare(str(data), model, root / "data", max_length=LENGTH, src_length=LENGTH, seed=1,
            dev_fraction=dev_fraction, expected_fingerprint=None)  # fmt: skip
    return root / "data"


COMMON: dict[str, Any] = {
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
    "per_device_train_batch_size": 2,
    "per_device_eval_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 5e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 1,
    "bf16": False,
    "fp16_opt_level": "O1",
    "unified_checkpoint": True,
    "report_to": "none",
    "seed": 7,
}


def config(stage: str, model: Path, data: Path, output: Path) -> dict[str, Any]:
    """Return a config as the recipe of a stage makes it, for a tiny model."""
    common = {
        **COMMON,
        "model_name_or_path": str(model),
        "output_dir": str(output),
        "continue_training": True,
    }
    if stage == PRETRAIN:
        own: dict[str, Any] = {"input_dir": str(data), "max_seq_length": LENGTH, "min_learning_rate": 5e-4}
        return {**common, **own, "tokenizer_name_or_path": str(model), "split": "949,50,1"}
    own = {"dataset_name_or_path": str(data), "max_query_len": LENGTH, "max_passage_len": LENGTH}
    own |= {"query_template": "{text}", "passage_template": "{text}"}
    return {**common, **own, "learning_rate": 3e-3, "embedding_temperature": 0.05}


class TextRuns(Runs):
    """Runs whose configs are those of `stage` (`PRETRAIN` or `EMBEDDING`)."""

    def __init__(self, root: Path, model: Path, data: Path, stage: str) -> None:
        super().__init__(root, model, data)
        self.kind = stage

    def config(self, name: str, **changes: Any) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        values = config(self.kind, self.model, self.data, self.output(name)) | changes
        path = folder / "config.json"
        path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
        return path

    def trained(self, name: str, patch: str = "", extras: Any = None, **changes: Any) -> dict[str, Any]:
        """Return the experiment of training."""
        spec = self.spec(name, extras, **changes)
        return {"do": "train", "name": name, "spec": spec, "setup": self.kind, "patch": patch}

    def copied(self, source: str, name: str, step: int) -> dict[str, Any]:
        """Return the experiment of giving a run a checkpoint of another."""
        paths = {"source": str(self.output(source)), "output": str(self.output(name))}
        return {"do": "copy", "name": f"copy to {name}", **paths, "steps": [step]}

    def merged(self, name: str, hf: Path, work: str = "merge", outcome: str = "model") -> dict[str, Any]:
        """Return the experiment of merging what a run trained."""
        key = "trained_model" if outcome == "model" else "adapter"
        folder = self.root / f"{name} merged"
        spec = {
            "stage": "merge",
            "stage_folder": str(folder),
            "base": str(self.model),
            "hf_folder": str(hf),
            "destination": str(folder / "model"),
            "tolerance": 1e-4,
            key: str(self.output(name) / outcome),
        }
        return {"do": "stage", "name": f"{name} merged", "work": work, "spec": spec}

    def asked(self, name: str, work: str, **more: Any) -> dict[str, Any]:
        """Return the experiment of the stage that answers."""
        spec = {
            "stage": "generate",
            "stage_folder": str(self.root / f"{name} asked"),
            "base": str(self.model),
            "model": str(self.root / f"{name} merged" / "model"),
            "data": str(self.data),
            "config": str(self.root / name / "config.json"),
            "length": LENGTH,
            "max_new_tokens": 8,
            "train_result": str(self.stage(name) / "result.json"),
            **more,
        }
        return {"do": "stage", "name": f"{name} asked", "work": work, "spec": spec}
