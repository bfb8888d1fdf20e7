"""SwanLab as a callback object that can fail without harm.

`report_to="swanlab"` always raises in this version of PaddleNLP, so the callback is built here and passed
on. Nothing leaves the machine unless the plan says `swanlab-cloud` and `SWANLAB_API_KEY` is set. Otherwise
SwanLab runs in its mode `local`: of its modes without network it is the one whose log `swanlab watch
FOLDER` can show.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.workers.callbacks import TrainerCallback
from runtime.workers.emit import Emitter
from runtime.workers.reach import reachable, swanlab_address
from runtime.workers.speech import say
from runtime.workers.toolkit import is_paddleformers, part

EVENTS = ("on_train_begin", "on_log", "on_evaluate", "on_save", "on_train_end")


def close() -> None:
    """End the tracker's run, if one is open, so that its last figures are on disk; never raises."""
    module = sys.modules.get("swanlab")
    with contextlib.suppress(Exception):
        if module is not None:
            module.finish()


class Harmless(TrainerCallback):  # type: ignore[misc]
    """Passes the trainer's events on to another callback, whose first failure is a warning and the end."""

    def __init__(self, inner: TrainerCallback, warn: Callable[[str], None]) -> None:
        self.inner: TrainerCallback | None = inner
        self.warn = warn

    def forward(self, event: str, *positional: Any, **named: Any) -> None:
        """Call one event of the inner callback."""
        if self.inner is None:
            return
        try:
            getattr(self.inner, event)(*positional, **named)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.inner = None
            self.warn(
                say("The experiment tracker failed and is off for the rest of the run: {error}", error=error)
            )


def passing_on(event: str) -> Callable[..., None]:
    """Return a method that forwards `event`."""

    def method(self: Harmless, *positional: Any, **named: Any) -> None:
        self.forward(event, *positional, **named)

    return method


for name in EVENTS:
    setattr(Harmless, name, passing_on(name))


def swanlab_mode(tracker: str) -> str:
    """Return SwanLab's mode: `cloud` only with a key, else `local`, which its dashboard opens offline."""
    return "cloud" if tracker == "swanlab-cloud" and os.environ.get("SWANLAB_API_KEY") else "local"


def swanlab(project: str, run_name: str, folder: Path, mode: str) -> TrainerCallback:
    """Return SwanLab's callback for the toolkit of this engine."""
    if is_paddleformers():
        import swanlab as tracker
        from paddleformers.trainer.integrations import SwanLabCallback

        # Its callback asks for an open run before it opens one (trainer/integrations.py:488), at which
        # SwanLab 0.10 raises; so one is opened here. It uses what is open.
        tracker.init(project=project, experiment_name=run_name, logdir=str(folder), mode=mode)
        return SwanLabCallback()
    from swanlab.integration.paddlenlp import SwanLabCallback

    return SwanLabCallback(project=project, experiment_name=run_name, logdir=str(folder), mode=mode)


def visualdl(folder: Path) -> TrainerCallback:
    """Return VisualDL's callback for the toolkit of this engine; it writes its files into `folder`."""
    from visualdl import LogWriter

    callback: TrainerCallback = part("trainer.integrations", "VisualDLCallback")(
        LogWriter(logdir=str(folder))
    )
    return callback


def make(extras: dict[str, Any], emitter: Emitter, run_name: str) -> TrainerCallback | None:
    """Return the tracker that the plan asks for, or None; a tracker that cannot start is a warning."""
    tracker = extras.get("tracker", "none")
    if tracker == "none" or emitter.rank != 0:
        return None

    def warn(message: str) -> None:
        emitter.log(message, level="warning")

    mode = swanlab_mode(tracker)
    if tracker == "swanlab-cloud" and mode != "cloud":
        warn(
            say(
                "The plan wants SwanLab's cloud, but SWANLAB_API_KEY is not set; figures stay on this "
                "machine."
            )
        )
    if mode == "cloud" and not reachable(swanlab_address()):
        warn(say("SwanLab's cloud cannot be reached; figures stay on this machine."))
        mode = "local"
    folder = Path(extras["tracker_folder"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        project = extras.get("project", "steersman")
        inner = visualdl(folder) if tracker == "visualdl" else swanlab(project, run_name, folder, mode)
    except Exception as error:
        warn(say("The experiment tracker cannot start, training goes on without it: {error}", error=error))
        return None
    emitter.artifact("tracker", folder)
    return Harmless(inner, warn)
