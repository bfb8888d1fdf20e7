"""The frame around a stage: import the engine, work, end in one of three ways.

Done: result.json and exit 0. Stopped on request: state `stopped` and exit 0. Failed: an `error` event in
words, the traceback on stderr, exit 1. Where the launcher started several processes, the first speaks for
all.
"""

from __future__ import annotations

import importlib
import os
import traceback
from typing import Any

from runtime.workers import launched
from runtime.workers.emit import Emitter, write_result
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stop import StopRequest, hold_signals


class StoppedError(Exception):
    """Someone asked this process to stop; whatever was half done has been removed on the way out."""


class Stage:
    """What a stage's work needs besides its specification: where to speak, and when to stop."""

    def __init__(self, emitter: Emitter, stop: StopRequest) -> None:
        self.emitter = emitter
        self.stop = stop

    def check_stop(self) -> None:
        """Raise `StoppedError` if a stop was requested. Call between steps that take a second or less."""
        if self.stop.requested():
            raise StoppedError(self.stop.reason())


def run_stage(spec: dict[str, Any], module: str) -> int:
    """Import `module`, call its `work(spec, stage)` and return the process's exit code.

    `work` returns the outputs (name -> path) and the figures for result.json. It is named, not passed, so
    that nothing imports Paddle before the signals are held back.
    """
    hold_signals()
    launched.begin()
    code = _end_of(spec, module, launched.emitter_of(spec["stage_folder"], spec["stage"]))
    if launched.RANK in os.environ:
        launched.leave_with(code)
    return code


def _end_of(spec: dict[str, Any], module: str, emitter: Emitter) -> int:
    """Work, say how it ended, and return the exit code."""
    stop = StopRequest(spec["stage_folder"])
    try:
        work = importlib.import_module(module).work
        stop.listen()
        outputs, figures = work(spec, Stage(emitter, stop))
    except StoppedError as stopped:
        emitter.state("stopped", str(stopped))
        return 0
    except RefusedError as refused:
        traceback.print_exc()
        emitter.error(refused.what, refused.why, refused.remedy)
        return 1
    except Exception as error:
        traceback.print_exc()
        emitter.error(
            say("The {stage} stage failed.", stage=spec["stage"]),
            say("{kind}: {error}", kind=type(error).__name__, error=error),
        )
        return 1
    if launched.rank() == 0:
        write_result(spec["stage_folder"], outputs, figures)
    return 0
