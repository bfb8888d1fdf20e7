"""The full and LoRA examples of PaddleFormers' SFT guide, reproduced key by key on one 80 GB card.

Every key of either side is the same on both, or has a line in a table that says why not. A key that we write
and the guide leaves out must have the engine's default, or a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.arguments import schema
from planner.plan import Plan
from planner.render import read_config, train_config
from planner.solve import make_plan
from planner.wishes import Value, Wishes
from tests.planner.scenes import data, facts, plan

GUIDE = yaml.safe_load(Path(__file__).with_name("sft_guide.yaml").read_text(encoding="utf-8"))
DEMO = data(rows=20_000, mean=300, longest=2_000, dev=500)
"""Any data will do: what the guide fixes for its own is fixed here, too."""

NAMED: dict[str, Value] = {
    "engine": "paddleformers",
    "max_length": 8192,
    "zero_padding": True,
    "attn_implementation": "flashmask",
    "recompute": True,
    "recompute_granularity": "full",
    "sharding": "stage2",
    "fp16_opt_level": "O2",
}
"""What the guide chooses: stage SFT is the default of a plan."""

FOR_ITS_DATA: dict[str, Value] = {
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 4,
    "num_train_epochs": 3,
    "max_steps": 30,
    "warmup_steps": 20,
    "logging_steps": 1,
    "eval_steps": 100,
    "save_steps": 100,
    "seed": 23,
}
"""What follows from the guide's data and its wish to be over soon; a plan decides it from the rows."""

RATES = {"full": 1e-5, "lora": 1e-4}

ELSEWHERE = {
    "train_dataset_path": "the prepared rows of the run",
    "eval_dataset_path": "the prepared rows of the run",
    "model_name_or_path": "the folder that the run fetched",
    "output_dir": "the stage's folder of the run",
}
"""Keys whose value is a place."""

ONLY_THERE = {
    "logging_dir": "curves go where the tracker of the plan puts them, and report_to is written instead",
    "eval_accumulation_steps": "moves predictions to the host every 16 batches; the loss alone keeps none",
    "bf16": "compute_type decides it (cli/hparams/finetuning_args.py:310-348), and is written",
    "lora": "fine_tuning decides it (cli/hparams/model_args.py:237), and is written",
}
"""Keys of the guide that a plan leaves out."""

ONLY_HERE = {
    "lr_scheduler_type": "cosine; the engine's default, linear, falls in a straight line",
    "weight_decay": "0.01 for all weights, none for adapters; the engine's default is none",
    "save_total_limit": "as many as the disk holds; the engine's default keeps every one",
    "report_to": "no tracker unless asked for; the engine's default writes VisualDL's files",
}
"""Keys that a plan writes with a value that is not the engine's default, and the guide does not have."""


def planned(method: str, **more: Value) -> Plan:
    """Return the plan on one 80 GB card."""
    wishes = Wishes(pins={"method": method, **NAMED, **more})
    return make_plan(facts("ernie-4.5-0.3b-base", DEMO, "A100-80G"), wishes)


def written(made: Plan) -> dict[str, Any]:
    """Return the config of a plan."""
    text = train_config(made, model="model", data="data", output_dir="output")
    return read_config(text, "paddleformers")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_every_key_of_the_guide_is_the_same_or_explained(method: str) -> None:
    fixed = {**FOR_ITS_DATA, "learning_rate": RATES[method]}
    fixed |= {"lora_rank": 8} if method == "lora" else {}
    ours, theirs = written(planned(method, **fixed)), GUIDE[method]
    left_out = set(theirs) - set(ours)
    assert left_out == {name for name in ONLY_THERE if name in theirs}
    same = {name for name in set(theirs) & set(ours) if name not in ELSEWHERE}
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    assert len(same) >= 32
    assert set(ELSEWHERE) <= set(ours)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_what_we_write_beside_it_is_the_engines_default_or_explained(method: str) -> None:
    ours, theirs = written(planned(method, **FOR_ITS_DATA)), GUIDE[method]
    known = schema.arguments("paddleformers", "train")
    changed = {name for name in set(ours) - set(theirs) if ours[name] != known[name].default}
    assert changed <= set(ONLY_HERE), {name: (ours[name], known[name].default) for name in changed}


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_named_wishes_alone_give_the_same_way_of_training(method: str) -> None:
    ours, theirs = written(planned(method)), GUIDE[method]
    data_dependent = {*FOR_ITS_DATA, "learning_rate", "lora_rank", "per_device_eval_batch_size"}
    same = set(theirs) & set(ours) - set(ELSEWHERE) - data_dependent
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}


def test_sharding_that_was_asked_for_stands_idle_on_one_process_and_the_plan_says_so() -> None:
    made = planned("full")
    assert (made.value("sharding"), made.value("sharding_parallel_degree")) == ("stage2", 1)
    (other,) = made.decisions["sharding"].alternatives
    assert "nobody to share with" in other.because
    free = plan("ernie-4.5-0.3b-base", DEMO, "A100-80G", engine="paddleformers", method="full")
    assert free.value("sharding") == "none"


def test_the_guides_card_is_far_from_full() -> None:
    for method in ("full", "lora"):
        ahead = planned(method, **FOR_ITS_DATA).forecast
        assert ahead.peak_memory_bytes < 0.5 * ahead.memory_limit_bytes
