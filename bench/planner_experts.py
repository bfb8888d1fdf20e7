"""`python -m bench.planner_experts [--all]`: what does the planner choose where upstream's experts chose?

Every curated training config of `../shared/facts/expert_configs.json` whose model the catalogue knows is
planned anew: same model, stage, method, devices (eight A100 where none are named) and length. Printed are, by
figure, how often both agree, and with `--all` each difference. `ON_PURPOSE` says why they differ.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.planner_audit import CONFIGS, CURATED
from planner.errors import SteersmanError
from planner.facts import DataFacts, Facts, TokenLengths
from planner.hardware_text import parse
from planner.model_catalogue import find_model
from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Wishes

KEPT = ("full", "lora", "qlora", "lokr")
"""Methods of configs that are planned; others have no counterpart, or decide nothing about devices."""

STAGES = {
    "sft": "sft",
    "dpo": "dpo",
    "kto": "kto",
    "pretrain": "pretrain",
    "reward_model": "reward",
    "embedding": "embedding",
}
ROWS, MEAN_TOKENS = 100_000, 500
"""What the data are taken to be, since configs do not say."""

ALIKE = 3.0
"""Factor within which two rates count as alike."""

ON_PURPOSE = {
    "learning rate": "falls with size here, while upstream has one for all sizes; reward: InstructGPT's",
    "pipeline": "one machine needs none; auto-parallel benchmarks and demonstrations split small models",
    "tensor": "only where a device does not hold the model; TP 8 of demonstrations is for 7B on any card",
    "recompute": "only where memory asks for it; upstream's recipes must fit smaller cards too",
    "warm-up": "a tenth of the steps, at most 100 (pretraining: 30); upstream's demonstrations have 10 to 30",
}


class Pair(NamedTuple):
    """One config of upstream's, and our plan for the same."""

    entry: dict[str, Any]
    plan: Plan


def field(entry: dict[str, Any], *names: str) -> Any:
    """Return the first of these arguments that a config has; None when it has none."""
    return next((entry["fields"][name] for name in names if entry["fields"].get(name) is not None), None)


def pairs() -> Iterator[Pair | str]:
    """Yield every config with our plan; or why there is none."""
    for entry in json.loads(CONFIGS.read_text(encoding="utf-8")):
        method = entry["method"].split("+")[0].split(":")[0]
        curated = entry["kind"] in CURATED and entry["device"] == "gpu" and not entry["model_conflicts"]
        if not curated or entry["stage"] not in STAGES or method not in KEPT:
            continue
        name = str(entry["model"] or "")
        found = find_model(name.rsplit("/", 1)[-1]) or find_model(name)
        if found is None:
            yield f"{entry['path']}: no model {name}"
            continue
        try:
            yield Pair(entry, planned(entry, found.facts(), method))
        except SteersmanError as error:
            yield f"{entry['path']}: {error}"


def planned(entry: dict[str, Any], model: Any, method: str) -> Plan:
    """Return our plan for the model, stage, method, devices and length of a config."""
    length = min(int(field(entry, "max_seq_len", "max_length", "max_seq_length") or 2048), 65_536)
    devices = int(entry["gpus"] or max(8, entry["min_gpus_from_degrees"] or 1))
    pins: dict[str, Any] = {"method": method, "engine": entry["engine"]}
    wishes = Wishes(stage=STAGES[entry["stage"]], context_length=length, pins=pins)
    longest = max(16, min(length, 4 * MEAN_TOKENS))
    mean = min(MEAN_TOKENS, longest / 2)
    lengths = TokenLengths(
        mean=mean,
        p50=int(mean),
        p90=int(1.5 * mean),
        p99=longest,
        max=longest,
        total=round(ROWS * mean),
        answer_total=round(ROWS * mean / 2),
        counted=False,
    )
    data = DataFacts(
        path="described",
        format="messages",
        train_rows=ROWS,
        dev_rows=500,
        dev_given=True,
        lengths=lengths,
        fingerprint="0" * 64,
    )
    hardware = parse(f"{max(1, devices // 8)} nodes x {min(8, devices)} A100-80G nvlink")
    return make_plan(Facts(model=model, data=data, hardware=hardware), wishes, alternatives=False)


def compared(pair: Pair) -> Iterator[tuple[str, bool, str]]:
    """Yield (figure, whether both agree, both values) for what an expert looks at first."""
    entry, plan = pair
    theirs = float(field(entry, "learning_rate") or 0)
    ours = float(str(plan.value("learning_rate")))
    if theirs:
        yield "learning rate", 1 / ALIKE <= ours / theirs <= ALIKE, f"{theirs:g} / {ours:g}"
    for title, ours_name, names in (
        ("tensor", "tensor_parallel_degree", ("tensor_parallel_degree", "tensor_model_parallel_size")),
        (
            "pipeline",
            "pipeline_parallel_degree",
            ("pipeline_parallel_degree", "pipeline_model_parallel_size"),
        ),
    ):
        degree, own = max(1, int(field(entry, *names) or 1)), int(str(plan.value(ours_name)))
        yield title, degree == own, f"{degree} / {own}"
    recompute = bool(field(entry, "recompute", "recompute_granularity"))
    yield "recompute", recompute == plan.value("recompute"), f"{recompute} / {plan.value('recompute')}"
    warm, own = int(field(entry, "warmup_steps") or 0), int(str(plan.value("warmup_steps")))
    if warm:
        yield "warm-up", 1 / ALIKE <= own / warm <= ALIKE, f"{warm} / {own}"
    passes = float(field(entry, "num_train_epochs") or 0)
    if passes:
        own_passes = int(str(plan.value("num_train_epochs")))
        yield "passes", abs(passes - own_passes) <= 2, f"{passes:g} / {own_passes}"


def main(everything: bool) -> None:
    """Print how often both agree, and what could not be compared."""
    found = list(pairs())
    counts: dict[str, list[bool]] = defaultdict(list)
    for pair in (one for one in found if isinstance(one, Pair)):
        for figure, same, values in compared(pair):
            counts[figure].append(same)
            if everything and not same:
                model = pair.plan.facts.model.name
                print(f"{figure:14}{values:22}{pair.entry['stage']:14}{model:26}{pair.entry['path'][-60:]}")
    print(f"{'figure':16}{'configs':>8}{'alike':>8}  where not, because")
    for figure, verdicts in counts.items():
        share = sum(verdicts) / len(verdicts)
        print(f"{figure:16}{len(verdicts):>8}{share:>8.0%}  {ON_PURPOSE.get(figure, '')}")
    skipped = [one for one in found if isinstance(one, str)]
    print(f"{len(skipped)} configs have no plan to compare with:")
    for one in skipped if everything else ():
        print(f"  {one[:200]}")


if __name__ == "__main__":
    if not CONFIGS.is_file():
        sys.exit(f"There are no configs to compare with: {CONFIGS} does not exist.")
    main("--all" in sys.argv[1:])
