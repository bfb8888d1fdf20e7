"""Slash commands: each does what it says, wrong ones are answered in a sentence, all can be completed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from textual_autocomplete import AutoComplete

from planner.errors import BadInput
from planner.language import current
from runtime.run.layout import create_run
from tests.tui.app.conversing import Person, conversing, prepare, to_the_plan
from tests.tui.app.pilot import screen_text, until
from tui.app.blocks.question import ChoiceList
from tui.app.screens.chat import ChatScreen
from tui.app.screens.data import DataScreen
from tui.app.screens.home import HomeScreen
from tui.app.screens.plan import PlanScreen
from tui.app.slash import table
from tui.app.slash.table import NAMES, commands
from tui.app.slash.what_if import changed
from tui.app.widgets.completing import slash_lines
from tui.app.widgets.prompt import Prompt

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return prepare(tmp_path / "work")


def last(person: Person) -> str:
    return person.dialogue.transcript.entries[-1]


async def test_every_command_has_a_file_help_and_a_hint() -> None:
    files = {path.stem for path in Path(table.__file__).parent.glob("*.py")} - {
        "__init__",
        "table",
        "command",
    }
    assert files == {name.replace("-", "_") for name in NAMES}
    for name, command in commands().items():
        assert command.help and command.hint, name
        assert importlib.import_module(f"tui.app.slash.{name.replace('-', '_')}").__doc__


async def test_a_wrong_command_gets_the_nearest(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("/modl x")
        assert person.screen.problem == "There is no command /modl. Did you mean `model`?"
        await person.type("/why")
        assert person.dialogue.transcript.entries[-1].kind == "explanation"
        await person.type("/plan")
        assert "There is no plan yet." in person.screen.problem


async def test_commands_about_the_plan(folder: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)

        await person.type("/why learning_rate")
        assert last(person).kind == "page" and "learning_rate" in screen_text(person.pilot)
        await person.type("/why learnin_rate")
        assert "Did you mean" in person.screen.problem

        await person.type("/set lora_rank=16")
        assert person.dialogue.plan.value("lora_rank") == 16
        assert person.dialogue.plan.decisions["lora_rank"].rule == "pin"
        await person.type("/pin learning_rate")
        assert "lora_rank=16" in str(last(person).text()) and "learning_rate=" in str(last(person).text())
        await person.type("/set lora_rank=many")
        assert "must be" in person.screen.problem
        await person.type("/set lora_rank=")
        assert "lora_rank" not in person.dialogue.plan.wishes.pins
        await person.type("/undo")
        assert person.dialogue.plan.value("lora_rank") == 16

        await person.type("/what-if goal quality")
        assert str(last(person).title()) == "What if: goal quality"
        await person.type("/compare")
        assert last(person).kind == "page"

        await person.type("/save mine.yaml")
        assert (folder / "mine.yaml").is_file()
        await person.type("/help")
        assert "/plan" in screen_text(person.pilot)


async def test_commands_that_open_screens(folder: Path, tmp_path: Path) -> None:
    async with conversing(folder) as person:
        await to_the_plan(person)
        app = person.app
        await person.type("/save")
        for line, screen in (("/plan", PlanScreen), ("/open plan.yaml", PlanScreen), ("/data", DataScreen)):
            await person.type(line)
            await until(person.pilot, lambda screen=screen: isinstance(app.screen, screen))
            await person.settle()
            app.pop_screen()
            await person.settle()
        create_run(tmp_path / "home" / "runs" / "mine", (folder / "plan.yaml").read_text())
        await person.type("/chat mine")
        await until(person.pilot, lambda: isinstance(app.screen, ChatScreen))
        app.pop_screen()
        await person.type("/runs")
        await until(person.pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_commands_that_answer_questions(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("/model ./tiny")
        await person.type("/data chats.jsonl")
        await person.type("/hardware 2x 4090")
        known = person.dialogue.interview.known
        assert known.model.source.id.endswith("tiny")
        assert known.data.path.endswith("chats.jsonl")
        assert known.hardware.device_count == 2
        await person.type("/model")
        assert person.asked == "model"


async def test_language_and_theme_by_command(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("/theme contrast")
        assert person.app.theme == "steersman-contrast"
        await person.type("/theme contrst")
        assert "Did you mean `contrast`?" in person.screen.problem
        await person.type("/lang zh")
        assert current() == "zh"
        await person.type("/lang en")
        assert current() == "en"


async def test_completion_offers_commands_and_arguments(folder: Path) -> None:
    async with conversing(folder) as person:
        prompt = person.screen.query_one(Prompt)
        await person.pilot.press("slash", "h", "a")
        completion = person.screen.query_one(AutoComplete)
        await until(person.pilot, lambda: completion.display)
        await person.pilot.press("tab")
        assert prompt.value == "/hardware "
        await person.press("escape", "escape")
        assert set(slash_lines(person.app, "/lang ")) == {"/lang en", "/lang zh"}
        assert "/set method=lora" in slash_lines(person.app, "/set ")
        assert "/why memory" in slash_lines(person.app, "/why ")


async def test_completion_never_replaces_what_was_typed(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type_slowly("./tin")  # a folder ./tiny would complete it
        assert person.answer("model") is None or person.asked == "model"
        assert person.screen.query_one(ChoiceList)


async def test_paths_are_completed(folder: Path) -> None:
    async with conversing(folder) as person:
        await person.type("./tiny")
        assert "./chats.jsonl" in person.screen.offers("./ch")


async def test_completions_say_what_they_are(folder: Path) -> None:
    async with conversing(folder) as person:
        completion = person.screen.query_one(AutoComplete)

        async def shown(*keys: str) -> str:
            person.screen.query_one(Prompt).value = ""
            await person.pilot.press(*keys)
            await until(person.pilot, lambda: completion.display)
            return "\n".join(str(option.prompt) for option in completion.option_list.options)

        assert "a model: llama" in await shown("full_stop", "slash", "t", "i")
        models = await shown("m", "i", "x", "t")
        assert "46.7B · mixtral" in models, "a model far down the catalogue is found, too"
        assert "save the plan" in await shown("slash", "s", "a", "v")
        person.screen.query_one(Prompt).value = ""
        await person.type("./tiny")
        assert "60 rows" in await shown("c", "h", "a", "t")
        await person.pilot.press("tab")
        assert person.screen.query_one(Prompt).value == "chats.jsonl", "only the line is taken"


@pytest.mark.parametrize("text", ["quality", "2x 4090", "lora_rank=32", "goal speed", "hardware 8x A100"])
async def test_what_if_understands(text: str) -> None:
    assert not changed(text).is_empty


async def test_what_if_refuses_nonsense() -> None:
    with pytest.raises(BadInput):
        changed("zzz yyy")
