"""Small terminals: what is typed and what is asked can be read where there is little room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.app.conversing import conversing, prepare
from tests.tui.app.pilot import screen_text, until
from tui.app.blocks.question import ChoiceList
from tui.app.widgets.prompt import Prompt

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return prepare(tmp_path / "work")


async def test_a_line_longer_than_its_field_moves_along_and_stays_in_sight(folder: Path) -> None:
    async with conversing(folder, size=(60, 20)) as person:
        prompt = person.screen.query_one(Prompt)
        prompt.focus()
        await person.press(*"folder", "slash", *"abcdefghij" * 8, *"end")
        line = next(line for line in screen_text(person.pilot).splitlines() if line.strip().startswith("›"))
        assert line.rstrip().endswith("ghijend")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30)])
async def test_every_choice_is_in_reach_and_what_enter_takes_in_sight(
    folder: Path, size: tuple[int, int]
) -> None:
    async with conversing(folder, size=size) as person:
        await until(person.pilot, lambda: any(one.disabled for one in person.dialogue.asked().choices))
        await person.settle()
        ask, choices = person.screen.query_one("#ask"), person.screen.query_one(ChoiceList)
        assert ask.region.contains_region(choices.region), "the list scrolls, and is not cut"
        assert "Enter takes a" in screen_text(person.pilot)
        assert screen_text(person.pilot).count("✗ qwen") >= 2, "what cannot be had takes a line each"
