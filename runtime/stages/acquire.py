"""Stage `acquire`: the model's weights and tokenizer as a Hugging Face folder on this machine.

`python -m runtime.stages.acquire SPEC.json`. Specification: `source` (a ModelSource), `models_folder`.
Output: `model`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from planner.errors import SteersmanError
from planner.facts import ModelSource
from planner.language import say, speaking
from runtime.acquire.fetch import acquire
from runtime.acquire.report import News
from runtime.run.speech import language_of_stage
from runtime.workers.emit import Emitter, stop_requested, write_result

REPORT_SECONDS = 0.2
"""Least time between two progress events of the same message."""


class Stopped(BaseException):
    """Someone asked to stop. What has been fetched stays, and the next call continues from there."""


def main(spec: dict[str, Any]) -> int:
    """Run the stage in the language of the run's plan and return the process's exit code."""
    with speaking(language_of_stage(spec["stage_folder"])):
        return _fetch(spec)


def _fetch(spec: dict[str, Any]) -> int:
    emitter = Emitter(spec["stage_folder"], spec["stage"])
    try:
        _listen(spec["stage_folder"])
        started = time.monotonic()
        folder = acquire(ModelSource(**spec["source"]), Path(spec["models_folder"]), Reporter(emitter))
        seconds = round(time.monotonic() - started, 1)
        write_result(spec["stage_folder"], {"model": str(folder)}, {"seconds": seconds})
    except Stopped as stopped:
        emitter.state("stopped", str(stopped))
        return 0
    except SteersmanError as error:
        traceback.print_exc()
        print(error.details, file=sys.stderr)
        emitter.error(error.what, error.why, error.remedy)
        return 1
    except Exception as error:
        traceback.print_exc()
        emitter.error(say("The model could not be fetched."), f"{type(error).__name__}: {error}")
        return 1
    return 0


class Reporter:
    """Turns progress into events: every change of message at once, figures a few times a second."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.message = ""
        self.due = 0.0

    def __call__(self, done: float, total: float, unit: str, message: str) -> None:
        """Report progress; log a message that is news."""
        now = time.monotonic()
        if message == self.message and now < self.due and done < total:
            return
        if message != self.message and isinstance(message, News):
            self.emitter.log(say("{sentence}.", sentence=message[0].upper() + message[1:]))
        self.message, self.due = message, now + REPORT_SECONDS
        self.emitter.progress(done, total, unit, message)


def _listen(stage_folder: str) -> None:
    """Raise `Stopped` in the main thread on SIGTERM, on SIGINT, or once the file `stop` appears."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(say("received {signal}", signal=signal.Signals(number).name))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def watch() -> None:
        while not stop_requested(stage_folder):
            time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
