"""The footer: composed anew when its keys differ, and not whenever somebody asks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.widgets._footer import FooterKey

from tests.tui.app.pilot import text_of, until
from tests.tui.app.replay import Replay
from tui.app.application import SteersmanApp
from tui.app.keys import KeyFooter
from tui.app.screens.run import RunScreen

pytestmark = pytest.mark.asyncio


async def test_keys_that_stay_are_not_drawn_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    replay = Replay("stopped", tmp_path / "runs" / "run", time.time() - 4000)
    replay.play()
    app = SteersmanApp()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = RunScreen(replay.run)
        await app.push_screen(screen)
        assert not screen.check_action("resume", ()), "nobody knows yet whether it can be continued"
        await until(pilot, lambda: screen.known)
        footer = screen.query_one(KeyFooter)
        await until(pilot, lambda: "Continue" in text_of(footer))
        keys = list(footer.query(FooterKey))
        for _ in range(3):
            screen.refresh_bindings()
            await pilot.pause()
        assert list(footer.query(FooterKey)) == keys
        screen.state = "finished"
        screen.refresh_bindings()
        await until(pilot, lambda: "Continue" not in text_of(footer))


@pytest.mark.parametrize("width", [40, 60, 80])
async def test_keys_without_room_are_left_out_and_the_help_stays(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    app = SteersmanApp()
    async with app.run_test(size=(width, 20)) as pilot:
        footer = app.screen.query_one(KeyFooter)
        await until(pilot, lambda: "f1 Help" in text_of(footer))
        assert "New plan" in text_of(footer)
        assert ("Commands" in text_of(footer)) == (width == 80)
        await pilot.resize_terminal(80, 20)
        await until(pilot, lambda: "Commands" in text_of(footer))


async def test_a_window_without_focus_has_its_keys_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    app = SteersmanApp()
    app.set_reactive(SteersmanApp.app_focus, False)
    async with app.run_test(size=(80, 20)) as pilot:
        await until(pilot, lambda: "f1 Help" in text_of(app.screen.query_one(KeyFooter)))
