"""Predicted training speed against published measurements, source by source.

`python -m bench.planner_speed [FILE] [--rows]` reads the rows with tokens/s of
`../shared/facts/memory_cases.json`, or of FILE, and prints for each source Spearman's rank correlation and
the median absolute error; with `--rows`, each row.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.published.cases import CASES, Unmappable, case
from bench.published.slowness import added_seconds
from planner import speed, weights
from planner.errors import BadInput
from planner.facts import HardwareFacts, ModelFacts
from planner.hardware_text import parse
from planner.setup import FULL_RECOMPUTE, Setup

LEAST_ROWS = 4
"""A rank correlation of fewer says nothing."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Prediction:
    """One row with its measured and predicted speed, in the row's own scope."""

    row: Row
    measured: float
    predicted: float

    @property
    def group(self) -> str:
        """Where it was published and with what, without the case's name: rows of a group are comparable.

        Speeds without padding depend on whether rows were packed, and on the checkpoints of a whole run.
        """
        source = re.sub(r", case .*|@\S+|\(.*?\)", "", str(self.row["source"])).strip()
        kind = ""
        if "padding not counted" in str(self.row.get("tokens_per_s_scope")):
            kind = ", all weights" if "full" in str(self.row["method"]) else ", adapters"
            kind += ", packed" if self.row.get("packing") else ""
        return f"{source} [{self.row['framework']}{kind}]"

    @property
    def source(self) -> str:
        """The publication as the file names it."""
        return str(self.row["source"])


def predictions(rows: list[Row]) -> Iterator[Prediction | str]:
    """Yield a prediction for each row with a speed, or the reason why there is none."""
    for row in rows:
        if not row.get("tokens_per_s"):
            continue
        try:
            yield Prediction(row, float(row["tokens_per_s"]), predicted(row))
        except (Unmappable, BadInput, ValueError) as why:
            yield f"{row['source'][:60]}: {row['model']}: {why}"


def predicted(row: Row) -> float:
    """Return the predicted tokens/s of a row, in its scope."""
    if "fp8" in str(row.get("precision")):
        raise Unmappable("products in fp8 are not among the planner's precisions")
    mapped = case(completed(row))
    setup = with_kernels(mapped.setup, row)
    cluster = speed.cluster(machine(row, setup), setup.precision)
    divisor = shares(row, setup)
    believable(row, mapped.model, setup, cluster, divisor)
    seconds = float(speed.step_seconds(mapped.model, setup, cluster))
    seconds += float(added_seconds(row, mapped.model, setup, cluster))
    tokens = setup.replicas * setup.accumulation * setup.micro_batch_tokens
    return float(tokens) / seconds / divisor


def believable(row: Row, model: ModelFacts, setup: Setup, cluster: speed.Cluster, divisor: float) -> None:
    """Raise Unmappable where the measured speed needs more operations than the named card has: two per weight
    forward, two for the gradient of the input, two for that of a trained weight, and recompute."""
    products = model.active_parameters - weights.embedding(model) * (0 if model.tie_word_embeddings else 1)
    each = (6.0 if setup.trains_all else 4.0) * products
    if setup.recompute == FULL_RECOMPUTE:
        each += 2.0 * (products - weights.embedding(model))
    needed = float(row["tokens_per_s"]) * divisor / float(setup.processes) * each
    if needed > cluster.flops:
        raise Unmappable(
            f"{needed / 1e12:.0f} TFLOP/s for the products alone, of {cluster.flops / 1e12:.0f} that the "
            "named card has"
        )


def completed(row: Row) -> Row:
    """Return the row with what it states elsewhere: the micro-batch of PaddleNLP's table of batch sizes per
    step. Where its rows are not packed, nobody says how long they are, so that they stay out."""
    extra = row.get("extra") or {}
    filled = dict(row)
    gpus = int(row.get("gpus") or 1)
    tensor, pipeline = int(row.get("tp") or 1), int(row.get("pp") or 1)
    if row.get("micro_batch") is None and str(extra.get("batch_size_column", "")).isdigit():
        filled["micro_batch"] = max(1, int(extra["batch_size_column"]) // (gpus // (tensor * pipeline)))
    if row.get("grad_accum") is None and extra.get("global_batch_size") and row.get("micro_batch"):
        replicas = max(1, gpus // (tensor * pipeline))
        filled["grad_accum"] = max(1, int(extra["global_batch_size"]) // (replicas * int(row["micro_batch"])))
    if "LLaMA-Factory" in row["framework"] and row.get("recompute_mode") is None:
        filled["recompute_mode"] = "full"  # unless disable_gradient_checkpointing is set
    if row["framework"] == "torchtune" and gpus > 1:
        filled["sharding"] = "FSDP FULL_SHARD"  # all of its distributed recipes
    if row["framework"] == "torchtune" and row.get("recompute_mode") is None:
        filled["recompute_mode"] = "full"  # enable_activation_checkpointing in all of its configs of 7B up
    experts = re.search(r"\bep(\d)\b", str(extra.get("framework_config")).replace("-", " "))
    if experts:
        filled["extra"] = {**extra, "ep": int(experts[1])}
    samples = (row.get("extra") or {}).get("train_samples_per_second")
    if row.get("packing") is False and samples and "as HF" in str(row.get("tokens_per_s_scope")):
        # Rows were not packed: `seq_len` is a limit, and the speeds say how long they are.
        filled["seq_len"] = max(16, round(float(row["tokens_per_s"]) * gpus / float(samples)))
    return filled


def with_kernels(setup: Setup, row: Row) -> Setup:
    """Return the set-up with the fused kernels that a row's toolkit or switches bring."""
    text = f"{row.get('framework')} {row.get('source')} {row.get('extra')} {row.get('model')}".lower()
    if re.search(r"\bstatic\b|dy2st|auto parallel", text):
        setup = replace(setup, static_graph=True)
    if "pagedadamw" in str(row.get("optimizer")).lower():
        setup = replace(setup, offload=True)
    if re.search(r"foak|fast-kernels|liger", text) or "unsloth" in str(row["framework"]).lower():
        return replace(setup, fused_norm=True, fused_rope=True, fused_loss=True)
    if "megatron" in text or "flagscale" in text or "'compile': true" in text:
        return replace(setup, fused_norm=True, fused_rope=True)
    if "amp" in str(row.get("precision")) and "fsdp" not in str(row.get("sharding")).lower():
        return replace(setup, opt_level="O1" if setup.method == "full" else setup.opt_level)
    return setup


def machine(row: Row, setup: Setup) -> HardwareFacts:
    """Return the row's machines."""
    name = str(row.get("gpu") or "A100").split("(")[0].strip().replace("Hopper", "H800")
    gpus = int(row.get("gpus") or 1)
    nodes, per_node = (1, gpus) if gpus <= 8 else (-(-gpus // 8), 8)
    found = parse(f"{nodes} nodes x {per_node} {name}" if nodes > 1 else f"{per_node}x {name}")
    # Eight network cards of 400 Gbit/s per machine of H100, as in NVIDIA's reference design, 200 for A100.
    network = 3200.0 if "H" in name else 1600.0
    return found.model_copy(update={"network_gbit": network}) if nodes > 1 else found


def shares(row: Row, setup: Setup) -> float:
    """Return by what the speed of all processes is divided in the row's scope."""
    scope = str(row.get("tokens_per_s_scope"))
    if scope == "not stated" and int(row.get("gpus") or 1) > 1:
        raise Unmappable("whether the speed is that of one GPU or of all is not stated")
    if "replica" in scope:
        return float((row.get("extra") or {}).get("dp") or setup.replicas)
    return float(setup.processes) if "per GPU" in scope or "as HF" in scope else 1.0


def spearman(first: list[float], second: list[float]) -> float:
    """Return the rank correlation of two lists; ties share their rank."""
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def ranks(values: list[float]) -> Any:
    """Return the rank of each value, the mean rank among equals."""
    array = np.asarray(values)
    return np.array([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in values])


def table(found: list[Prediction]) -> list[str]:
    """Return the lines of the table."""
    groups: dict[str, list[Prediction]] = {}
    for entry in found:
        groups.setdefault(entry.group, []).append(entry)
    lines = [f"{'rows':>4} {'rank':>6} {'error':>7} {'bias':>6}  source"]
    for name, entries in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines.append(line(entries, name))
    lines.append(line(found, "all rows"))
    return lines


def line(entries: list[Prediction], name: str) -> str:
    """Return one line: rows, rank correlation, median absolute error, median of predicted / measured."""
    ratio = np.array([entry.predicted / entry.measured for entry in entries])
    enough = len(entries) >= LEAST_ROWS
    rank = (
        f"{spearman([e.measured for e in entries], [e.predicted for e in entries]):6.2f}"
        if enough
        else "     -"
    )
    return f"{len(entries):4} {rank} {np.median(abs(ratio - 1)):7.1%} {np.median(ratio):6.2f}  {name}"


def main(arguments: list[str]) -> None:
    """Print the table."""
    paths = [Path(word) for word in arguments if not word.startswith("-")]
    path = paths[0] if paths else CASES
    if not path.is_file():
        print(f"{path} does not exist: nothing to compare with.")
        return
    results = list(predictions(json.loads(path.read_text(encoding="utf-8"))))
    found = [entry for entry in results if isinstance(entry, Prediction)]
    if "--rows" in arguments:
        for entry in found:
            row = entry.row
            what = [
                row[key] for key in ("model", "method", "gpus", "gpu", "seq_len", "micro_batch", "sharding")
            ]
            ratio = entry.predicted / entry.measured
            print(f"{entry.measured:9.0f} {entry.predicted:9.0f} {ratio:5.2f} {what} {entry.group[:50]}")
    print("\n".join(table(found)))
    missing = [entry for entry in results if isinstance(entry, str)]
    print(f"{len(missing)} rows with a speed cannot be put in the planner's terms:")
    reasons = missing if "--rows" in arguments else [entry.split(": ")[-1] for entry in missing]
    for reason, number in Counter(reasons).most_common():
        print(f"  {number:3} {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
