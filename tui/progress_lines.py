"""A run as plain lines, for logs and pipes: every change of state, and progress now and then."""

from __future__ import annotations

import time
from functools import cache
from typing import TextIO

from planner.language import LANGUAGES, say, speaking, template
from runtime.events import AnyEvent, Artifact, Log, Metric, Progress, Proof, State
from runtime.run.durations import span
from runtime.run.view import RunView
from tui.estimate import Expected, run_remaining, stage_remaining
from tui.learning_figures import learning
from tui.run_states import amount_words

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
        done, total = f"{stage.progress.done:.0f}", f"{stage.progress.total:.0f}"
        unit = amount_words(stage.progress.unit)
        parts.append(say("{done} of {total} {unit}", done=done, total=total, unit=unit))
        if stage.progress.message:
            parts.append(stage.progress.message)
    latest: dict[str, float] = {}
    for metric in stage.metrics:
        latest |= metric.values
    if "loss" in latest:
        parts.append(say("loss {loss:.4f}", loss=latest["loss"]))
    parts += [f"{one.label} {one.text()}" for one in learning(latest, forecast.stage)]
    if "tokens_per_second" in latest:
        parts.append(say("{tokens} tokens/s", tokens=f"{latest['tokens_per_second']:.0f}"))
    left = stage_remaining(stage, forecast, now)
    if left is not None:
        parts.append(say("{time} left", time=span(left)))
    whole = run_remaining(view, forecast, now)
    if whole is not None:
        parts.append(say("whole run about {time}", time=span(whole)))
    return f"{name}: {', '.join(parts)}"


def sentence(event: AnyEvent) -> str:
    """Return what an event means to a person; empty if it means nothing by itself."""
    text = words(event)
    return f"{event.stage}: {text}" if text and event.stage else text


def words(event: AnyEvent) -> str:
    """Return the sentence without the stage's name."""
    if isinstance(event, Log):
        return say("warning: {message}", message=event.message) if event.level == "warning" else event.message
    if isinstance(event, Proof):
        if event.passed:
            return say("proof {name} holds: {sentence}", name=event.name, sentence=event.sentence)
        return say("proof {name} does not hold: {sentence}", name=event.name, sentence=event.sentence)
    if isinstance(event, Artifact):
        return f"{event.name}: {event.path}"
    if isinstance(event, State):
        return state_words(event) if event.stage else ""  # the run's own are told at its end
    return ""  # failures are told once, at the end


def state_words(event: State) -> str:
    """Return a change of a stage's state in words."""
    first = event.state == "started" and template_of(event.reason) == FIRST_TIME
    reason = "" if first else said(event.reason)
    if event.state == "committed":
        return say("done in {time}", time=span(event.seconds))
    if event.state == "stopping":
        return reason or say("stopping")
    with_reason, alone = STATE_WORDS.get(event.state, ("", ""))
    return say(with_reason, reason=reason) if reason and with_reason else say(alone) if alone else ""


FIRST_TIME = template("not done yet")
"""The recorded reason of a stage that is started for the first time: it says nothing."""

STATE_WORDS = {
    "started": (template("started ({reason})"), template("started")),
    "redone": (template("is done again: {reason}"), ""),
    "skipped": (template("skipped: {reason}"), ""),
    "saved": (template("saved a checkpoint: {reason}"), template("saved a checkpoint")),
    "stopped": (template("stopped: {reason}"), ""),
}
"""State -> its sentence with and without a reason."""

RECORDED = (
    FIRST_TIME,
    template("it was interrupted"),
    template("it was stopped before its end"),
    template("it failed last time"),
    template("it stopped gracefully"),
    template("it was ended at once"),
    template("stop was requested"),
    template("every stage is proven"),
    template("continues from its last proven point"),
)
"""Reasons that stand in many journals in the same words: the supervisor's in the language of its plan, the
workers' in English."""


def said(reason: str) -> str:
    """Return a recorded reason in the language of the moment, where it is one of the known ones."""
    known = template_of(reason)
    return say(known) if known else reason


def template_of(reason: str) -> str:
    """Return the template of a recorded reason, whatever language it was recorded in; empty if unknown."""
    if reason in RECORDED:
        return reason
    return "" if reason.isascii() else translations().get(reason, "")


@cache
def translations() -> dict[str, str]:
    """Return known reason in any language but English -> its template."""
    found = {}
    for language in LANGUAGES:
        if language != "en":
            with speaking(language):
                found.update({say(known): known for known in RECORDED})
    return found
