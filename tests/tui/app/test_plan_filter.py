"""The filter of the plan screen: words of decisions, and commands that are typed into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.app.pilot import screen_text, text_of, until
from tests.tui.app.plan_pages import large, reading, small
from tui.app.keys import KeyFooter
from tui.app.screens.help import key_lines
from tui.app.widgets.decision_row import DecisionRow
from tui.app.widgets.filter_input import FilterInput
from tui.app.widgets.what_if_pane import WhatIfInput, WhatIfPane

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


async def test_decisions_are_filtered_and_gone_to(tmp_path: Path) -> None:
    async with reading(large(), tmp_path) as reader:
        await reader.press("slash")
        await reader.type("lora rank")
        found = {row.setting for row in reader.screen.query(DecisionRow) if row.display}
        assert "lora_rank" in found and "seed" not in found
        assert "found" in reader.status
        await reader.press("enter")
        assert isinstance(reader.screen.focused, DecisionRow) and reader.screen.focused.setting in found
        await reader.press("escape")
        assert sum(row.display for row in reader.screen.query(DecisionRow)) > len(found)


async def test_a_command_that_is_typed_into_the_filter_is_offered_and_done(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.press("slash")
        await reader.type("what-if lora_rank=4")
        await reader.press("enter")
        pane = reader.screen.query_one(WhatIfPane)
        await until(reader.pilot, lambda: pane.other)
        assert reader.screen.query_one(WhatIfInput).value == "lora_rank=4" and reader.screen.tab == "what-if"
        assert not reader.screen.filter_text, "the filter is gone again"
        await reader.press("1", "slash")
        await reader.type("set lora_rank=4")
        assert "Tab runs the command /set lora_rank=4." in reader.status
        await reader.press("tab")
        await until(reader.pilot, lambda: reader.session.past)
        assert reader.session.plan.value("lora_rank") == 4
        await reader.press("slash")
        await reader.type("/why method")
        await reader.press("enter")
        await until(reader.pilot, lambda: reader.screen.query_one("#row-method", DecisionRow).opened)
        await reader.press("slash")
        await reader.type("undo")
        await reader.press("tab")
        await until(reader.pilot, lambda: not reader.session.past)


async def test_in_one_column_the_filter_and_what_it_finds_are_in_sight(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (80, 24)) as reader:
        await reader.press("slash")
        field = reader.screen.query_one(FilterInput)
        await until(reader.pilot, lambda: field.region in reader.screen.region and field.region.y < 20)
        await reader.type("set lora_rank=4")
        await until(reader.pilot, lambda: "set lora_rank=4" in screen_text(reader.pilot))
        assert "tab Command" in text_of(reader.screen.query_one(KeyFooter))
        field.value = ""
        await reader.type("lora_rank")
        await until(reader.pilot, lambda: "▸ lora_rank" in screen_text(reader.pilot))


async def test_words_of_decisions_stay_words_even_if_they_are_commands(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.press("slash")
        await reader.type("save")
        assert "decisions found." in reader.status and "Tab runs the command /save." in reader.status
        await reader.press("enter")
        await reader.rest()
        assert reader.screen.filter_text == "save" and isinstance(reader.screen.focused, DecisionRow)


async def test_a_slash_is_no_key_where_it_would_be_typed(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        assert any(words == "Filter" for _, words, _ in key_lines(reader.screen))
        await reader.press("w")
        assert not any(words == "Filter" for _, words, _ in key_lines(reader.screen))
