"""The plan screen: read, changed in place, refused without loss, asked what if."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from planner.difference import what_if
from planner.language import use_everywhere
from planner.setting_values import settings
from planner.settings import GROUPS
from tests.planner.scenes import plan
from tests.tui.app.pilot import screen_text, text_of, until
from tests.tui.app.plan_pages import large, reading, small
from tui.app.messages import Worked
from tui.app.screens.plan import AGAIN
from tui.app.widgets.decision_groups import Fold, GroupHeading
from tui.app.widgets.decision_row import DecisionRow
from tui.app.widgets.decision_tree import DecisionTree
from tui.app.widgets.plan_overview import Headline, MemoryPartBars, NeedsPart, OtherWay
from tui.app.widgets.refusal_block import RefusalBlock
from tui.app.widgets.setting_editor import SettingEditor
from tui.app.widgets.what_if_pane import Answer, WhatIfInput, WhatIfPane

pytestmark = pytest.mark.asyncio

SIZES = [(80, 24), (160, 50)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("size", SIZES)
async def test_the_whole_plan_is_there(size: tuple[int, int], tmp_path: Path) -> None:
    async with reading(large(), tmp_path, size) as reader:
        assert "Fine-tune qwen2.5-7b-instruct (7.6B) on 5,000 rows" in text_of(
            reader.screen.query_one(Headline)
        )
        assert "✓ fits" in text_of(reader.screen.query_one(MemoryPartBars))
        assert {row.setting for row in reader.screen.query(DecisionRow)} == set(settings())
        assert len(reader.screen.query(GroupHeading)) == len(GROUPS)
        assert len(reader.screen.query(OtherWay)) == len(large().alternatives)
        assert all(len(line) <= size[0] for line in screen_text(reader.pilot).splitlines())


async def test_a_wide_screen_has_both_columns_and_a_narrow_one_scrolls(tmp_path: Path) -> None:
    async with reading(large(), tmp_path, (160, 50)) as reader:
        assert isinstance(reader.screen.focused, DecisionRow)
        assert reader.screen.query_one(DecisionTree).region.x > reader.screen.query_one(NeedsPart).region.x
    async with reading(large(), tmp_path, (80, 24)) as reader:
        assert isinstance(reader.screen.focused, MemoryPartBars)
        for _ in range(len(large().alternatives) + 1):
            await reader.press("down")
        assert isinstance(reader.screen.focused, DecisionRow)
        await reader.press("up")
        assert isinstance(reader.screen.focused, OtherWay)


@pytest.mark.parametrize("size", SIZES)
async def test_a_decision_opens_to_everything_known_of_it(size: tuple[int, int], tmp_path: Path) -> None:
    async with reading(large(), tmp_path, size) as reader:
        row = await reader.go("method")
        closed = row.size.height
        await reader.press("enter")
        decision = large().decisions["method"]
        assert closed == 1 < row.size.height
        assert row.opened
        console_text = _plain(row)
        assert decision.because in console_text
        assert decision.source in console_text
        assert all(other.because in console_text for other in decision.alternatives)
        assert settings()["method"].meaning in console_text
        assert "Memory" in console_text
        await reader.press("enter")
        assert row.size.height == 1


async def test_a_click_opens_a_decision(tmp_path: Path) -> None:
    async with reading(large(), tmp_path, (160, 50)) as reader:
        await reader.pilot.click("#row-lora_rank")
        await reader.pilot.pause()
        assert reader.screen.query_one("#row-lora_rank", DecisionRow).opened


@pytest.mark.parametrize("size", SIZES)
async def test_a_choice_is_taken_by_its_letter_and_taken_back(size: tuple[int, int], tmp_path: Path) -> None:
    async with reading(large(), tmp_path, size) as reader:
        await reader.go("lora_variant")
        await reader.press("e")
        assert reader.screen.query_one(SettingEditor)
        await reader.press("b")
        await until(reader.pilot, lambda: reader.session.past)
        assert reader.session.plan == what_if(large(), pins={"lora_variant": "rslora"})[0]
        row = reader.screen.query_one("#row-lora_variant", DecisionRow)
        assert row.has_class("-changed") and row.has_focus
        assert "◆ fixed" in _plain(row) and "● changed, was plain" in _plain(row)
        assert "setting changed" in reader.status or "settings changed" in reader.status
        assert not reader.screen.query(SettingEditor)
        await reader.press("u")
        assert reader.session.plan == large()
        assert "◆" not in _plain(reader.screen.query_one("#row-lora_variant", DecisionRow))
        await reader.press("u")
        assert "nothing to take back" in reader.status


@pytest.mark.parametrize("size", SIZES)
async def test_a_number_is_judged_at_every_key(size: tuple[int, int], tmp_path: Path) -> None:
    async with reading(small(), tmp_path, size) as reader:
        await reader.go("lora_rank")
        await reader.press("e")
        editor = reader.screen.query_one(SettingEditor)
        field = editor.query_one(Input)
        field.value = "0"
        await reader.pilot.pause()
        assert "must be a whole number, at least 1" in text_of(editor)
        await reader.press("enter")
        await reader.rest()
        assert reader.session.plan == small() and reader.screen.query(SettingEditor)
        field.value = ""
        await reader.type("4")
        assert "✓" in text_of(editor)
        await reader.press("enter")
        await until(reader.pilot, lambda: reader.session.past)
        assert reader.session.plan.value("lora_rank") == 4
        assert reader.session.is_fixed("lora_rank")


async def test_an_editor_is_left_without_a_trace(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.go("learning_rate")
        await reader.press("e", "9", "escape")
        assert not reader.screen.query(SettingEditor)
        assert reader.session.plan == small() and not reader.session.past
        assert reader.screen.query_one("#row-learning_rate", DecisionRow).has_focus


@pytest.mark.parametrize("size", SIZES)
async def test_a_refusal_says_what_to_do_and_nothing_is_lost(size: tuple[int, int], tmp_path: Path) -> None:
    async with reading(large(), tmp_path, size) as reader:
        await reader.go("weight_quantize_algo")
        await reader.press("e", "b")
        block = reader.screen.query_one(RefusalBlock)
        await until(reader.pilot, lambda: block.display)
        shown = " ".join(text_of(block).split())
        assert "nf4 stores frozen weights" in shown and "What to do" in shown and "method=qlora" in shown
        assert reader.session.plan == large() and not reader.session.past
        assert reader.screen.query_one(SettingEditor).has_focus_within
        await reader.press("escape")
        assert not reader.screen.query(SettingEditor) and not block.display


async def test_a_refusal_and_another_plan_are_said_again_in_another_language(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (160, 50)) as reader:
        try:
            await reader.press("w")
            await reader.type("lora_rank=4")
            await reader.press("enter")
            pane = reader.screen.query_one(WhatIfPane)
            await until(reader.pilot, lambda: pane.other)
            reader.screen.query_one(WhatIfInput).value = "goal happiness"
            reader.screen.query_one(WhatIfInput).focus()
            await reader.press("enter")
            await until(reader.pilot, lambda: reader.screen.query_one(RefusalBlock).display)
            reader.app.speak("zh")
            await until(reader.pilot, lambda: reader.session.plan.wishes.language == "zh")
            await reader.rest()
            block = reader.screen.query_one(RefusalBlock)
            assert block.display and "happiness" in block.text and "must be one of" not in block.text
            assert reader.screen.other is not None and reader.screen.other.wishes.language == "zh"
        finally:
            use_everywhere("en")


async def test_details_of_a_refusal_are_copied(tmp_path: Path) -> None:
    async with reading(large(), tmp_path) as reader:
        await reader.press("w")
        await reader.type("goal happiness")
        await reader.press("enter")
        block = reader.screen.query_one(RefusalBlock)
        await until(reader.pilot, lambda: block.display)
        assert "^y copies the details." in text_of(block), "where c would be typed"
        await reader.press("ctrl+y")
        assert "must be one of quality" in reader.app.clipboard
        reader.app.copy_to_clipboard("")
        reader.screen.set_focus(None)
        await reader.press("c")
        assert "c copies the details." in text_of(block)
        assert "must be one of quality" in reader.app.clipboard
        await reader.press("escape")
        assert not block.display and reader.screen.query_one(WhatIfInput).value == "goal happiness"


async def test_a_setting_is_fixed_and_left_to_the_planner_again(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.go("learning_rate")
        await reader.press("p")
        await until(reader.pilot, lambda: reader.session.past)
        assert reader.session.plan.wishes.pins == {"learning_rate": small().value("learning_rate")}
        assert "◆ fixed" in _plain(reader.screen.query_one("#row-learning_rate", DecisionRow))
        await reader.press("p")
        await until(reader.pilot, lambda: len(reader.session.past) == 2)
        assert reader.session.plan == small()


@pytest.mark.parametrize("size", SIZES)
async def test_what_if_stands_side_by_side_and_can_be_taken(size: tuple[int, int], tmp_path: Path) -> None:
    async with reading(large(), tmp_path, size) as reader:
        await reader.press("w")
        await reader.type("goal memory lora_rank=4")
        await reader.press("enter")
        pane = reader.screen.query_one(WhatIfPane)
        await until(reader.pilot, lambda: pane.other)
        other = what_if(large(), pins={"lora_rank": 4}, goal="memory")[0]
        assert pane.other == other and reader.session.plan == large()
        shown = _plain(reader.screen.query_one(Answer))
        assert "balance" in shown and "→ memory" in shown and "lora_rank" in shown
        await reader.press("t")
        await until(reader.pilot, lambda: reader.session.plan == other)
        assert reader.screen.tab == "page"
        await reader.press("u")
        assert reader.session.plan == large()


async def test_other_hardware_and_an_example(tmp_path: Path) -> None:
    async with reading(large(), tmp_path) as reader:
        await reader.press("w", "tab", "enter")
        pane = reader.screen.query_one(WhatIfPane)
        await until(reader.pilot, lambda: pane.other)
        assert pane.other is not None and pane.other.facts.hardware.device_count == 8
        assert reader.screen.query_one(WhatIfInput).value == "hardware 8x A100-80G nvlink"


async def test_another_way_is_taken(tmp_path: Path) -> None:
    async with reading(large(), tmp_path, (160, 50)) as reader:
        way = reader.screen.query(OtherWay).last()
        way.focus()
        await reader.press("enter")
        await until(reader.pilot, lambda: reader.session.past)
        for name, value in way.other.changes.items():
            assert reader.session.plan.value(name) == value


async def test_brackets_jump_from_subject_to_subject(tmp_path: Path) -> None:
    async with reading(large(), tmp_path, (160, 50)) as reader:
        await reader.go("engine")
        await reader.press("right_square_bracket")
        assert isinstance(reader.screen.focused, Fold) and reader.screen.focused.group == "preference"
        await reader.press("enter")
        assert reader.screen.query_one("#row-beta", DecisionRow).display
        await reader.press("right_square_bracket")
        assert reader.screen.focused.id == "row-max_length"
        await reader.press("left_square_bracket", "left_square_bracket")
        assert reader.screen.focused.id == "row-engine"


async def test_it_speaks_chinese_when_the_app_does(tmp_path: Path) -> None:
    async with reading(large(), tmp_path, (160, 50)) as reader:
        await reader.go("lora_rank")
        try:
            reader.app.speak("zh")
            await until(reader.pilot, lambda: reader.session.plan.wishes.language == "zh")
            await reader.rest()
            shown = screen_text(reader.pilot)
            assert "方法" in shown and "存" in shown
            because = reader.session.plan.decisions["lora_rank"].because
            assert any("\u4e00" <= letter <= "\u9fff" for letter in because)
            assert reader.session.plan.value("lora_rank") == large().value("lora_rank")
            strips = reader.screen._compositor.render_strips(reader.app.size)
            assert {strip.cell_length for strip in strips} == {160}
        finally:
            use_everywhere("en")


async def test_a_plan_that_was_under_way_is_said_in_the_language_asked_for_meanwhile(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (120, 40)) as reader:
        try:
            reader.app.speak("zh")
            await until(reader.pilot, lambda: reader.session.plan.wishes.language == "zh")
            await reader.rest()
            reader.screen.post_message(Worked(AGAIN, small("en")))
            await until(reader.pilot, lambda: len(reader.session.past) == 1)
            await reader.rest()
            await until(reader.pilot, lambda: reader.session.plan.wishes.language == "zh")
        finally:
            use_everywhere("en")


async def test_a_change_of_language_keeps_the_open_editor(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (160, 50)) as reader:
        await reader.go("num_train_epochs")
        await reader.press("e")
        reader.screen.query_one(SettingEditor).query_one(Input).value = "7"
        try:
            reader.app.speak("zh")
            await until(reader.pilot, lambda: reader.session.plan.wishes.language == "zh")
            await reader.rest()
            await until(reader.pilot, lambda: reader.screen.query(SettingEditor))
            field = reader.screen.query_one(SettingEditor).query_one(Input)
            assert field.value == "7" and field.has_focus
            await reader.press("enter")
            await until(reader.pilot, lambda: reader.session.plan.value("num_train_epochs") == 7)
            assert not reader.screen.query(SettingEditor)
        finally:
            use_everywhere("en")


async def test_a_plan_can_be_made_smaller_by_hand_several_times(tmp_path: Path) -> None:
    """The page is composed anew after each change; focus and open rows stay."""
    async with reading(plan(), tmp_path, (160, 50)) as reader:
        await reader.go("num_train_epochs")
        await reader.press("enter")
        for epochs in ("1", "2"):
            await reader.press("e")
            reader.screen.query_one(SettingEditor).query_one(Input).value = epochs
            changes = len(reader.session.past)
            await reader.press("enter")
            await until(reader.pilot, lambda changes=changes: len(reader.session.past) > changes)  # type: ignore[misc]
            row = reader.screen.query_one("#row-num_train_epochs", DecisionRow)
            assert row.has_focus and row.opened
            assert reader.session.plan.value("num_train_epochs") == int(epochs)


def _plain(widget: DecisionRow | Answer) -> str:
    """Everything that a widget would draw if it had the room."""
    from rich.console import Console

    console = Console(width=400, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(widget.render())
    return console.export_text()
