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
from runtime.data.findings import KINDS
from runtime.data.prepare import FINDINGS, REPORT, TRAIN, Prepared, prepare
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
            raise Interrupted("Stopped while preparing data.")
        self.emitter.progress(done, total, unit, message)


def main(spec: dict[str, Any]) -> int:
    """Prepare the data of `spec` and return the exit code: 0 done or stopped, the error's own code otherwise.

    Keys: data, model_folder, max_length, src_length, seed, dev_fraction, destination, fingerprint.
    """
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
        emitter.state("stopped", "nothing was written; the next start prepares the data again")
        return 0
    except SteersmanError as error:
        traceback.print_exc()
        emitter.error(error.what, error.why, error.remedy)
        return int(error.exit_code)
    except OSError as error:
        traceback.print_exc()
        place = f" ({error.filename})" if error.filename else ""
        remedy = "Free some space and resume the run." if error.errno == errno.ENOSPC else ""
        emitter.error(f"The data could not be prepared: {error.strerror or error}{place}.", remedy=remedy)
        return 4
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
        message = f"{count} x {kind.title} ({kind.action}). First: {first.sentence()}"
        emitter.log(message, "info" if kind.severity == "note" else "warning")
    for name in (TRAIN, REPORT, FINDINGS):
        emitter.artifact(name, prepared.folder / name)
    lengths = facts.lengths
    how = "by the model's own tokenizer" if lengths.counted else "estimated (no tokenizer.json)"
    emitter.proof(
        "prepare.rows",
        True,
        f"{facts.train_rows} train and {facts.dev_rows} dev rows read back, each with an answer to learn; "
        f"{lengths.total} tokens {how}, {lengths.answer_total} of them answers.",
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
    raise Interrupted("Stopped while preparing data.")


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
