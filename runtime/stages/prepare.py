"""Stage prepare: turns data into train.json and dev.json. `python -m runtime.stages.prepare SPEC.json`"""

from __future__ import annotations

import errno
import json
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from planner.errors import Interrupted, SteersmanError
from planner.language import join, say, speaking
from runtime.data.findings import ACTIONS, KINDS
from runtime.data.formers_rows import write
from runtime.data.prepare import FINDINGS, REPORT, TRAIN, Prepared, prepare
from runtime.run.speech import language_of_stage
from runtime.workers.emit import Emitter, stop_requested, write_result

SECONDS_BETWEEN_EVENTS = 0.5


class Reporter:
    """Turns the scan's progress calls into two events a second, a request to stop into `Interrupted`."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.last = 0.0

    def __call__(self, done: float, total: float, unit: str, message: str) -> None:
        """Report progress, unless it was reported just now."""
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_EVENTS and done < total:
            return
        self.last = now
        if stop_requested(self.emitter.folder):
            raise Interrupted(say("Stopped while preparing data."))
        self.emitter.progress(done, total, unit, message)


def main(spec: dict[str, Any]) -> int:
    """Prepare the data of `spec` and return the exit code: 0 done or stopped, the error's own code otherwise.

    Keys: data, model_folder, max_length, src_length, seed, dev_fraction, destination, fingerprint. It speaks
    the language of the run's plan.
    """
    with speaking(language_of_stage(spec["stage_folder"])):
        return _prepare(spec)


def _prepare(spec: dict[str, Any]) -> int:
    emitter = Emitter(spec["stage_folder"], spec["stage"])
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.perf_counter()
    try:
        prepared = prepare(
            spec["data"],
            Path(spec["model_folder"]),
            Path(spec["destination"]),
            max_length=spec["max_length"],
            src_length=spec["src_length"],
            seed=spec["seed"],
            dev_fraction=spec["dev_fraction"],
            expected_fingerprint=spec.get("fingerprint") or None,
            progress=Reporter(emitter),
        )
    except Interrupted:
        emitter.state("stopped", say("nothing was written; the next start prepares the data again"))
        return 0
    except SteersmanError as error:
        traceback.print_exc()
        emitter.error(error.what, error.why, error.remedy)
        return int(error.exit_code)
    except OSError as error:
        traceback.print_exc()
        fault = error.strerror or str(error)
        reason = say("{reason} ({path})", reason=fault, path=error.filename) if error.filename else fault
        remedy = say("Free some space and resume the run.") if error.errno == errno.ENOSPC else ""
        emitter.error(say("The data could not be prepared: {reason}.", reason=reason), remedy=remedy)
        return 4
    if spec.get("layout"):
        for path in write(prepared.folder, spec["layout"]):
            emitter.artifact(path.name, path)
    announce(emitter, prepared)
    write_result(
        spec["stage_folder"],
        {"data": str(prepared.folder), "report": str(prepared.folder / REPORT)},
        figures(prepared, time.perf_counter() - start),
    )
    return 0


def announce(emitter: Emitter, prepared: Prepared) -> None:
    """Say what was found: findings as sentences, files as artifacts, and the proof of the rows."""
    facts = prepared.scan.facts
    for code, count in prepared.scan.finding_counts.items():
        kind = KINDS[code]
        first = next(finding for finding in prepared.scan.findings if finding.code == code)
        times = say(
            "{count} x {title} ({action}).",
            count=count,
            title=say(kind.title),
            action=say(ACTIONS[kind.action]),
        )
        message = join((times, say("First: {sentence}", sentence=first.sentence())))
        emitter.log(message, "info" if kind.severity == "note" else "warning")
    for name in (TRAIN, REPORT, FINDINGS):
        emitter.artifact(name, prepared.folder / name)
    lengths = facts.lengths
    how = say("by the model's own tokenizer" if lengths.counted else "estimated (no tokenizer.json)")
    emitter.proof(
        "prepare.rows",
        True,
        say(
            "{train} train and {dev} dev rows read back, each with an answer to learn;"
            " {tokens} tokens {how}, {answers} of them answers.",
            train=facts.train_rows,
            dev=facts.dev_rows,
            tokens=lengths.total,
            how=how,
            answers=lengths.answer_total,
        ),
        train_rows=facts.train_rows,
        dev_rows=facts.dev_rows,
        unusable_rows=facts.unusable_rows,
        tokens=lengths.total,
        answer_tokens=lengths.answer_total,
    )


def figures(prepared: Prepared, seconds: float) -> dict[str, float | int]:
    """Return what the stage measured."""
    facts = prepared.scan.facts
    return {
        "train_rows": facts.train_rows,
        "dev_rows": facts.dev_rows,
        "unusable_rows": facts.unusable_rows,
        "tokens": facts.lengths.total,
        "answer_tokens": facts.lengths.answer_total,
        "longest_row_tokens": facts.lengths.max,
        "rows_per_second": round(prepared.scan.rows_read / max(seconds, 1e-9), 1),
    }


def _interrupt(number: int, frame: object) -> NoReturn:
    raise Interrupted(say("Stopped while preparing data."))


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
