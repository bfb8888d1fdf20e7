"""The conversation in Chinese, and in another language in the middle of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tui.app.conversing import conversing, prepare, to_the_plan
from tests.tui.app.pilot import screen_text, until
from tui.app.widgets.prompt import Prompt

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return prepare(tmp_path / "work")


async def test_chinese_all_through(folder: Path) -> None:
    async with conversing(folder, language="zh") as person:
        assert "哪" in screen_text(person.pilot) or "模型" in screen_text(person.pilot)
        await person.type("./tiny")
        await person.type("chats.jsonl")
        while person.asked:
            await person.press("enter")
        assert person.dialogue.plan.wishes.language == "zh"


async def test_another_language_in_the_middle_of_it(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        entries = len(person.dialogue.transcript.entries)
        words = [str(entry.text()) for entry in person.dialogue.transcript.entries]
        await person.type("/lang zh")
        await until(person.pilot, lambda: person.dialogue.settled)
        assert person.dialogue.plan.wishes.language == "zh"
        assert len(person.dialogue.transcript.entries) == entries
        assert person.screen.query_one(Prompt).has_focus
        await person.type("/lang en")
        assert [str(entry.text()) for entry in person.dialogue.transcript.entries] == words


async def test_an_error_of_a_job_and_a_plan_beside_are_said_again(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./nowhere")
        entry = person.dialogue.transcript.entries[-1]
        english = str(entry.text())
        assert entry.kind == "error" and "nowhere" in english
        await person.type("./tiny")
        await person.type("chats.jsonl")
        while person.asked:
            await person.press("enter")
        await person.type("/what-if lora_rank=4")
        page = person.dialogue.transcript.entries[-1]
        assert page.kind == "page"
        await person.type("/lang zh")
        await until(person.pilot, lambda: not person.app.work.jobs)
        assert re.search(r"[一-鿿].*nowhere|nowhere.*[一-鿿]", str(entry.text()))
        shown = screen_text(person.pilot)
        assert "lora_rank" in shown and "instead of" not in shown
        assert person.screen.pursuit.pages[0].now.language == "zh"
        reasons = [one.because_after for one in person.screen.pursuit.pages[0].now.difference.settings]
        assert reasons and all(re.search(r"[一-鿿]", text) for text in reasons)
        await person.type("/lang en")
        await until(person.pilot, lambda: not person.app.work.jobs)
        assert str(entry.text()) == english
        assert person.screen.pursuit.pages[0].now.language == "en"


async def test_what_was_wrong_with_the_line_is_said_again(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("smolm2-135m")
        assert "Did you mean" in person.screen.problem
        person.app.speak("zh")
        await person.settle()
        assert "smolm2-135m" in person.screen.problem
        assert "Did you mean" not in screen_text(person.pilot)
        assert re.search(r"✗ .*[一-鿿]", screen_text(person.pilot))


async def test_what_was_explained_is_explained_again_in_another_language(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("why")
        await person.type("help")
        await person.type("./tiny")
        await person.type("chats.jsonl")
        while person.asked != "goal":
            await person.press("enter")
        await person.type("not sure")
        told = [entry for entry in person.dialogue.transcript.entries if entry.kind == "explanation"]
        english = [str(entry.text()) for entry in told]
        assert len(told) == 3 and "model" in english[0]
        await person.type("/lang zh")
        chinese = [str(entry.text()) for entry in told]
        assert all(re.search(r"[一-鿿]", text) for text in chinese)
        assert "模型" in chinese[0], "it says what was asked then, not what is asked now"
        assert chinese[2][:6] in screen_text(person.pilot)
        await person.type("/lang en")
        assert [str(entry.text()) for entry in told] == english
