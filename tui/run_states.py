"""What the states of runs and stages are called on the command line, where no sign stands beside them.

The English words are those of `--json`, so that a person and a script speak of the same states.
"""

from __future__ import annotations

from rich.cells import cell_len

from planner.language import current, say, template

STATES = {
    "created": template("created"),
    "running": template("running"),
    "finished": template("finished"),
    "failed": template("failed"),
    "stopped": template("stopped"),
    "paused": template("paused"),
    "waiting": template("waiting for you"),
    "lost": template("lost"),
    "damaged": template("damaged"),
}
"""State of a run -> its word."""

STAGE_STATES = {
    "waiting": template("waiting"),
    "running": template("running"),
    "committed": template("done"),
    "skipped": template("done before"),
    "stopped": template("stopped"),
    "failed": template("failed"),
    "lost": template("lost"),
}
"""State of a stage -> its word."""

UNITS = {
    "steps": template("step"),
    "rows": template("row"),
    "files": template("files"),
    "tensors": template("tensors"),
    "layers": template("layers"),
    "parts": template("parts"),
    "probes": template("probes"),
    "prompts": template("prompts"),
}
"""Unit of progress -> its word after a number in a language that has no plural."""


def padded(text: str, cells: int) -> str:
    """Return the text filled up with blanks to a width on the screen; a Chinese character takes two."""
    return text + " " * max(0, cells - cell_len(text))


def amount_words(unit: str) -> str:
    """Return what is counted, in the language of the moment."""
    return unit if current() == "en" else say(UNITS.get(unit, unit))
