"""Configs, specs and data for the tests of preference training."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.runtime.train_setup import WORDS, Runs, write_data

SYSTEM = "Be a good mate."
GOOD, BAD = "aye aye", "nay"
"""How better and worse answers begin: what is to be learned."""


def pair_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return preference rows as the prepare stage writes them, every third of two turns, half with a system
    prompt."""
    dice = random.Random(seed)

    def words(least: int) -> str:
        return " ".join(dice.choices(WORDS, k=dice.randint(least, least + 2)))

    found = []
    for number in range(count):
        turns = 1 + (number % 3 == 2)
        found.append(
            {
                "src": [f"{words(2)}?" for _ in range(turns)],
                "tgt": [f"{words(2)}." for _ in range(turns - 1)],
                "response": [f"{GOOD} {words(1)}", f"{BAD} {words(1)}"],
                "sort": [1, 0],
                "context": {"system": SYSTEM if number % 2 else ""},
            }
        )
    return found


def judged_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return judged rows, good and bad ones in turn."""
    return [
        {**row, "response": [row["response"][number % 2]], "sort": [1 - number % 2]}
        for number, row in enumerate(pair_rows(count, seed))
    ]


class PreferenceRuns(Runs):
    """Stage folders whose configs are those of upstream's preference scripts."""

    def __init__(self, root: Path, model: Path) -> None:
        super().__init__(root, model, root / "pairs")
        write_data(root / "pairs", pair_rows(23), pair_rows(6, seed=1))
        write_data(root / "judged", judged_rows(23), judged_rows(6, seed=1))

    def spec(self, name: str, extras: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Write the config of a run and return its spec; `changes["stage"]` is the stage of the plan."""
        stage = changes.get("stage", "dpo")
        return super().spec(name, {"stage": stage, "lora_dropout": 0.0, **(extras or {})}, **changes)

    def config(self, name: str, **changes: Any) -> Path:
        """Write a config as the recipes render it and return its path."""
        stage = changes.pop("stage", "dpo")
        data = self.root / ("judged" if stage == "kto" else "pairs")
        changes.setdefault("lora", stage != "reward")
        path = super().config(name, **changes)
        values = json.loads(path.read_text(encoding="utf-8"))
        for key in ("dataset_name_or_path", "max_length", "src_length", "zero_padding"):
            values.pop(key)
        if not values["lora"]:
            values.pop("lora_rank")
        if stage == "reward":
            values.pop("lora")
        values |= {
            "train_dataset_path": str(data / "train.json"),
            "dev_dataset_path": str(data / "dev.json"),
            "max_seq_len": 256,
            "max_prompt_len": 128,
        }
        path.write_text(json.dumps(values), encoding="utf-8")
        return path

    def figures(self, name: str) -> dict[int, dict[str, float]]:
        """Return step -> figures of training and of the look at the dev rows."""
        found: dict[int, dict[str, float]] = {}
        for event in self.events(name, "metric"):
            found.setdefault(event["step"], {}).update(event["values"])
        return found
