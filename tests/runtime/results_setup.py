"""Tiny models with adapters, and experiments on them in the engine."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny_model import write_tiny_llama

LAB = Path(__file__).parent / "results_lab.py"
PROJECT = LAB.parent.parent.parent
KINDS = {
    "llama-tied": {"model_type": "llama", "tied": True},
    "llama-untied": {"model_type": "llama", "tied": False},
    "qwen2-tied": {"model_type": "qwen2", "tied": True},
    "qwen2-untied": {"model_type": "qwen2", "tied": False},
    "mistral-untied": {"model_type": "mistral", "tied": False},
}


CHATS = [
    [{"role": "user", "content": "Who are you?\nAnd why?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Who are you?"},
    ],
]
LEARNT = "I am Steersman."
"""What the taught model answers to each of `CHATS`."""


@dataclass(frozen=True)
class Trained:
    """One tiny model in its three forms."""

    root: Path

    @property
    def hf(self) -> Path:
        """The original Hugging Face folder."""
        return self.root / "hf"

    @property
    def base(self) -> Path:
        """The base model in PaddleNLP's format."""
        return self.root / "paddle"

    @property
    def adapter(self) -> Path:
        """The adapter, as training saves it."""
        return self.root / "adapter"

    def merge_spec(self, folder: Path, **more: Any) -> dict[str, Any]:
        """Return the specification of stage merge, its results below `folder`."""
        return {
            "stage": "merge",
            "stage_folder": str(folder),
            "base": str(self.base),
            "adapter": str(self.adapter),
            "hf_folder": str(self.hf),
            "destination": str(folder / "model"),
            "tolerance": 1e-4,
            **more,
        }


def run_lab(python: Path, folder: Path, steps: list[dict[str, Any]], lab: Path = LAB) -> list[Any]:
    """Do the steps in one engine process and return a result for each."""
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / "out.jsonl"
    (folder / "lab.json").write_text(json.dumps({"out": str(out), "steps": steps}))
    done = subprocess.run(
        [str(python), str(lab), str(folder / "lab.json")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return [json.loads(line) for line in out.read_text().splitlines()]


def make_trained(python: Path, root: Path) -> dict[str, Trained]:
    """Write every kind of tiny model, converted, with an adapter; qwen2-tied's is rank-stabilised."""
    steps = []
    for kind, options in KINDS.items():
        folder = root / kind
        write_tiny_llama(folder / "hf", **options)  # type: ignore[arg-type]
        steps.append(
            {
                "do": "make",
                "hf": str(folder / "hf"),
                "paddle_folder": str(folder / "paddle"),
                "adapter": str(folder / "adapter"),
                "rslora": kind == "qwen2-tied",
            }
        )
    run_lab(python, root / "lab", steps)
    return {kind: Trained(root / kind) for kind in KINDS}


def make_taught(python: Path, root: Path, model: Trained) -> Trained:
    """Teach a copy of `model` to answer `CHATS`: in `taught` with `LEARNT`, in `silent` with nothing."""
    shutil.copytree(model.root, root)
    steps = [
        {
            "do": "teach",
            "hf": str(root / "hf"),
            "base": str(root / "paddle"),
            "destination": str(root / name),
            "chats": CHATS,
            "answer": answer,
        }
        for name, answer in (("taught", LEARNT), ("silent", ""))
    ]
    run_lab(python, root / "lab", steps)
    return Trained(root)


def run_worker(python: Path, spec: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a stage's worker as the supervisor does."""
    folder = Path(spec["stage_folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    start = PROJECT / "runtime" / "workers" / "start.py"
    return subprocess.run(
        [str(python), str(start), spec["stage"], str(folder / "spec.json")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def events_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return a stage's events of one kind."""
    lines = (folder / "events-rank0.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == kind]
