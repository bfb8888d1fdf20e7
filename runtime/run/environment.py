"""The environment variables of a stage's process: few, known, and without secrets that it does not need.

Paddle's launcher writes the whole environment of each trainer to a file in its log folder. So an engine is
given only variables that are known to be harmless, instead of everything but the ones known to be secret.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from runtime.paths import write_atomically
from runtime.run.processes import MARK
from runtime.run.task import StageTask
from runtime.run.worker_language import sentences

HARMLESS = frozenset(
    """
    HOME USER LOGNAME SHELL PATH LANG LANGUAGE TZ TMPDIR TEMP TMP TERM HOSTNAME
    LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE
    CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_HOME CUDA_PATH STEERSMAN_HOME
    """.split()  # noqa: SIM905 (a list of words reads better than quotes and commas)
)
HARMLESS_PREFIXES = (
    "LC_",
    "XDG_",
    "NVIDIA_",
    "NCCL_",
    "GLOO_",
    "UCX_",
    "FLAGS_",
    "SLURM_",
    "KMP_",
    "STEERSMAN_TEST_",
)
LEFT_BY_A_LAUNCHER = frozenset(["FLAGS_selected_gpus", "FLAGS_selected_xpus"])
SECRETS = frozenset(
    """
    HF_TOKEN HUGGING_FACE_HUB_TOKEN MODELSCOPE_API_TOKEN AISTUDIO_ACCESS_TOKEN SWANLAB_API_KEY
    AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN WANDB_API_KEY OPENAI_API_KEY ANTHROPIC_API_KEY
    """.split()  # noqa: SIM905
)
ON_HOST = {"CUDA_VISIBLE_DEVICES": ""}
"""For one process that converts, merges or proves: no devices. On them Paddle rounds the factors of float32
products to TF32 by default (its test/legacy_test/test_tf32_cublas.py), more than a proof allows, and a model
that training shared between several does not fit into one."""
ALWAYS = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONFAULTHANDLER": "1"}


def stage_environment(
    task: StageTask, stage_folder: Path, outside: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the complete environment of a stage's process."""
    outside = os.environ if outside is None else outside
    kept = {name: value for name, value in outside.items() if _passes(name, value, task)}
    kept.update(_set(task, stage_folder, outside))
    return kept


def _set(task: StageTask, stage_folder: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Steersman itself sets."""
    language = sentences() if task.inside_engine else {}
    devices = device_variables(task.devices, outside) if task.inside_engine else {}
    return {**ALWAYS, **devices, **task.environment, **language, MARK: str(stage_folder)}


def device_variables(devices: int, outside: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that show a stage as many devices as it takes, of those that are visible, numbered
    as NVML does, by which they were found (CUDA's own order is by speed)."""
    order = {"CUDA_DEVICE_ORDER": outside.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")}
    if not devices:
        return order
    visible = outside.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(devices)))
    return {**order, "CUDA_VISIBLE_DEVICES": ",".join(visible.split(",")[:devices])}


def _passes(name: str, value: str, task: StageTask) -> bool:
    """Return whether a variable of the outside world reaches the stage."""
    if name in SECRETS:
        return name in task.secrets
    if name == "CUDA_VISIBLE_DEVICES" and not value:
        return False  # set but empty makes Paddle's launcher fail with an IndexError
    if not task.inside_engine:
        return True
    return (name in HARMLESS or name.startswith(HARMLESS_PREFIXES)) and name not in LEFT_BY_A_LAUNCHER


def record(task: StageTask, stage_folder: Path, outside: Mapping[str, str] | None = None) -> str:
    """Return the text of environment.json: what is set, and the names of secrets that are let through."""
    outside = os.environ if outside is None else outside
    values = {
        "set": _set(task, stage_folder, outside),
        "let_through": "only harmless variables" if task.inside_engine else "everything but secrets",
        "secrets_let_through": sorted(name for name in task.secrets if name in outside),
    }
    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def remove_secrets(launch_folder: Path, outside: Mapping[str, str] | None = None) -> None:
    """Take the values of tokens out of every file in which Paddle's launcher keeps an environment.

    It writes three kinds: `backup_env.*.json`, `envlog.*` and `default.*.log`.
    """
    outside = os.environ if outside is None else outside
    values = [outside[name].encode() for name in SECRETS if outside.get(name)]
    if not values:
        return
    for path in launch_folder.glob("*"):
        if path.name.startswith("workerlog"):
            continue
        with contextlib.suppress(OSError):
            before = path.read_bytes()
            after = before
            for value in values:
                after = after.replace(value, b"<removed>")
            if after != before:
                write_atomically(path, after.decode(errors="replace"))
