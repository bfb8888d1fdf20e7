"""The rehearsal of a long run: its own training and merge, two steps long, inside the folder of preflight."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import yaml

from runtime.run.task import StageTask

PROOFS = ("preflight.resume", "preflight.merge")
STEPS = 2
SHORT: dict[str, Any] = {"max_steps": STEPS, "save_steps": 1, "logging_steps": 1, "save_strategy": "steps"}
"""Settings of the rehearsed training, whatever the plan says."""

SHORT_IF_THERE: dict[str, Any] = {
    "do_eval": False,
    "evaluation_strategy": "no",
    "load_best_model_at_end": False,
    "save_total_limit": STEPS + 1,
    "async_save": False,
}
"""Settings that are changed where the config has them; names differ between engines."""

DEVICE_TOLERANCE = 1e-3
"""Difference of losses that a device may make between two equal steps: its sums have no fixed order."""

SECONDS = 120.0
"""Wall time of a rehearsal beside that of loading the model three times; measured 55 s with a tiny model."""


def rehearsed(
    preflight: StageTask,
    train: StageTask,
    merge: StageTask | None,
    *,
    python: str,
    start: str,
    on_device: bool,
) -> StageTask:
    """Return the preflight task that measures, and then rehearses save, kill, resume and merge."""
    folder = f"{preflight.spec['stage_folder']}/rehearsal"
    parts = {"train": part(train, f"{folder}/train")}
    if merge is not None:
        parts["merge"] = part(merge, f"{folder}/merge")
    spec = {
        **preflight.spec,
        "measure": list(preflight.command),
        "rehearsal": {
            "folder": folder,
            "steps": STEPS,
            "tolerance": DEVICE_TOLERANCE if on_device else 0.0,
            **parts,
        },
    }
    return replace(
        preflight,
        command=(python, start, "full_rehearsal", f"{preflight.spec['stage_folder']}/spec.json"),
        spec=spec,
        proofs=(*preflight.proofs, *(PROOFS if merge is not None else PROOFS[:1])),
        seconds=preflight.seconds + SECONDS,
        silence_seconds=max(preflight.silence_seconds, train.silence_seconds),
    )


def part(task: StageTask, folder: str) -> dict[str, Any]:
    """Return what the worker must know to do a stage in another folder: command, files, environment."""
    home = str(task.spec["stage_folder"])
    spec = moved(task.spec, home, folder)
    if "extras" in spec:
        spec["extras"] = {**spec["extras"], "tracker": "none", "early_stopping_patience": 0}
    files = {name: moved(text, home, folder) for name, text in task.files.items()}
    if task.stage == "train":
        files = {name: shortened(name, text) for name, text in files.items()}
    return {
        "folder": folder,
        "command": [moved(word, home, folder) for word in task.command],
        "environment": task.environment,
        "spec": spec,
        "files": files,
    }


def moved(value: Any, home: str, folder: str) -> Any:
    """Return a value in which every path below `home` is below `folder` instead."""
    if isinstance(value, str):
        return value.replace(home, folder)
    if isinstance(value, dict):
        return {key: moved(entry, home, folder) for key, entry in value.items()}
    return [moved(entry, home, folder) for entry in value] if isinstance(value, list | tuple) else value


def shortened(name: str, text: str) -> str:
    """Return a config, in JSON or YAML, that trains two steps and saves each."""
    as_json = PurePath(name).suffix == ".json"
    values = json.loads(text) if as_json else yaml.safe_load(text)
    if not isinstance(values, dict):
        return text
    values |= SHORT | {key: value for key, value in SHORT_IF_THERE.items() if key in values}
    if as_json:
        return json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    return str(yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
