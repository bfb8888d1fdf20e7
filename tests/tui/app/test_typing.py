"""What is typed and pasted arrives whole, wherever the focus is and whatever it begins with."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from tests.tui.app.conversing import Person, conversing, prepare, to_the_plan
from tests.tui.app.pilot import screen_text, until
from tui.app.blocks.answer import AnswerBlock
from tui.app.slash.set import assignments
from tui.app.slash.table import is_command, whole
from tui.app.widgets.completing import offers
from tui.app.widgets.prompt import Completion, Prompt

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return prepare(tmp_path / "work")


async def test_a_path_from_the_root_is_a_path_and_no_command(folder: Path) -> None:
    async with conversing(folder) as person:
        assert f"{folder}/tiny/" in offers(person.app, f"{folder}/ti", "model")
        await person.type(str(folder / "tiny"))
        assert person.screen.problem == ""
        assert person.answer("model").value == str(folder / "tiny")


async def test_lines_that_are_commands(tmp_path: Path) -> None:
    assert is_command("/plan")
    assert is_command("/what-if 2x 4090")
    assert is_command("/plna")
    assert not is_command("plan")
    assert not is_command(f"{tmp_path}/chats.jsonl")
    assert is_command("/")
    assert whole("comp") == "compare"
    assert whole("run") == "run"
    assert whole("p") == "p", "plan or pin"


async def test_what_is_typed_or_pasted_beside_the_prompt_lands_in_it(folder: Path) -> None:
    async with conversing(folder) as person:
        prompt = person.screen.query_one(Prompt)
        person.screen.query(AnswerBlock).first().focus()
        await person.press("q", "w")
        assert (prompt.value, prompt.has_focus) == ("qw", True)
        prompt.value = ""
        block = person.screen.query(AnswerBlock).first()
        block.focus()
        await person.pilot.pause()
        block.post_message(events.Paste("two\n  4090s\n"))
        await until(person.pilot, lambda: prompt.value)
        assert " ".join(prompt.value.split()) == "two 4090s", "no line of it is dropped"


async def test_tab_goes_on_into_folders_and_arguments(folder: Path) -> None:
    (folder / "tiny" / "deeper").mkdir()
    async with conversing(folder) as person:
        prompt, completion = person.screen.query_one(Prompt), person.screen.query_one(Completion)
        await press_to(person, completion, "full_stop", "slash", "t")
        await person.press("tab")
        assert prompt.value == "./tiny/"
        assert completion.display, "what is in the folder comes next"
        await person.press("tab")
        assert prompt.value == "./tiny/deeper/"
        prompt.value = ""
        await press_to(person, completion, "slash", "l", "a", "n")
        await person.press("tab")
        assert prompt.value == "/lang "
        await until(person.pilot, lambda: completion.display)
        await person.press("down", "tab")
        assert prompt.value in ("/lang en", "/lang zh")
        await person.press("escape")
        prompt.value, prompt.cursor_position = "./tiny/d", 8
        await person.press("escape", "tab")
        assert prompt.has_focus
        assert "deeper" in screen_text(person.pilot)


async def test_own_words_are_understood_at_the_end_too_and_back_leaves_the_machine_as_it_was(
    folder: Path,
) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        found = person.answer("hardware")
        await person.type("/hardware")
        assert person.asked == "hardware"
        await person.type("back")
        assert (person.asked, person.answer("hardware")) == ("", found)
        await person.type("two 4090s, best quality")
        assert person.screen.problem == ""
        assert person.dialogue.interview.known.hardware.device_count == 2
        assert person.answer("goal").value == "quality"
        while person.asked:
            await person.press("enter")
        await person.type("my cat is nice")
        assert "I do not understand" in person.screen.problem
        await person.type("/set lora_rank=16")
        assert "lora_rank=16" in str(person.dialogue.transcript.entries[-1].text())


async def test_the_palette_offers_what_begins_with_the_letters_first(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.pilot.press("ctrl+p", "w", "h")
        await until(person.pilot, lambda: "/why" in screen_text(person.pilot))
        await person.settle()
        lines = [line.strip() for line in screen_text(person.pilot).splitlines()]
        found = [line for line in lines if line.startswith("/") and ": " in line]
        assert {line[:3] for line in found[:2]} == {"/wh"}, found
        await person.pilot.press(*"qzx")
        await until(person.pilot, lambda: "Nothing is called whqzx." in screen_text(person.pilot))
        await person.pilot.press("down", "enter")
        await until(person.pilot, lambda: "/plan: show the whole plan" in screen_text(person.pilot))


async def press_to(person: Person, completion: Completion, *keys: str) -> None:
    await person.pilot.press(*keys)
    await until(person.pilot, lambda: completion.display)


async def test_settings_are_fixed_all_or_none(folder: Path) -> None:
    assert assignments("a=1 b = two words c=") == [("a", "1"), ("b", "two words"), ("c", "")]
    assert assignments("lora_rank 16") == [("lora_rank", "16")]
    async with conversing(folder) as person:
        await person.type("/set lora_rank=16 nonsense=1")
        assert "nonsense" in person.screen.problem
        assert not person.dialogue.interview.known.pins
        await person.type("/set hardware=two 4090s lora_rank=16")
        assert person.dialogue.interview.known.hardware.device_count == 2
        assert person.dialogue.interview.known.pins == {"lora_rank": 16}
