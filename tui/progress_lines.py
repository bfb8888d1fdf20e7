"""A run as plain lines, for logs and pipes: every change of state, and progress now and then."""

from __future__ import annotations

import time
from typing import TextIO

from runtime.events import AnyEvent, Artifact, Log, Metric, Progress, Proof, State
from runtime.run.durations import span
from runtime.run.view import RunView
from tui.estimate import Expected, run_remaining, stage_remaining

PROGRESS_SECONDS = 10.0


class PlainLines:
    """Writes lines; at most one line of progress every ten seconds."""

    def __init__(self, view: RunView, forecast: Expected, stream: TextIO) -> None:
        self.view = view
        self.forecast = forecast
        self.stream = stream
        self._last_progress = 0.0

    def start(self) -> None:
        """Nothing to prepare."""

    def event(self, event: AnyEvent) -> None:
        """Write a line if the event deserves one."""
        if isinstance(event, Progress | Metric):
            self._progress(event)
            return
        text = sentence(event)
        if text:
            self.say(text)

    def tick(self) -> None:
        """Nothing: lines are written when something happens."""

    def say(self, text: str) -> None:
        """Write one line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def stop(self) -> None:
        """Nothing to clear."""

    def _progress(self, event: Progress | Metric) -> None:
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_SECONDS:
            return
        self._last_progress = now
        self.say(progress_line(self.view, self.forecast, event.stage, time.time()))


def progress_line(view: RunView, forecast: Expected, name: str, now: float) -> str:
    """Return where the current stage is, in one line."""
    stage = view.stage(name)
    parts = []
    if stage.progress is not None:
        parts.append(f"{stage.progress.done:.0f} of {stage.progress.total:.0f} {stage.progress.unit}")
        if stage.progress.message:
            parts.append(stage.progress.message)
    latest: dict[str, float] = {}
    for metric in stage.metrics:
        latest |= metric.values
    if "loss" in latest:
        parts.append(f"loss {latest['loss']:.4f}")
    if "tokens_per_second" in latest:
        parts.append(f"{latest['tokens_per_second']:.0f} tokens/s")
    left = stage_remaining(stage, forecast, now)
    if left is not None:
        parts.append(f"{span(left)} left")
    whole = run_remaining(view, forecast, now)
    if whole is not None:
        parts.append(f"whole run about {span(whole)}")
    return f"{name}: {', '.join(parts)}"


def sentence(event: AnyEvent) -> str:
    """Return what an event means to a person; empty if it means nothing by itself."""
    if isinstance(event, Log):
        mark = "warning: " if event.level == "warning" else ""
        return f"{event.stage}: {mark}{event.message}" if event.stage else f"{mark}{event.message}"
    if isinstance(event, Proof):
        verdict = "holds" if event.passed else "does not hold"
        return f"{event.stage}: proof {event.name} {verdict}: {event.sentence}"
    if isinstance(event, Artifact):
        return f"{event.stage}: {event.name}: {event.path}"
    if isinstance(event, State):
        return state_sentence(event)
    return ""  # failures are told once, at the end


def state_sentence(event: State) -> str:
    """Return a change of state in words; changes of the run as a whole are told at its end."""
    if not event.stage:
        return ""
    words = {
        "started": f"started ({event.reason})" if event.reason else "started",
        "redone": f"is done again: {event.reason}",
        "skipped": f"skipped: {event.reason}",
        "committed": f"done in {span(event.seconds)}",
        "stopping": event.reason or "stopping",
        "saved": f"saved a checkpoint: {event.reason}" if event.reason else "saved a checkpoint",
        "stopped": f"stopped: {event.reason}" if event.reason else "",
    }
    word = words.get(event.state, "")
    return f"{event.stage}: {word}" if word else ""
