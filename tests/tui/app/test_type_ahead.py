"""What is typed while an input is being opened arrives in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual import events
from textual.app import App
from textual.widgets import Input

from tests.tui.app.conversing import TO_TYPE
from tests.tui.app.pilot import until
from tests.tui.app.plan_pages import reading, small
from tests.tui.app.replay import Replay
from tui.app.application import SteersmanApp
from tui.app.screens.home import HomeScreen
from tui.app.screens.run import RunScreen
from tui.app.type_ahead import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def at_once(app: App[int], opening: Callable[[], object], text: str) -> None:
    """Open something, and type before it is there."""
    opening()
    for letter in text:
        app.post_message(events.Key(TO_TYPE.get(letter, letter), letter))


async def test_a_path_is_taken_whole(tmp_path: Path) -> None:
    app = SteersmanApp(folder=tmp_path)
    async with app.run_test() as pilot:
        assert isinstance(app.screen, HomeScreen)
        at_once(app, app.screen.action_open, "ndo.yaml")  # n and d have a meaning on Home
        await until(pilot, lambda: app.screen.query("#path"))
        await until(pilot, lambda: app.screen.query_one("#path", Input).value == "ndo.yaml")


@pytest.mark.parametrize("bracketed", [False, True])
async def test_a_paste_that_begins_with_the_key_of_a_dialog(bracketed: bool, tmp_path: Path) -> None:
    """A terminal without bracketed paste sends all of it as keys, in one piece."""
    app = SteersmanApp(folder=tmp_path)
    async with app.run_test() as pilot:
        screen = app.screen
        assert isinstance(screen, HomeScreen)
        await until(pilot, lambda: screen.looked and screen.focused)
        app.post_message(events.Key("o", "o"))
        if bracketed:
            app.post_message(events.Paste("ndo.yaml"))
        else:
            for letter in "ndo.yaml":
                app.post_message(events.Key(TO_TYPE.get(letter, letter), letter))
        await until(pilot, lambda: app.screen.query("#path"))
        await until(pilot, lambda: app.screen.query_one("#path", Input).value == "ndo.yaml")


async def test_a_first_answer_is_taken_whole(tmp_path: Path) -> None:
    app = SteersmanApp(folder=tmp_path)
    async with app.run_test() as pilot:
        at_once(app, app.open_conversation, "qwen 7b")
        await until(pilot, lambda: app.screen.query("#prompt"))
        await until(pilot, lambda: app.screen.query_one("#prompt", Input).value == "qwen 7b")


async def test_a_search_in_a_plan_and_a_value_are_taken_whole(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (160, 50)) as reader:
        at_once(reader.app, reader.screen.action_filter, "lora_rank")
        field = reader.screen.query_one("#plan-filter", Input)
        await until(reader.pilot, lambda: field.value == "lora_rank")
        await reader.press("escape")
        row = await reader.go("num_train_epochs")
        at_once(reader.app, row.action_edit, "12")
        await until(reader.pilot, lambda: reader.screen.query("#editor-input"))
        await until(
            reader.pilot, lambda: reader.screen.query_one("#editor-input", Input).value.endswith("12")
        )


async def test_a_search_in_a_log_is_taken_whole(home: Path) -> None:
    replay = Replay("success", home / "runs" / "run", time.time() - 4000)
    replay.play()
    app = SteersmanApp()
    async with app.run_test(size=(120, 40)) as pilot:
        app.open_run(replay.run)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.known)
        screen = app.screen
        assert isinstance(screen, RunScreen)
        at_once(app, screen.action_search, "loss")
        await until(pilot, lambda: screen.query_one("#needle", Input).value == "loss")


async def test_keys_do_not_wait_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = SteersmanApp(folder=tmp_path)
    async with app.run_test() as pilot:
        at_once(app, app.type_ahead.expect, "?")
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, HomeScreen), PATIENCE_SECONDS + 20)
