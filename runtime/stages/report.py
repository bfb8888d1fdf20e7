"""The report stage: what was planned, what came out, and the evidence, as report.json and report.md."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from planner.plan import Plan
from planner.planfile import loads
from runtime.calibration import record
from runtime.paths import write_atomically
from runtime.run import journal
from runtime.run.layout import RunFolder
from runtime.run.next_steps import next_steps, output_path
from runtime.run.view import RunView, fold
from runtime.stages.measured import comparisons, losses, question, samples
from runtime.stages.report_page import page
from runtime.workers.emit import Emitter, write_result

OUTPUT_NAMES = {
    ("merge", "model"): "Tuned model (Hugging Face folder)",
    ("train", "adapter"): "Adapter",
    ("train", "model"): "Trained weights",
    ("generate", "samples"): "Answers before and after",
    ("prepare", "data"): "Prepared data",
    ("convert", "model"): "Base model in PaddleNLP's format",
    ("acquire", "model"): "Base model",
}


def main(spec: dict[str, Any]) -> int:
    """Write the report of a run and return 0."""
    run = RunFolder(Path(spec["run_folder"]))
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    emitter = Emitter(spec["stage_folder"], spec["stage"])
    view = fold(journal.read(run.journal), plan.stages)
    content = report(run, plan, view)
    folder = Path(spec["stage_folder"])
    write_atomically(folder / "report.json", json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    write_atomically(folder / "report.md", page(content))
    emitter.artifact("report", folder / "report.md")
    # What was measured corrects the next forecast on this machine; that it cannot be kept spoils no run.
    with suppress(OSError):
        record(run)
    write_result(folder, {"report": str(folder / "report.json"), "page": str(folder / "report.md")})
    return 0


def report(run: RunFolder, plan: Plan, view: RunView) -> dict[str, Any]:
    """Return the content of report.json."""
    files = {
        name: path
        for (stage, key), name in OUTPUT_NAMES.items()
        if (path := output_path(run, view, stage, key))
    }
    # The report is written when everything else is proven; what comes next is what a finished run offers.
    finished = RunView(stages=view.stages, state="finished")
    return {
        "name": run.name,
        "summary": summary(plan),
        "comparisons": [comparison.as_dict() for comparison in comparisons(plan, view)],
        "loss": losses(view),
        "figures": {name: stage.figures for name, stage in view.stages.items() if stage.figures},
        "proofs": [
            {"stage": stage.name, "name": proof.name, "passed": proof.passed, "sentence": proof.sentence}
            | {"measured": dict(proof.measured)}
            for stage in view.stages.values()
            for proof in stage.proofs.values()
        ],
        "samples": [
            {"question": question(sample), "base": sample.get("base", ""), "tuned": sample.get("tuned", "")}
            for sample in samples(run, view)
        ],
        "files": {**files, "Run folder": str(run.root), "Plan": str(run.plan), "Journal": str(run.journal)},
        "next": next_steps(run, finished),
    }


def summary(plan: Plan) -> str:
    """Return what was done, in one sentence."""
    data, method = plan.facts.data, plan.value("method")
    how = "LoRA adapters of" if method == "lora" else "all weights of"
    machine = plan.facts.hardware.description
    return (
        f"Trained {how} {plan.facts.model.name} ({plan.facts.model.parameters / 1e6:.0f} M parameters) on "
        f"{data.train_rows} rows of {data.path}, {plan.value('max_steps')} steps, on {machine}."
    )


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
