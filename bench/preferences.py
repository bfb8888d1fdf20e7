"""Learn preferences in every way on a tiny model; write the table of them into `docs/methods.md`.

`python -m bench.preferences` plans each way on this machine, renders its config and runs the workers of
training, merging and weighing in one engine process; it takes about two minutes on two cores. The data are
the bundled conversations: each answer is preferred to itself in capital letters, which a model of any size
can learn.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.capabilities import PAGE
from planner.facts import Facts
from planner.plan import Plan
from planner.render import train_config, train_extras
from planner.solve import make_plan
from planner.wishes import Stage, Value, Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.bundled import FOLDER
from runtime.data.prepare import prepare
from runtime.paths import engines_folder, write_atomically
from runtime.probe import probe_hardware
from tests.runtime.results_setup import run_lab as convert_models
from tests.runtime.train_setup import run_lab
from tests.tiny_model import write_tiny_llama

BEGIN, END = "<!-- preferences: begin -->", "<!-- preferences: end -->"
HEAD = (
    "| way | ask for it with | seconds of training | margin on held-out rows, before and after | told apart "
    "| files handed out, apart by | weighed on those files |\n|---|---|---|---|---|---|---|"
)
LAB = Path(__file__).parents[1] / "tests" / "runtime" / "preference_lab.py"
SHORT: dict[str, Value] = {"num_train_epochs": 3, "learning_rate": 1e-3, "num_processes": 1}


class Way(NamedTuple):
    """A way of learning preferences: its name, its stage, and what is fixed."""

    title: str
    stage: Stage
    pins: dict[str, Value]


LOSSES = ("sigmoid", "hinge", "ipo", "kto_pair", "sppo_hard", "nca_pair", "dpop")
WAYS = (
    *(Way(f"DPO, loss {loss}", "dpo", {"loss_type": loss}) for loss in LOSSES),
    Way("DPO, all weights", "dpo", {"method": "full"}),
    Way("ORPO", "orpo", {}),
    Way("SimPO", "simpo", {}),
    Way("KTO", "kto", {}),
    Way("KTO, all weights", "kto", {"method": "full"}),
    Way("Reward model", "reward", {}),
)


def rows(stage: str) -> list[dict[str, Any]]:
    """Return the bundled conversations as pairs, or as judged answers: good and bad ones in turn."""
    lines = (FOLDER / "steersman-demo" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    talks = [json.loads(line)["messages"] for line in lines]
    found = []
    for number, talk in enumerate(talks):
        prompt, answer_text = talk[:-1], talk[-1]["content"]
        sides = (answer_text, answer_text.upper())
        if stage == "kto":
            answer = {"role": "assistant", "content": sides[number % 2]}
            found.append({"prompt": prompt, "completion": [answer], "label": number % 2 == 0})
        else:
            pair = [[{"role": "assistant", "content": side}] for side in sides]
            found.append({"prompt": prompt, "chosen": pair[0], "rejected": pair[1]})
    return found


def facts_of(stage: str, model: Path, root: Path) -> tuple[Facts, Path]:
    """Return the facts of model, data and this machine, and the folder of the prepared data."""
    kind = "kto" if stage == "kto" else "pairs"
    file = root / f"{kind}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(stage)), encoding="utf-8")
    limits = {"max_length": 512, "src_length": 256, "seed": 42, "dev_fraction": 0.2}
    prepared = prepare(str(file), model, root / kind, expected_fingerprint=None, **limits)  # type: ignore[arg-type]
    found = Facts(model=resolve_model(str(model)), data=prepared.scan.facts, hardware=probe_hardware(root))
    return found, prepared.folder


def experiments(way: Way, number: int, root: Path) -> list[dict[str, Any]]:
    """Return what the engine does for one way: train, hand out, weigh."""
    found, data = facts_of(way.stage, root / "hf", root)
    plan = make_plan(found, Wishes(stage=way.stage, pins={**SHORT, **way.pins}), alternatives=False)
    folder = root / f"way{number}"
    folder.mkdir()
    config = folder / "config.json"
    base, output = str(root / "paddle"), folder / "output"
    config.write_text(
        train_config(plan, model=base, data=str(data), output_dir=str(output)), encoding="utf-8"
    )
    train = {"stage": "train", "config": str(config), "extras": {**train_extras(plan), "tracker": "none"}}
    full = plan.value("method") == "full"
    merge = {
        "stage": "merge",
        "base": base,
        "hf_folder": str(root / "hf"),
        "destination": str(folder / "result"),
        "tolerance": 1e-4,
        "trained_model" if full else "adapter": str(output / ("model" if full else "adapter")),
    }
    weigh = {"stage": "generate", "base": base, "model": str(folder / "result"), **weighing(plan, str(data))}
    kinds = ("merge", "score") if way.stage == "reward" else ("fold", "weigh")
    return [
        {"do": "train", "name": f"{number} train", "spec": {**train, "stage_folder": str(folder / "train")}},
        {
            "do": "work",
            "name": f"{number} merge",
            "which": kinds[0],
            "spec": {**merge, "stage_folder": str(folder / "merge")},
        },
        {
            "do": "work",
            "name": f"{number} weigh",
            "which": kinds[1],
            "spec": {**weigh, "stage_folder": str(folder / "weigh")},
        },
    ]


def weighing(plan: Plan, data: str) -> dict[str, Any]:
    """Return what weighs held-out rows, as a run's stage is told."""
    from runtime.stages import preferences

    return preferences.weighing(plan, data)[0]


def events(folder: Path) -> list[dict[str, Any]]:
    """Return what a stage said."""
    lines = (folder / "events-rank0.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def line_of(way: Way, number: int, root: Path) -> str:
    """Return a line of the table."""
    folder = root / f"way{number}"
    pins = [f"`--stage {way.stage}`", *(f"`{name}={value}`" for name, value in way.pins.items())]
    looks = [
        e["values"] for e in events(folder / "train") if e["kind"] == "metric" and "eval_loss" in e["values"]
    ]
    proofs = {
        e["name"]: e for e in [*events(folder / "merge"), *events(folder / "weigh")] if e["kind"] == "proof"
    }
    first, last = looks[0], looks[-1]
    seconds = json.loads((folder / "train" / "result.json").read_text(encoding="utf-8"))["figures"][
        "train_seconds"
    ]
    apart = proofs.get("merge.scores") or proofs["merge.logits"]
    said = proofs.get("generate.scores") or proofs["generate.preferences"]
    shares = [
        f"{look['eval_rewards/accuracies']:.0%}"
        for look in (first, last)
        if "eval_rewards/accuracies" in look
    ]
    margins = [f"{look['eval_rewards/margins']:.2f}" for look in (first, last)]
    cells = (
        way.title,
        ", ".join(pins),
        f"{seconds:.1f}",
        " to ".join(margins),
        " to ".join(shares) or "–",
        f"{apart['measured']['max_difference']:.0e}",
        weighed(said["measured"]),
    )
    return "| " + " | ".join(cells) + " |"


def weighed(measured: dict[str, Any]) -> str:
    """Return what the files that are handed out make of the held-out rows."""
    if "accuracy_after" in measured:
        shares = f"{measured['accuracy_before']:.0%} to {measured['accuracy_after']:.0%}"
        return f"{shares} of {measured['pairs']} pairs"
    if "right" in measured:
        return (
            f"better answer ahead in {measured['right']} of {measured['pairs']}, by {measured['margin']:.1f}"
        )
    return f"good ones {measured['good_change']:+.1f}, bad ones {measured['bad_change']:+.1f}"


def with_block(page: str, block: str) -> str:
    """Return the page with the table between its marks; unchanged if it has none."""
    if BEGIN not in page:
        return page
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{block}\n{END}{rest.split(END, 1)[1]}"


def block_of(page: str) -> str:
    """Return the table that a page holds; empty if it has none."""
    return page.split(BEGIN, 1)[1].split(END, 1)[0].strip() if BEGIN in page else ""


def main(arguments: list[str] | None = None) -> None:
    """Run all ways and write the table into the page that is named, or into `docs/methods.md`."""
    path = Path(arguments[0]) if arguments else PAGE
    python = engines_folder() / "paddlenlp-cpu" / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="steersman-preferences-") as name:
        root = Path(name)
        write_tiny_llama(root / "hf")
        made = {"do": "make", "hf": str(root / "hf"), "paddle_folder": str(root / "paddle")}
        convert_models(python, root / "convert", [{**made, "adapter": str(root / "unused"), "rslora": False}])
        steps = [step for number, way in enumerate(WAYS) for step in experiments(way, number, root)]
        for step in steps:
            Path(step["spec"]["stage_folder"]).mkdir()
        started = time.monotonic()
        run_lab(python, 1, root / "lab", steps, LAB)
        lines = [line_of(way, number, root) for number, way in enumerate(WAYS)]
    table = "\n".join([HEAD, *lines])
    print(table, f"\n{time.monotonic() - started:.0f} s in the engine")
    write_atomically(path, with_block(path.read_text(encoding="utf-8"), table))


if __name__ == "__main__":
    main(sys.argv[1:])
