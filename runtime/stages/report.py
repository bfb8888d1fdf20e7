"""The report stage: what was planned, what came out, and the evidence, for programs and for people.

It writes report.json and report.md into the stage's folder, and report.html, which opens offline, into the
run's own folder.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from planner.language import speaking
from planner.planfile import loads
from runtime.calibration import record
from runtime.paths import write_atomically
from runtime.run import journal
from runtime.run.layout import RunFolder
from runtime.run.view import RunView, fold
from runtime.stages.report_content import content
from runtime.stages.report_html import document
from runtime.stages.report_page import page
from runtime.workers.emit import Emitter, write_result

PAGE_NAME = "report.html"
"""The standalone page, in the run's folder."""


def main(spec: dict[str, Any]) -> int:
    """Write the report of a run, let the next forecast learn from it, and return 0."""
    write(spec)
    # What was measured corrects the next forecast on this machine; that it cannot be kept spoils no run.
    with suppress(OSError):
        record(RunFolder(Path(spec["run_folder"])))
    return 0


def write(spec: dict[str, Any]) -> None:
    """Write the report of a run, in the language of its plan."""
    run = RunFolder(Path(spec["run_folder"]))
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    emitter = Emitter(spec["stage_folder"], spec["stage"])
    view = fold(journal.read(run.journal), plan.stages)
    # The report is written when everything else is proven; what comes next is what a finished run offers.
    finished = RunView(stages=view.stages, state="finished")
    with speaking(plan.wishes.language):
        report = content(run, plan, finished)
        text, html = page(report), document(report)
    folder = Path(spec["stage_folder"])
    write_atomically(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    write_atomically(folder / "report.md", text)
    write_atomically(run.root / PAGE_NAME, html)
    emitter.artifact("report", run.root / PAGE_NAME)
    outputs = {"report": folder / "report.json", "page": folder / "report.md", "html": run.root / PAGE_NAME}
    write_result(folder, {name: str(path) for name, path in outputs.items()})


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
