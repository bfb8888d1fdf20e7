"""A plan as a folder that trains without Steersman: config, data, model, worker files and launch.sh."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from planner.errors import BadInput
from planner.language import say
from planner.methods import runnable
from planner.plan import Plan
from planner.planfile import dumps
from planner.render import (
    WITHOUT_ADAPTERS,
    after,
    explanation,
    launch_arguments,
    launch_script,
    templates,
    train_config,
    train_extras,
)
from planner.stage_workers import worker
from planner.upstream import files, script_path
from runtime.paths import PROJECT, models_folder, write_atomically

Progress = Callable[[float, float, str, str], None]

SOURCE, MODEL, DATA, OUTPUT = "model/huggingface", "model/paddle", "data", "output"
"""Folders inside the rendered one. Everything in its files is relative to it, so it can be moved."""

TOLERANCE = 1e-4

PAIRS = "`src`, `tgt`, `response` and `sort`"
ROWS = {
    **dict.fromkeys(("dpo", "orpo", "simpo", "kto", "reward"), PAIRS),
    "pretrain": "`text`, and their tokens as `train.bin` and `train.idx`",
    "embedding": "`query`, `pos_passage` and `neg_passage`",
}
"""Stage of the plan -> what the rows of its prepared data hold, where that is not `src` and `tgt`."""

ONLY_MODEL = {"embedding": "qwen2", "reward": "llama"}
"""Stage -> the one model type that PaddleNLP's script for it loads (llm/run_embedding.py:87,
alignment/rm/flashmask/run_reward.py:158)."""


def render_folder(plan: Plan, folder: Path, *, configs_only: bool, progress: Progress) -> list[Path]:
    """Write everything into `folder` and return what was written, in the order of use.

    With `configs_only` neither model nor data is fetched or prepared; the README says where to put them.
    """
    write_configs(plan, folder)
    if by_toolkit(plan):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    shutil.copytree(
        PROJECT / "runtime" / "workers",
        folder / "worker",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    if not configs_only:
        write_model(plan, folder / SOURCE, progress)
        write_data(plan, folder, progress)
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def by_toolkit(plan: Plan) -> bool:
    """Return whether the folder is run by the toolkit's own scripts or command line, not by our workers."""
    return bool(runnable(plan)) or plan.value("engine") == "paddleformers"


def config_texts(plan: Plan) -> dict[str, str]:
    """Return file name -> text of everything that is written besides model, data and worker, in the order of
    use."""
    if by_toolkit(plan):
        return files(plan)
    arguments = [
        *launch_arguments(plan, "log"),
        "worker/start.py",
        worker(plan.wishes.stage, "train"),
        "train.json",
    ]
    convert = {
        "stage": "convert",
        "stage_folder": "stages/convert",
        "source_folder": SOURCE,
        "destination": MODEL,
        "tolerance": TOLERANCE,
    }
    train = {
        "stage": "train",
        "stage_folder": "stages/train",
        "config": "config.json",
        "processes": plan.value("num_processes"),
        "extras": {**train_extras(plan), "tracker_folder": "tracker"},
    }
    return {
        "config.json": train_config(plan, model=MODEL, data=DATA, output_dir=OUTPUT),
        "config.explained.md": explanation(plan),
        "convert.json": json.dumps(convert, indent=2) + "\n",
        "train.json": json.dumps(train, indent=2) + "\n",
        "plan.yaml": dumps(plan),
        "launch.sh": launch_script(plan, arguments),
        "after.md": after(plan, OUTPUT),
        "README.md": readme(plan),
    }


def write_configs(plan: Plan, folder: Path) -> None:
    """Write the toolkit's config, the workers' specifications, the plan, launch.sh and the README.

    Of a plan that Steersman does not run itself yet: what the toolkit's own scripts run.
    """
    for name, text in config_texts(plan).items():
        write_atomically(folder / name, text)
    (folder / "launch.sh").chmod(0o755)


def write_model(plan: Plan, destination: Path, progress: Progress) -> None:
    """Put the Hugging Face folder in place: hard links where the file system allows it, else copies."""
    from runtime.acquire.fetch import acquire

    source = acquire(plan.facts.model.source, models_folder(), progress)
    shutil.rmtree(destination, ignore_errors=True)
    shutil.copytree(source, destination, copy_function=link_or_copy)


def link_or_copy(source: str, destination: str) -> None:
    """Link a cached file; copy it when it is on another disk."""
    try:
        os.link(os.path.realpath(source), destination)
    except OSError:
        shutil.copy2(source, destination)


def write_data(plan: Plan, folder: Path, progress: Progress) -> None:
    """Prepare the data as the plan says, with the model's own tokenizer."""
    from runtime.data.bundled import resolve_data
    from runtime.data.prepare import prepare

    data = plan.facts.data
    prepare(
        str(resolve_data(data.path)),
        folder / SOURCE,
        (folder / DATA).resolve(),
        max_length=int(str(plan.value("max_length"))),
        src_length=int(str(plan.value("src_length"))),
        seed=int(str(plan.value("seed"))),
        dev_fraction=data.dev_rows / (data.train_rows + data.dev_rows),
        expected_fingerprint=data.fingerprint,
        progress=progress,
    )


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something else: nothing of a person's is ever overwritten."""
    if folder.is_file():
        raise BadInput(say("{path} is a file.", path=folder), remedy=say("Name a folder."))
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "launch.sh").is_file():
        raise BadInput(
            say("{folder} is not empty and was not written by `steersman render`.", folder=folder),
            remedy=say("Name another folder."),
        )


def upstream_command(plan: Plan) -> str:
    """Return the arguments of `python` that train the plan with PaddleNLP's own script in the folder.

    Empty where that script would train something else, or knows fewer models than our workers.
    """
    stage = plan.wishes.stage
    if stage in WITHOUT_ADAPTERS and plan.value("method") != "full":
        return ""
    if plan.facts.model.model_type != ONLY_MODEL.get(stage, plan.facts.model.model_type):
        return ""
    return f'{shlex.join(launch_arguments(plan, "log"))} "$LLM/{script_path(plan)}" config.json'


def readme(plan: Plan) -> str:
    """Return what the folder is, how to run it, and what each file is for."""
    template = templates().get_template(f"{plan.value('engine')}/rendered.md.j2")
    return template.render(
        name=plan.name,
        model=plan.facts.model.name,
        version=plan.steersman,
        engine=f"{plan.value('engine')} ({plan.value('engine_build')})",
        nodes=plan.facts.hardware.nodes,
        script=script_path(plan),
        upstream=upstream_command(plan),
        rows=ROWS.get(plan.wishes.stage, "`src` and `tgt`"),
        folders={"source": SOURCE, "model": MODEL, "data": DATA, "output": OUTPUT},
    )
