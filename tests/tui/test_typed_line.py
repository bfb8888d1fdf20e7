"""A Ctrl-C ends a line whenever it comes, also in the instant in which the prompt appears."""

from __future__ import annotations

import select
import sys
from pathlib import Path

from tests.tui.terminal import Terminal

ROUNDS = 300

PROGRAM = f"""
import readline, sys
from tui.typed_line import typed_line
ask = typed_line if sys.argv[1] == "ours" else input
for number in range({ROUNDS}):
    try:
        line = ask("prompt> ")
        sys.exit(f"typed {{line!r}}")
    except KeyboardInterrupt:
        print(f"left {{number}}.", flush=True)
"""


def rounds(reader: str, folder: Path) -> int:
    """Return how many prompts a Ctrl-C ended, typed at once when the prompt is seen."""
    person = Terminal([sys.executable, "-c", PROGRAM, reader], folder)
    for number in range(ROUNDS):
        person.until("prompt> ")
        person.interrupt()
        while f"left {number}." not in person.text:
            if not select.select([person.master], [], [], 2)[0]:
                return number
            person.text += person.read()
    assert person.end() == 0
    return ROUNDS


def test_ctrl_c_is_noticed_at_once_in_every_round(tmp_path: Path) -> None:
    assert rounds("ours", tmp_path) == ROUNDS
