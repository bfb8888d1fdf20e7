"""A plan as files that the toolkit's own scripts run: for what Steersman plans and does not run itself."""

from __future__ import annotations

import json
import shlex

from planner.engine_builds import engines
from planner.families import family as abilities
from planner.language import say
from planner.plan import Plan
from planner.planfile import dumps
from planner.render import (
    after,
    config_name,
    explanation,
    family,
    filled,
    launch_arguments,
    script,
    train_config,
    values,
    visible_devices,
    worker_environment,
)

SCRIPT_PATH = {
    "run_finetune": "run_finetune.py",
    "run_dpo": "alignment/dpo/run_dpo.py",
    "run_kto": "alignment/kto/run_kto.py",
    "run_pretrain": "run_pretrain.py",
    "run_reward": "alignment/rm/flashmask/run_reward.py",
    "run_embedding": "run_embedding.py",
    "run_quantization": "run_quantization.py",
    "export_model": "predict/export_model.py",
}
"""Script -> its place under PaddleNLP's llm folder (commit a286abc1, which the wheel of 3.0.0b4 names as its
own)."""

DATA_FILES = {
    "sft": "`train.json` and `dev.json`, JSON lines with `src` and `tgt`",
    "dpo": "`train.json` and `dev.json`, JSON lines with `src`, `tgt`, `response` and `sort`",
    "kto": "`train.json` and `dev.json`, JSON lines with `src`, `tgt`, `response` and `sort`",
    "reward": "`train.json` and `dev.json`, JSON lines with `src`, `tgt`, `response` and `sort`",
    "pretrain": "memory-mapped tokens, `.bin` and `.idx`, made by PaddleNLP's llm/tools/preprocess",
    "embedding": "`train.json` and `dev.json`, JSON lines with `query`, `pos_passage` and `neg_passage`",
    "pretrain_auto": "memory-mapped tokens, `.bin` and `.idx`, made by PaddleNLP's llm/tools/preprocess",
    "quantization": "`train.json` and `dev.json`, JSON lines with `src` and `tgt`, to calibrate on",
    "export": "nothing",
}
"""Template -> what its script reads (PaddleNLP llm/docs)."""

FORMERS_DATA = {
    "sft": "`train.jsonl` and `dev.jsonl`, JSON lines with `messages`",
    "sft, erniekit": "`train.jsonl` and `dev.jsonl`, JSON lines with `src` and `tgt`",
    "dpo": "`train.jsonl` and `dev.jsonl`, JSON lines with `messages`, `chosen_response` and "
    "`rejected_response`",
    "pretrain": "`train.jsonl` and `dev.jsonl`, JSON lines with `text`",
    "export": "nothing",
}
"""Template -> what `paddleformers-cli` reads (paddleformers 1.2.0 datasets/reader/convertor.py:242-273,
datasets/DPODataset.py:204-216)."""

AUTO_SCRIPTS = {
    "llama": "auto_parallel/llama/run_pretrain_auto.py",
    "gpt": "auto_parallel/gpt-3/run_pretrain_auto.py",
    "gpt2": "auto_parallel/gpt-3/run_pretrain_auto.py",
    "qwen": "auto_parallel/qwen/run_pretrain_3D_auto.py",
    "baichuan": "auto_parallel/llama/run_pretrain_auto.py",
}
"""Model type -> auto-parallel's pretraining script under llm. None fine-tunes: run_finetune_auto.py and its
trainer are not in 3.0.0b4 (they came with upstream's commit a9982912)."""

AUTO, STARTER = "pretrain_auto", "start.py"
"""What starts auto-parallel's script, which by itself does not run with the engine's Paddle, and loads no
weights."""

MODEL, DATA, OUTPUT = "model", "data", "output"


def files(plan: Plan) -> dict[str, str]:
    """Return file name -> text of a folder that the toolkit runs on its own; all paths in it are relative."""
    config = train_config(plan, model=MODEL, data=DATA, output_dir=OUTPUT)
    found = {
        config_name(plan): config,
        "config.explained.md": explanation(plan),
        "plan.yaml": dumps(plan),
        "after.md": after(plan, OUTPUT),
        "launch.sh": launch(plan, config),
        "README.md": readme(plan),
    }
    if family(plan) == AUTO:
        found[STARTER] = filled(plan, "paddlenlp/auto_start.py.j2")
    if merges(plan):
        name = "paddleformers/export.yaml.j2"
        found["export.yaml"] = filled(plan, name, **values(plan), model=MODEL, output_dir=OUTPUT)
    return found


def merges(plan: Plan) -> bool:
    """Return whether an adapter is left to be folded into the base weights by a config of its own."""
    trained = plan.value("engine") == "paddleformers" and plan.wishes.stage != "export"
    return trained and plan.value("method") != "full"


def launch(plan: Plan, config: str) -> str:
    """Return `launch.sh`: environment, launcher, upstream's script and its arguments."""
    arguments = [config_name(plan)]
    if script(plan) == "export_model":
        arguments = flags(config)
    elif plan.value("engine") == "paddleformers":
        arguments = [script(plan), *arguments]
    alone = family(plan) in ("quantization", "export")
    return filled(
        plan,
        f"{plan.value('engine')}/upstream.sh.j2",
        name=plan.name,
        nodes=plan.facts.hardware.nodes,
        environment=worker_environment(plan),
        device=values(plan)["device"],
        devices=visible_devices(plan),
        script=script_path(plan),
        launcher="" if alone else shlex.join(launch_arguments(plan, "log")),
        starter=STARTER if family(plan) == AUTO else "",
        arguments=shlex.join(arguments),
    )


def script_path(plan: Plan) -> str:
    """Return where the plan's script lies under PaddleNLP's llm folder; the verb of PaddleFormers' CLI."""
    name = script(plan)
    if name == "run_pretrain_auto":
        return AUTO_SCRIPTS[plan.facts.model.model_type]
    return SCRIPT_PATH.get(name, name)


def flags(config: str) -> list[str]:
    """Return a JSON config as command-line flags, for the script that takes nothing else."""
    pairs = json.loads(config).items()
    return [word for name, value in pairs for word in (f"--{name}", _word(value))]


def readme(plan: Plan) -> str:
    """Return what the folder is and how it is run."""
    titles = {
        "sft": say("A fine-tune"),
        "dpo": say("Preference learning"),
        "kto": say("Preference learning (KTO)"),
        "reward": say("A reward model"),
        "pretrain": say("Continued pretraining"),
        "pretrain_auto": say("Continued pretraining by auto-parallel"),
        "embedding": say("An embedding fine-tune"),
        "quantization": say("The quantisation"),
        "export": say("The export"),
    }
    return filled(
        plan,
        f"{plan.value('engine')}/upstream.md.j2",
        name=plan.name,
        title=titles[family(plan)],
        model=plan.facts.model.name,
        version=plan.steersman,
        script=script_path(plan),
        config=config_name(plan),
        device=values(plan)["device"],
        data_files=data_files(plan),
        nodes=plan.facts.hardware.nodes,
        merges=merges(plan),
        starter=STARTER if family(plan) == AUTO else "",
        **extra_package(plan),
    )


def extra_package(plan: Plan) -> dict[str, str | None]:
    """Return the package that the plan needs beside the engine, and the index that has it; None if none.

    Some models need it, and so does evaluating an adapter: without it a name is undefined there
    (paddleformers 1.2.0 trainer/trainer.py:5029, seen).
    """
    engine = str(plan.value("engine"))
    build = engines()[engine].builds.get(str(plan.value("engine_build")))
    found = abilities(engine, plan.facts.model.model_type)
    looks = merges(plan) and plan.value("evaluation_strategy") != "no"
    if build is None or found is None or not (found.needs_paddlefleet or looks):
        return {"paddlefleet": None, "index": None}
    return {"paddlefleet": build.paddlefleet, "index": build.index}


def data_files(plan: Plan) -> str:
    """Return what the plan's script reads from the data folder."""
    known = FORMERS_DATA if plan.value("engine") == "paddleformers" else DATA_FILES
    if known is FORMERS_DATA and plan.wishes.stage == "sft" and plan.value("dataset_type") == "erniekit":
        return known["sft, erniekit"]
    return known[family(plan)]


def _word(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
