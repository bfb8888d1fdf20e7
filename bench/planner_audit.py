"""`python -m bench.planner_audit [--all]`: does `planner.arguments` say what the installed engines say?

Compares with `../shared/facts/expert_configs.json`: configs of upstream, each parsed by the real parser
of the installed wheel at a simulated number of processes. Three figures: agreement on accepting or
refusing, unknown arguments found, and alarms on curated configs that the wheel accepts and the support
matrix allows.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from planner import arguments
from planner.arguments import World
from planner.findings import Finding

CONFIGS = Path(__file__).resolve().parents[2] / "shared" / "facts" / "expert_configs.json"
SCRIPTS = {
    "run_finetune.py": "run_finetune",
    "run_quantization.py": "run_quantization",
    "run_embedding.py": "run_embedding",
    "run_pretrain.py": "run_pretrain",
    "alignment/dpo/run_dpo.py": "run_dpo",
    "alignment/kto/run_kto.py": "run_kto",
    "predict/predictor.py": "predictor",
    "predict/export_model.py": "export_model",
    "paddleformers-cli train": "train",
    "paddleformers-cli export": "export",
}
CURATED = ("recipe", "benchmark", "doc_yaml", "device_recipe", "launch_script")
MARKER = "__base_config__"
"""Not an argument: the file lies over another one, which the entry names."""
ALARMS = ("rejects", "fails", "ignored")
GROUNDED = {
    "checkpoints.unified-method": "arguments_paddlenlp.md, 0: VeRA/LoKr/ReFT cannot be saved with it",
    "kernels.preference-fuse": "arguments_paddlenlp.md, 0: DPO/KTO ignore fuse_attention_qkv",
    "checkpoints.unified-alone": "arguments_paddleformers.md, 0: unified_checkpoint alone does nothing",
}
"""Alarms that are true by the facts, though the parser and the support matrix cannot see them."""


class Result(NamedTuple):
    """One config, judged twice."""

    entry: dict[str, Any]
    found: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        return not arguments.refuses(self.found)

    @property
    def truth(self) -> bool:
        return bool(self.entry["wheel_check"]["accepted_by_installed_wheel"])

    @property
    def agrees(self) -> bool:
        return self.accepted == self.truth

    @property
    def curated(self) -> bool:
        return self.entry["kind"] in CURATED and self.truth and not self.entry["model_conflicts"]

    @property
    def alarms(self) -> list[Finding]:
        return [finding for finding in self.found if finding.severity in ALARMS]

    @property
    def unknown(self) -> set[str]:
        codes = ("parser.unknown", "parser.ambiguous", "parser.prefix")
        return {finding.field for finding in self.found if finding.code in codes}


def results() -> Iterator[Result]:
    """Yield every config that the wheel's parser judged."""
    for entry in json.loads(CONFIGS.read_text(encoding="utf-8")):
        check, script = entry["wheel_check"], SCRIPTS.get(entry["entry_script"])
        if check is None or script is None:
            continue
        values = {name: value for name, value in entry["fields"].items() if name != MARKER}
        world = World(
            processes=check["simulated_world_size"] or 1,
            least=check["error_is_artefact"] is not None,
            device=entry["device"] or "gpu",
            model_type=entry["family"],
        )
        yield Result(entry, arguments.check(entry["engine"], script, values, world))


def main(everything: bool) -> None:
    """Print the tables."""
    judged = list(results())
    groups: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in judged:
        row = groups[(one.entry["engine"], one.entry["kind"])]
        row["configs"] += 1
        row["agree"] += one.agrees
        row["refused"] += not one.truth
        row["curated"] += one.curated
        row["alarms"] += bool(one.curated and one.alarms)
    print(f"{'engine':14}{'kind':24}{'configs':>8}{'agree':>8}{'refused':>9}{'curated':>9}{'alarms':>8}")
    for (engine, kind), row in sorted(groups.items()):
        figures = "".join(f"{row[name]:>{wide}}" for name, wide in (
            ("configs", 8), ("agree", 8), ("refused", 9), ("curated", 9), ("alarms", 8)))  # fmt: skip
        print(f"{engine:14}{kind:24}{figures}")
    agreed = sum(one.agrees for one in judged)
    print(f"\nagreement with the wheels' parsers: {agreed} of {len(judged)} ({agreed / len(judged):.1%})")
    expected = [set(one.entry["wheel_check"]["unknown_args"]) for one in judged]
    same = sum(one.unknown == names for one, names in zip(judged, expected, strict=True))
    print(f"exactly the recorded unknown or swallowed arguments: {same} of {len(judged)}")
    conflicts = [one for one in judged if one.entry["model_conflicts"]]
    seen = sum(any(finding.severity == "fails" for finding in one.found) for one in conflicts)
    print(f"recorded conflicts with the support matrix found: {seen} of {len(conflicts)}")
    curated = [one for one in judged if one.curated]
    loud = [(one, finding) for one in curated for finding in one.alarms]
    false = [pair for pair in loud if pair[1].code not in GROUNDED]
    print(
        f"alarms on {len(curated)} curated configs: {len(loud)}, of which not grounded in facts: {len(false)}"
    )
    for one, finding in loud if everything else false:
        print(f"  {one.entry['path']}: {finding.code} {finding.severity} {finding.because}")
        print(f"    {GROUNDED.get(finding.code, 'not in the facts')}")
    for one in judged:
        if not one.agrees:
            verdict = "accepts" if one.truth else "refuses"
            print(f"  {one.entry['path']}: the wheel {verdict} it; {one.entry['wheel_check']['error'] or ''}")
            print("    " + "; ".join(f"{x.code} {x.field}" for x in one.found if x.severity == "rejects"))


if __name__ == "__main__":
    if not CONFIGS.is_file():
        sys.exit(f"There are no configs to compare with: {CONFIGS} does not exist.")
    main("--all" in sys.argv[1:])
