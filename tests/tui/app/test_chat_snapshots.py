"""The chat and the report as pictures, at two sizes, over a recorded run in a fixed folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from planner.language import use_everywhere
from tests.tui.app.pilot import until
from tests.tui.app.replay import Replay
from tui.app.application import SteersmanApp
from tui.app.screens.chat import ChatScreen
from tui.app.screens.report import ReportScreen
from tui.app.widgets.answer_pane import Turn

PLACE = Path("/tmp/steersman-chat-pictures")
SIZES = [(80, 24), (160, 50)]
ASKED = "Where is my parcel?"
BEFORE = "I am a language model and have no access to parcels, orders or any other information about you."
AFTER = "Your order number begins with K. Send it to us, and we look where your parcel is."


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("STEERSMAN_HOME", str(PLACE / "home"))
    monkeypatch.delenv("STEERSMAN_STAGE_TABLE", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "home" / "runs").mkdir(parents=True)
    yield
    shutil.rmtree(PLACE, ignore_errors=True)
    monkeypatch.undo()
    time.tzset()
    use_everywhere("en")


def recorded() -> Replay:
    replay = Replay("success", PLACE / "home" / "runs" / "tiny-llama-demo")
    replay.play()
    return replay


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_chat(
    snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], language: str
) -> None:
    replay = recorded()
    monkeypatch.setattr("tui.app.talk.Talk.open", lambda self: None)  # what is said stands still
    use_everywhere(language)

    async def before(pilot: Pilot[Any]) -> None:
        app = cast(SteersmanApp, pilot.app)
        app.open_chat(replay.run)
        await until(pilot, lambda: isinstance(app.screen, ChatScreen) and app.screen.ready)
        screen = cast(ChatScreen, app.screen)
        screen.turns["base"].append(Turn(ASKED, BEFORE, "ended", 21, 9.5))
        screen.turns["tuned"].append(Turn(ASKED, AFTER, "speaking"))
        await screen.recompose()
        screen.show()
        screen.query_one("#question").focus()
        await pilot.pause()

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_report(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    replay = recorded()

    async def before(pilot: Pilot[Any]) -> None:
        app = cast(SteersmanApp, pilot.app)
        app.look(theme)
        app.open_report(replay.run)
        await until(
            pilot, lambda: isinstance(app.screen, ReportScreen) and app.screen.query("StillPlot #legend")
        )
        for _ in range(3):
            await pilot.pause()

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)
