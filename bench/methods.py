"""Run every training method from plan to proof on a tiny model; write `docs/methods.md` from what happened.

`python -m bench.methods` takes about a quarter of an hour on two cores; `python -m bench.methods FILE lora
vera` writes the named rows elsewhere. The model is a llama of 90,000 weights that first learns the bundled
data with all of its weights, so that every method starts from a model that ends its answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench import capabilities, preferences
from planner import hardware_text
from planner.facts import Facts
from planner.planfile import dumps
from planner.render import train_config
from planner.solve import make_plan
from planner.wishes import Stage, Value, Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.bundled import FOLDER
from runtime.data.scan import scan
from runtime.paths import PROJECT, engines_folder
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder, create_run
from runtime.run.start import start_supervisor
from runtime.run.status import read_status
from tests.tiny_model import write_tiny_llama

PAGE = PROJECT / "docs" / "methods.md"
FIRST: dict[str, Value] = {"method": "full", "num_train_epochs": 8, "learning_rate": 0.003}
SHORT: dict[str, Value] = {"num_train_epochs": 1, "learning_rate": 1e-4, "max_new_tokens": 300}


class Row(NamedTuple):
    """A line of the table: its name, the settings that ask for it, where they differ from `SHORT`."""

    title: str
    pins: dict[str, Value]
    other: dict[str, Value] | None = None
    stage: Stage = "sft"


ROWS = {
    "full": Row("Full training", {"method": "full"}),
    "lora": Row("LoRA", {"method": "lora"}),
    "rslora": Row("rsLoRA", {"lora_variant": "rslora"}),
    "lora_plus": Row("LoRA+", {"lora_variant": "lora_plus"}),
    "rslora_plus": Row("rsLoRA+", {"lora_variant": "rslora_plus"}),
    "pissa": Row("PiSSA", {"lora_variant": "pissa"}),
    "mora": Row("MoRA", {"lora_variant": "mora"}),
    "moslora": Row("MosLoRA", {"lora_variant": "moslora"}),
    "vera": Row("VeRA", {"method": "vera"}, {"learning_rate": 1e-3}),
    "lokr": Row("LoKr", {"method": "lokr"}),
    "prefix_tuning": Row("Prefix tuning", {"method": "prefix_tuning"}, {"num_prefix_tokens": 16}),
    "reft": Row("ReFT", {"method": "reft"}),
    "neftune": Row("NEFTune", {"neftune": True}),
    "longlora": Row("LongLoRA (shifted sparse attention)", {"use_ssa": True}, {"zero_padding": True}),
    "packed": Row("Zero padding", {"zero_padding": True, "greedy_zero_padding": False}),
    "greedy": Row("Greedy zero padding", {"zero_padding": True, "greedy_zero_padding": True}),
    "loose": Row("One row per sequence", {"zero_padding": False}),
    "best": Row("Best checkpoint", {"load_best_model_at_end": True}),
    "pretrain": Row("Continued pretraining", {"method": "full"}, stage="pretrain"),
    "pretrain_lora": Row("Continued pretraining, LoRA", {"method": "lora"}, stage="pretrain"),
    "embedding": Row("Embedding model", {"method": "full"}, stage="embedding"),
    "embedding_lora": Row(
        "Embedding model, LoRA", {"method": "lora"}, {"learning_rate": 1e-3}, stage="embedding"
    ),
    "sharding": Row(
        "Two processes, sharding stage 1",
        {"num_processes": 2, "sharding": "stage1", "sharding_parallel_degree": 2},
    ),
}
FORMATS = ("nf4", "fp4", "weight_only_int8", "weight_only_int4")


def data_for(stage: str, root: Path) -> str:
    """Return the bundled data, for stages that learn from other rows written as such: each question and its
    answer as a text, or the answer as the passage that the question is to find."""
    if stage == "sft":
        return "steersman-demo"
    path = root / f"{stage}.jsonl"
    rows = []
    for line in (FOLDER / "steersman-demo" / "train.jsonl").read_text(encoding="utf-8").splitlines():
        question, answer = (message["content"] for message in json.loads(line)["messages"][:2])
        text = {"text": f"{question} {answer}"}
        rows.append(text if stage == "pretrain" else {"query": question, "pos_passage": [answer]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def facts(model: Path, hardware: str, root: Path, stage: str = "sft") -> Facts:
    """Return the facts of a model, the data of a stage and this machine, or a described one."""
    source = data_for(stage, root)
    data = scan(source, model, max_length=512, src_length=256, seed=42, dev_fraction=0.1)
    machine = hardware_text.parse(hardware) if hardware else probe_hardware(root)
    return Facts(model=resolve_model(str(model)), data=data.facts, hardware=machine)


def run_of(
    name: str, model: Path, pins: dict[str, Value], root: Path, stage: Stage = "sft"
) -> tuple[RunFolder, float, str]:
    """Run a plan to its end; return the run, its seconds and why it failed, if it did."""
    plan = make_plan(facts(model, "", root, stage), Wishes(stage=stage, pins=pins))
    run = create_run(root / name, dumps(plan))
    started = time.monotonic()
    code = start_supervisor(run).wait(1200)
    return run, time.monotonic() - started, "" if code == 0 else read_status(run).reason


def line_of(row: Row, run: RunFolder, seconds: float, failure: str) -> str:
    """Return a table line: time and proof figures, or what went wrong."""
    asked = ", ".join(f"`{name}={json.dumps(value).strip(chr(34))}`" for name, value in row.pins.items())
    asked = asked if row.stage == "sft" else f"`--stage {row.stage}`, {asked}"
    if failure:
        return f"| {row.title} | {asked} | {seconds:.0f} | failed: {failure} | | | |"
    report = json.loads((run.stage("report").root / "report.json").read_text(encoding="utf-8"))
    proofs: dict[str, Any] = {proof["name"]: proof["measured"] for proof in report["proofs"]}
    tokens = proofs["merge.tokens"]
    return (
        f"| {row.title} | {asked} | {seconds:.0f} | {report['figures']['merge']['effect_on_logits']:.2f} "
        f"| {proofs['merge.reload']['max_difference']:.0e} | {proofs['merge.logits']['max_difference']:.0e}, "
        f"{tokens['identical']} of {sum(tokens[name] for name in ('identical', 'tossups', 'differing'))} "
        f"| {outcome(row.stage, report['figures']['generate'], proofs)} |"
    )


def outcome(stage: str, figures: dict[str, Any], proofs: dict[str, Any]) -> str:
    """Return what the stage that answers found, in the words of the last column."""
    if stage == "pretrain":
        return f"perplexity {figures['base_perplexity']:.1f} before, {figures['tuned_perplexity']:.1f} after"
    if stage == "embedding":
        return f"found {figures['base_recall']:.0%} before, {figures['tuned_recall']:.0%} after"
    answers = proofs["generate.answers"]
    return f"{answers['prompts'] - answers['empty']} of {answers['prompts']}"


def gpu_line(format_name: str, model: Path, root: Path) -> str:
    """Plan QLoRA for a GPU, render it, and let the worker go as far as it can without one."""
    pins: dict[str, Value] = {"method": "qlora", "weight_quantize_algo": format_name}
    plan = make_plan(facts(model, "A100-80G", root), Wishes(pins=pins))
    folder = root / f"qlora-{format_name}"
    folder.mkdir()
    config = folder / "config.json"
    config.write_text(train_config(plan, model=str(model), data="data", output_dir=str(folder / "output")))
    spec = {"stage": "preflight", "stage_folder": str(folder), "config": str(config), "processes": 1}
    (folder / "spec.json").write_text(json.dumps(spec))
    python = engines_folder() / "paddlenlp-cpu" / "bin" / "python"
    start = PROJECT / "runtime" / "workers" / "start.py"
    command = [str(python), str(start), "preflight", str(folder / "spec.json")]
    subprocess.run(command, capture_output=True, timeout=300, check=False)
    events = [json.loads(line) for line in (folder / "events-rank0.jsonl").read_text().splitlines()]
    error = next(event for event in events if event["kind"] == "error")
    said = (error["what"] + " " + error["why"]).replace(str(config), "config.json").strip()
    return f"| QLoRA, {format_name} | `method=qlora`, `weight_quantize_algo={format_name}` | {said} |"


def page(lines: list[str], gpu: list[str]) -> str:
    """Return the page: the text of `methods_page.md` with both tables filled in."""
    text = (PROJECT / "bench" / "methods_page.md").read_text(encoding="utf-8")
    return text.replace("@methods@", "\n".join(lines)).replace("@gpu@", "\n".join(gpu))


def main(arguments: list[str] | None = None) -> None:
    """Run the rows that are named after the page's path, or all, and write the page."""
    arguments = arguments or []
    path = Path(arguments[0]) if arguments else PAGE
    names = arguments[1:] or list(ROWS)
    with tempfile.TemporaryDirectory(prefix="steersman-methods-") as name:
        root = Path(name)
        home = root / "home"
        home.mkdir()
        (home / "engines").symlink_to(engines_folder())
        os.environ["STEERSMAN_HOME"] = str(home)
        lines, gpu = table(names, root)
    known = capabilities.table_of(path.read_text(encoding="utf-8")) if path.exists() else ""
    learned = preferences.block_of(path.read_text(encoding="utf-8")) if path.exists() else ""
    made = preferences.with_block(page(lines, gpu), learned)
    path.write_text(capabilities.with_table(made, known), encoding="utf-8")
    print(f"wrote {path}")


def table(names: list[str], root: Path) -> tuple[list[str], list[str]]:
    """Return the lines of both tables."""
    tiny = write_tiny_llama(root / "tiny")
    first, _, failure = run_of("first", tiny, {**FIRST, "max_new_tokens": 300}, root)
    if failure:
        raise SystemExit(f"the first run failed: {failure}")
    taught = first.stage("merge").root / "model"
    lines = []
    for name in names:
        row = ROWS[name]
        pins = {**SHORT, **(row.other or {}), **row.pins}
        lines.append(line_of(row, *run_of(name, taught, pins, root, row.stage)))
        print(lines[-1], flush=True)
    gpu = [gpu_line(name, taught, root) for name in FORMATS]
    print("\n".join(gpu), flush=True)
    return lines, gpu


if __name__ == "__main__":
    main(sys.argv[1:])
