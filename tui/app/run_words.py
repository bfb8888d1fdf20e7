"""What states of runs and stages are called, and their signs. Colour only repeats what sign and word say."""

from __future__ import annotations

import time
from typing import NamedTuple

from planner.language import say, template
from runtime.run.durations import span
from runtime.run.view import StageView


class Word(NamedTuple):
    """How one state is shown."""

    sign: str
    """One cell wide."""
    text: str
    """A template."""
    meaning: str
    """The theme's variable for its colour."""

    def say(self) -> str:
        """Return the word in the language of the moment."""
        return say(self.text)


RUN_WORDS = {
    "created": Word("·", template("waiting"), "text-muted"),
    "running": Word("▶", template("running"), "text-primary"),
    "finished": Word("✓", template("done"), "text-success"),
    "failed": Word("✗", template("failed"), "text-error"),
    "stopped": Word("■", template("stopped"), "text-warning"),
    "paused": Word("‖", template("paused"), "text-warning"),
    "waiting": Word("?", template("waiting for you"), "text-warning"),
    "lost": Word("?", template("lost"), "text-error"),
    "damaged": Word("!", template("damaged"), "text-error"),
}
"""State of a run -> how it is shown."""

STAGE_WORDS = {
    "waiting": Word("·", template("waiting"), "text-muted"),
    "running": Word("▶", template("running"), "text-primary"),
    "committed": Word("✓", template("done"), "text-success"),
    "skipped": Word("✓", template("done before"), "text-success"),
    "stopped": Word("■", template("stopped"), "text-warning"),
    "failed": Word("✗", template("failed"), "text-error"),
    "lost": Word("?", template("lost"), "text-error"),
}

RUN_MEANINGS = {
    "created": template("It was not started yet."),
    "running": template("Its supervisor is alive; it goes on when you leave."),
    "finished": template("Every stage is proven."),
    "failed": template("A stage failed. Continuing starts from the last proven point."),
    "stopped": template("It was stopped on request. Continuing starts from the last proven point."),
    "paused": template(
        "It is paused: nothing of it runs, its memory is free. Continuing goes on where it was."
    ),
    "waiting": template("Memory ran out, and it offers a smaller plan. Nothing of it runs until you answer."),
    "lost": template(
        "Its supervisor is gone without a word: a crash, a reboot, a kill. "
        "Continuing starts from the last proven point."
    ),
    "damaged": template("Its journal cannot be read."),
}

STAGE_NAMES = {
    "acquire": template("acquire"),
    "convert": template("convert"),
    "prepare": template("prepare"),
    "preflight": template("preflight"),
    "train": template("train"),
    "merge": template("merge"),
    "generate": template("generate"),
    "export": template("export"),
    "report": template("report"),
}
"""The stages of a plan; others, of tests, are called by their own names."""


def stage_name(name: str) -> str:
    """Return what a stage is called."""
    return say(STAGE_NAMES.get(name, name))


def stage_word(stage: StageView, run_state: str) -> Word:
    """Return how a stage is shown; one that ran when its supervisor vanished is lost."""
    state = "lost" if stage.state in ("running", "stopping") and run_state != "running" else stage.state
    return STAGE_WORDS.get(state, Word("?", state, "text-muted"))


def stage_time(stage: StageView, now: float, run_state: str) -> str:
    """Return how long a stage took, or has been running."""
    if stage.state == "running":
        return span((now if run_state == "running" else stage.last_event) - stage.started)
    if stage.state in ("failed", "stopped"):
        return span(stage.ended - stage.started) if stage.started else ""
    return span(stage.seconds) if stage.seconds else ""


def ago(t: float, now: float) -> str:
    """Return when something was: `just now`, `12 min ago`, `14:02`, `3 Nov 14:02`, by the local clock."""
    passed = now - t
    if passed < 60:
        return say("just now")
    if passed < 3600:
        return say("{minutes} min ago", minutes=int(passed // 60))
    then, today = time.localtime(t), time.localtime(now)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    return time.strftime("%Y-%m-%d %H:%M", then)


def clock(t: float) -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(t))
