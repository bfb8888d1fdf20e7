"""PaddleNLP's own scripts, unmodified, on what `steersman render` writes: on CPU, on a tiny model.

`STEERSMAN_TEST_LLM` names the folder `llm` of a checkout of PaddleNLP 3.0.0b4, which is commit
a286abc1: the wheel names it. Where our worker claims the same mathematics, every loss of the script
must be ours. A step sees all rows, so that the order in which they are drawn does not matter.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.runtime.preference_runs import judged_rows, pair_rows
from tests.runtime.texts_setup import texts
from tests.runtime.train_setup import environment, rows
from tests.tiny_model import write_tiny_llama
from tui.command_line import main

STEPS = 4
CLOSE = 5e-5
"""Largest difference of two losses; 2.4e-5 was seen (SimPO), and 5e-7 in fine-tuning."""

START = Path(__file__).with_name("upstream_start.py")
BLOCK = re.compile(r"^    (PYTHONPATH=.*)$", re.MULTILINE)
LOSS = re.compile(r" loss: ([-\d.e]+),.*?global_step: (\d+)")

ONE_BATCH = ("per_device_train_batch_size=38", "zero_padding=false")
ONE_PACK = ("per_device_train_batch_size=1", "max_length=512")
"""Everything in one step: 38 rows side by side, or few rows in one pack."""

NO_LOOK = ("evaluation_strategy=no", "load_best_model_at_end=false")
"""Upstream's evaluation of preferences fails on CPU."""

WEIGHTS = ("*.safetensors", "*.pdparams", "intkey_layer*.bin")
"""Names under which upstream leaves models and adapters; the last is ReFT's."""

NO_FLEET = "'Fleet' object has no attribute '_user_defined_strategy'"
NO_STATIC = "Check data type error for op: top_p_sampling"
HEADS = "The 2-th dimension of input[0] and input[1] is expected to be equal"


class Case(NamedTuple):
    """A plan, and what upstream's script makes of it."""

    settings: tuple[str, ...]
    stage: str = "sft"
    model: str = "llama"
    same: bool = True
    """Whether every loss is that of our own run."""
    repairs: str = ""
    """What `upstream_start.py` changes around the script."""
    fails: str = ""
    """What the script says at its end, where upstream fails on CPU."""


CASES = {
    "full": Case(("method=full", *ONE_BATCH)),
    "lora": Case(("method=lora", *ONE_BATCH)),
    "best checkpoint": Case(("method=lora", "load_best_model_at_end=true", *ONE_BATCH)),
    "rslora": Case(("lora_variant=rslora", *ONE_BATCH)),
    "lora plus": Case(("lora_variant=lora_plus", *ONE_BATCH)),
    "pissa": Case(("lora_variant=pissa", *ONE_BATCH)),
    "mora": Case(("lora_variant=mora", *ONE_BATCH)),
    "moslora": Case(("lora_variant=moslora", *ONE_BATCH)),
    "lokr": Case(("method=lokr", *ONE_BATCH)),
    "reft": Case(("method=reft", *ONE_BATCH)),
    "prefix, qwen2": Case(("method=prefix_tuning", "num_prefix_tokens=8", *ONE_BATCH), model="qwen2"),
    "prefix, grouped heads": Case(("method=prefix_tuning", *ONE_BATCH), fails=HEADS),
    "packed": Case(("zero_padding=true", "greedy_zero_padding=true", *ONE_PACK)),
    "vera": Case(("method=vera", *ONE_BATCH), same=False),
    "neftune": Case(("neftune=true", *ONE_BATCH), same=False),
    "longlora": Case(("use_ssa=true", "zero_padding=true", *ONE_PACK), same=False),
    "dpo": Case(("method=full", *ONE_PACK), "dpo", "plain", fails=NO_FLEET),
    "dpo, whole answers": Case(
        ("method=full", *ONE_PACK, *NO_LOOK), "dpo", "plain", repairs="plain_reference,whole_answers"
    ),
    "dpo, lora": Case(("method=lora", *ONE_PACK, *NO_LOOK), "dpo", "plain", same=False),
    "dpo, lora, whole answers": Case(
        ("method=lora", *ONE_PACK, *NO_LOOK), "dpo", "plain", repairs="whole_answers"
    ),
    "simpo, whole answers": Case(
        ("method=full", *ONE_PACK, *NO_LOOK), "simpo", "plain", repairs="whole_answers"
    ),
    "orpo, whole answers": Case(
        ("method=lora", *ONE_PACK, *NO_LOOK), "orpo", "plain", repairs="whole_answers"
    ),
    "kto": Case(("method=lora", *ONE_PACK, *NO_LOOK), "kto", "plain", same=False),
    "reward": Case(("per_device_train_batch_size=8",), "reward", same=False),
    "pretrain": Case(("method=full",), "pretrain", same=False),
    "embedding": Case(("method=full", "per_device_train_batch_size=38"), "embedding", "qwen2"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama, one without a chat template (which upstream switches off in DPO and KTO), and a qwen2."""
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("llama", "plain"):
        write_tiny_llama(folder / name)
    write_tiny_llama(folder / "qwen2", model_type="qwen2")
    settings = folder / "plain" / "tokenizer_config.json"
    values: dict[str, Any] = json.loads(settings.read_text(encoding="utf-8"))
    del values["chat_template"]
    settings.write_text(json.dumps(values), encoding="utf-8")
    return folder


def without_system(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without system prompts, which upstream's preference scripts drop."""
    return [{name: value for name, value in row.items() if name != "context"} for row in found]


def pairs(count: int) -> list[dict[str, Any]]:
    """Return preference rows."""
    return without_system(pair_rows(count))


def judged(count: int) -> list[dict[str, Any]]:
    """Return rows for KTO."""
    return without_system(judged_rows(count))


def corpus(count: int) -> list[dict[str, Any]]:
    """Return texts that fill more than a sequence."""
    return texts(count * 5)


def distinct(count: int) -> list[dict[str, Any]]:
    """Return queries with one passage each, all different: upstream holds equal ones against each other."""
    return [
        {"query": f"Question {number}?", "pos_passage": [f"{row['text']} {number}"]}
        for number, row in enumerate(texts(count))
    ]


ROWS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "sft": rows,
    "kto": judged,
    "pretrain": corpus,
    "embedding": distinct,
}


def rendered(case: Case, shelf: Path, folder: Path) -> Path:
    """Plan and render a case; return the folder."""
    make = ROWS.get(case.stage, pairs)
    data, plan = folder / "rows.jsonl", folder / "plan.yaml"
    made = make(8 if set(ONE_PACK) <= set(case.settings) else 40)
    data.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    steps = ("num_processes=1", "gradient_accumulation_steps=1", "learning_rate=0.002")
    fixed = (*steps, f"max_steps={STEPS}", f"num_train_epochs={STEPS}", *case.settings)
    settings = [word for setting in fixed for word in ("--set", setting)]
    source = ("--model", str(shelf / case.model), "--data", str(data), "--stage", case.stage)
    assert main(["plan", *source, *settings, "-o", str(plan)]) == 0
    assert main(["render", str(plan), "-o", str(folder / "ours")]) == 0
    return folder / "ours"


def run(command: str, folder: Path, **variables: str) -> tuple[int, str]:
    """Run a shell command in a folder; return its exit code and what it said."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def curve_of_ours(folder: Path) -> dict[int, float]:
    """Return step -> loss of our own worker."""
    lines = (folder / "stages" / "train" / "events-rank0.jsonl").read_text(encoding="utf-8").splitlines()
    metrics = [event for event in map(json.loads, lines) if event["kind"] == "metric"]
    return {event["step"]: event["values"]["loss"] for event in metrics if "loss" in event["values"]}


def beside(ours: Path) -> Path:
    """Return a copy of a rendered folder with the converted model and without what was trained."""
    shutil.copytree(ours, ours.parent / "upstream", ignore=shutil.ignore_patterns("output", "stages", "log"))
    return ours.parent / "upstream"


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_script_trains_what_we_render(
    name: str, llm: Path, shelf: Path, engine_python: Path, tmp_path: Path
) -> None:
    case = CASES[name]
    ours = rendered(case, shelf, tmp_path)
    code, said = run("./launch.sh", ours, PYTHON=str(engine_python))
    assert code == 0, said[-3000:]
    theirs = beside(ours)
    command = BLOCK.findall((theirs / "README.md").read_text(encoding="utf-8"))[0]
    if case.repairs:
        command = command.replace('"$LLM/', f'"{START}" {case.repairs} "$LLM/')
    code, said = run(command, theirs, PYTHON=str(engine_python), LLM=str(llm))
    if case.fails:
        assert code != 0
        assert case.fails in said
        return
    assert code == 0, said[-3000:]
    assert any(path for pattern in WEIGHTS for path in (theirs / "output").glob(pattern))
    found = {int(step): float(loss) for loss, step in LOSS.findall(said)}
    assert found[STEPS] < found[1]
    if case.same:
        assert found == pytest.approx(curve_of_ours(ours), abs=CLOSE)


@pytest.mark.engine
@pytest.mark.slow
def test_its_tools_merge_and_answer_from_what_its_script_trained(
    llm: Path, shelf: Path, engine_python: Path, tiny_paddle_model: Path, tmp_path: Path
) -> None:
    folder = rendered(CASES["lora"], shelf, tmp_path)
    shutil.copytree(tiny_paddle_model, folder / "model" / "paddle")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    engine = {"PYTHON": str(engine_python), "LLM": str(llm)}
    code, said = run(BLOCK.findall(readme)[0], folder, **engine)
    assert code == 0, said[-3000:]
    python, cpu = 'PYTHONPATH="$LLM:$LLM/.." "$PYTHON" "$LLM', "--device cpu"
    paths = "--model_name_or_path model/paddle --lora_path output --output_path merged"
    code, said = run(f'{python}/tools/merge_lora_params.py" {paths} {cpu}', folder, **engine)
    assert code == 0, said[-3000:]
    short = f"--model_name_or_path merged --dtype float32 {cpu} --src_length 256 --max_length 8"
    code, said = run(f'{python}/predict/predictor.py" {short} --mode dynamic', folder, **engine)
    assert code == 0, said[-3000:]
    assert "***Output***" in said
    code, said = run(f'{python}/predict/export_model.py" {short} --output_path static', folder, **engine)
    assert code != 0
    assert NO_STATIC in said
