"""What a model or a file says is shown, and never obeyed by the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text
from textual.widgets import Log, Static

from tests.tui.app.pilot import screen_text
from tui.app.application import SteersmanApp
from tui.app.widgets.answer_pane import Turn, TurnView

pytestmark = pytest.mark.asyncio

CLEARS = "before\x1b[2J\x9b31m\x07\u202eafter"


async def test_escape_sequences_never_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    app = SteersmanApp(folder=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        log = Log()
        turn = TurnView(Turn(CLEARS, CLEARS, state="ended"))
        await app.screen.mount_all((turn, Static(Text(CLEARS)), Static(CLEARS, markup=False), log), before=0)
        log.write_line(CLEARS)
        await pilot.pause()
        shown = screen_text(pilot)
    assert shown.count("before[2J31mafter") >= 4, shown
    assert not any(mark in shown for mark in "\x1b\x9b\x07\u202e")
