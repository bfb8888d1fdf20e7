"""F1, the palette, themes, leaving, and what happens when something goes wrong that nobody foresaw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.command import CommandPalette

from planner.language import use_everywhere
from runtime.paths import home
from runtime.run import lock
from runtime.run.layout import create_run
from tests.tui.app.pilot import screen_text, text_of, until
from tui.app import preferences, start
from tui.app.application import SteersmanApp
from tui.app.screens.conversation import ConversationScreen
from tui.app.screens.help import HelpScreen
from tui.app.themes import LOOKS, first_look
from tui.app.unforeseen import UnforeseenScreen
from tui.app.widgets.prompt import Prompt

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def app_in(tmp_path: Path) -> SteersmanApp:
    return SteersmanApp(folder=tmp_path)


async def test_f1_explains_what_has_the_focus(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    async with app.run_test(size=(100, 50)) as pilot:
        app.open_conversation()
        await pilot.pause()
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        shown = " ".join(screen_text(pilot).split())
        assert "Type an answer in your own words" in shown  # the prompt
        assert "I ask what I cannot find out" in shown  # its screen
        assert "Say why this is asked." in shown  # a key of it
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_the_palette_finds_slash_commands_and_screens(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await until(pilot, lambda: "/what-if" in screen_text(pilot))
        await pilot.press(*"theme")
        await until(pilot, lambda: "change the colours" in screen_text(pilot))
        before = app.theme
        await pilot.press("enter")
        await until(pilot, lambda: app.theme != before)


async def test_a_command_that_needs_words_is_begun_in_the_prompt(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        app.begin_slash("/why")
        await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
        await until(pilot, lambda: app.screen.query_one(Prompt).value == "/why ")


async def test_the_footer_is_translated(tmp_path: Path) -> None:
    use_everywhere("zh")
    try:
        app = app_in(tmp_path)
        async with app.run_test(size=(100, 40)) as pilot:
            app.open_conversation()
            await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
            await until(pilot, lambda: "帮助" in screen_text(pilot).splitlines()[-1])
    finally:
        use_everywhere("en")


async def test_language_and_theme_are_remembered(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    try:
        async with app.run_test() as pilot:
            app.look("light")
            app.speak("zh")
            await pilot.pause()
    finally:
        use_everywhere("en")
    assert json.loads((home() / "app.json").read_text()) == {"language": "zh", "theme": "light"}
    assert start.language(asked=False) == "zh"
    assert start.language(asked=True) == "en"
    again = app_in(tmp_path)
    async with again.run_test() as pilot:
        await pilot.pause()
        assert again.theme == LOOKS["light"].theme


async def test_a_damaged_file_of_preferences_is_as_good_as_none() -> None:
    preferences.file().parent.mkdir(parents=True)
    preferences.file().write_text("{not json")
    assert preferences.load() == preferences.Preferences()


@pytest.mark.parametrize("look", LOOKS)
async def test_every_theme_draws(look: str, tmp_path: Path) -> None:
    app = app_in(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        app.look(look)
        app.open_conversation()
        await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
        assert "Steersman" in screen_text(pilot)


async def test_a_terminal_of_sixteen_colours_gets_its_own() -> None:
    assert first_look("standard", None) == "terminal"
    assert first_look("truecolor", None) == first_look("256", "gone") == "dark"
    assert first_look("standard", "contrast") == "contrast"


async def test_quitting_says_that_a_run_goes_on(tmp_path: Path) -> None:
    run = create_run(home() / "runs" / "mine", "name: mine\n")
    held = lock.acquire(run.lock)
    assert held
    app = app_in(tmp_path)
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert app.is_running
        assert any("mine goes on in the background" in one.message for one in app._notifications)
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert app.return_value == 0


async def test_quitting_without_a_run_asks_nothing(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
        await pilot.pause()
    assert app.return_value == 0


async def test_what_nobody_foresaw_is_one_sentence_and_the_app_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SteersmanApp, "stays_up", True)
    app = app_in(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        app.open_conversation()
        await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
        monkeypatch.setattr(ConversationScreen, "action_why", lambda self: 1 / 0)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, UnforeseenScreen))
        box = text_of(app.screen.children[0])
        shown = "".join(
            letter for letter in box if letter.isalnum() or letter == "-"
        )  # a path breaks anywhere
        assert "ZeroDivisionError" in shown and "unforeseen-" in shown
        assert "Traceback" not in shown
        await pilot.press("c")
        assert "ZeroDivisionError" in app.clipboard and "Traceback" in app.clipboard
        assert list((home() / "logs").glob("unforeseen-*.txt"))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, UnforeseenScreen))
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


async def test_a_screen_that_broke_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SteersmanApp, "stays_up", True)
    app = app_in(tmp_path)
    async with app.run_test(size=(100, 40)) as pilot:
        app.open_conversation()
        await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
        with monkeypatch.context() as broken:
            broken.setattr(ConversationScreen, "take", lambda self, text: 1 / 0)
            await pilot.press("x", "enter")  # ends the message loop of the screen itself
            await until(pilot, lambda: isinstance(app.screen, UnforeseenScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, UnforeseenScreen))
        app.open_conversation()
        await until(pilot, lambda: isinstance(app.screen, ConversationScreen))
        await pilot.press("y")
        await until(pilot, lambda: app.screen.query_one(Prompt).value == "y")
