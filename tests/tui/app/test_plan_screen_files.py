"""What the plan screen writes: the files that render writes, the plan's own file, a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from planner.language import use_everywhere
from planner.planfile import dumps, loads
from runtime.rendered import render_folder
from runtime.run.layout import list_runs
from tests.runtime import stand_in_table
from tests.tui.app.pilot import text_of, until
from tests.tui.app.plan_pages import Reader, large, reading, small
from tui.app.screens.home import HomeScreen
from tui.app.screens.run import RunScreen
from tui.app.widgets.ask_bar import AskBar, YesNo
from tui.app.widgets.code_pane import CodePane
from tui.app.widgets.config_tabs import COMMAND, ConfigTabs, FileTabs
from tui.app.widgets.decision_row import DecisionRow

pytestmark = pytest.mark.asyncio

SIZES = [(80, 24), (160, 50)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def nothing(done: float, total: float, unit: str, message: str) -> None:
    """Progress that nobody looks at."""


async def files_of(reader: Reader) -> ConfigTabs:
    """Go to the files, and wait until they are there."""
    await reader.press("f")
    tabs = reader.screen.query_one(ConfigTabs)
    await until(reader.pilot, lambda: tabs.chosen and isinstance(reader.screen.focused, FileTabs))
    return tabs


async def answer(reader: Reader, text: str) -> None:
    """Type over what the question bar proposes."""
    reader.screen.query_one("#ask-input", Input).value = text
    await reader.press("enter")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("made", [small, large])
async def test_tabs_show_what_render_writes_to_the_byte(
    made: type, size: tuple[int, int], tmp_path: Path
) -> None:
    render_folder(made(), tmp_path / "rendered", configs_only=True, progress=nothing)
    written = {
        path.name: path.read_text("utf-8") for path in (tmp_path / "rendered").iterdir() if path.is_file()
    }
    async with reading(made(), tmp_path, size) as reader:
        tabs = await files_of(reader)
        assert {name: text for name, text in tabs.texts.items() if name != COMMAND} == written
        pane = tabs.query_one(CodePane)
        assert [line.plain for line in pane.lines] == written["config.json"].splitlines()
        await reader.press("right", "right")
        assert tabs.chosen == "config.explained.md" and tabs.text == written["config.explained.md"]
        await reader.press("y")
        assert reader.app.clipboard == written["config.explained.md"]


async def test_the_command_and_its_environment_are_shown(tmp_path: Path) -> None:
    async with reading(small(), tmp_path, (160, 50)) as reader:
        tabs = await files_of(reader)
        await reader.press("right")
        assert tabs.chosen == COMMAND
        shown = text_of(tabs)
        assert "steersman run plan.yaml" in shown and "export OMP_NUM_THREADS=" in shown
        assert "-m paddle.distributed.launch" in shown


async def test_files_follow_the_plan(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        tabs = await files_of(reader)
        assert '"lora_rank": 4,' not in tabs.texts["config.json"]
        reader.screen.again({"lora_rank": 4})
        await until(reader.pilot, lambda: '"lora_rank": 4,' in tabs.texts["config.json"])


@pytest.mark.parametrize("size", SIZES)
async def test_a_plan_is_saved_and_replaced_only_when_told(size: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / f"{small().name}.yaml"
    async with reading(small(), tmp_path, size) as reader:
        await reader.press("s")
        assert reader.screen.query_one("#ask-input", Input).value == file.name
        await reader.press("enter")
        await until(reader.pilot, lambda: reader.screen.session.file == file)
        assert file.read_text("utf-8") == dumps(small(), file.name)
        assert loads(file.read_text("utf-8")) == small() and reader.app.desk.file == file
        file.write_text("mine", "utf-8")
        await reader.press("s", "enter")
        assert isinstance(reader.screen.focused, YesNo)
        await reader.press("n")
        await reader.rest()
        assert file.read_text("utf-8") == "mine"
        await reader.press("s", "enter", "y")
        await until(reader.pilot, lambda: file.read_text("utf-8") != "mine")


async def test_another_name_gets_its_suffix_and_escape_saves_nothing(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.press("s", "escape")
        assert not reader.screen.query_one(AskBar).display and not list(tmp_path.glob("*.yaml"))
        await reader.press("s")
        await answer(reader, "deep/er")
        await until(reader.pilot, lambda: (tmp_path / "deep" / "er.yaml").is_file())


async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with reading(small(), tmp_path) as reader:
        await reader.press("s")
        await answer(reader, "file/plan.yaml")
        await until(reader.pilot, lambda: reader.screen.refused)
        assert "cannot be written" in reader.screen.refused.error.sentence()
        assert reader.screen.session.file is None


async def test_a_folder_is_exported_as_render_does(tmp_path: Path) -> None:
    render_folder(small(), tmp_path / "rendered", configs_only=True, progress=nothing)
    async with reading(small(), tmp_path) as reader:
        await reader.press("x")
        await answer(reader, "out")
        await reader.press("n")
        await until(reader.pilot, lambda: "launch.sh" in reader.status)
    for path in (tmp_path / "rendered").iterdir():
        if path.is_file():
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


async def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    async with reading(small(), tmp_path) as reader:
        await reader.press("x")
        await answer(reader, "mine")
        await reader.press("n")
        await until(reader.pilot, lambda: reader.screen.refused)
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


async def test_a_run_is_started_once_it_was_agreed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    async with reading(small(), tmp_path) as reader:
        await reader.press("r", "n")
        await reader.rest()
        assert not list_runs()
        await reader.press("r", "y")
        await until(reader.pilot, lambda: isinstance(reader.app.screen, RunScreen) or reader.screen.refused)
        assert reader.screen.refused is None
        assert len(list_runs()) == 1


async def test_a_question_that_is_left_for_another_part_is_answered_by_no(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.press("r")
        assert isinstance(reader.screen.focused, YesNo)
        tabs = await files_of(reader)
        await until(reader.pilot, lambda: not reader.screen.query_one(AskBar).display)
        assert reader.screen.tab == "files" and reader.screen.focused is tabs.query_one(FileTabs)
        await reader.press("y")
        assert reader.app.clipboard == tabs.text and not list_runs(), "y copies here, and starts nothing"


async def test_changes_that_are_not_saved_are_not_lost_by_leaving(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        reader.screen.again({"lora_rank": 4})
        await until(reader.pilot, lambda: reader.session.past)
        await reader.press("escape")
        assert reader.app.screen is reader.screen and isinstance(reader.screen.focused, YesNo)
        await reader.press("n")
        assert reader.app.screen is reader.screen
        await reader.press("escape", "y")
        assert isinstance(reader.app.screen, HomeScreen)


async def test_a_plan_that_was_not_changed_is_left_at_once(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        await reader.press("f", "escape")
        assert reader.screen.tab == "page" or reader.app.work.jobs
        await reader.rest()
        while reader.app.screen is reader.screen:
            await reader.press("escape")
        assert isinstance(reader.app.screen, HomeScreen)


async def test_a_decision_is_copied(tmp_path: Path) -> None:
    async with reading(small(), tmp_path) as reader:
        row = await reader.go("seed")
        assert isinstance(row, DecisionRow)
        await reader.press("y")
        assert reader.app.clipboard.startswith("seed: 42")


async def test_files_are_named_in_chinese_too(tmp_path: Path) -> None:
    try:
        use_everywhere("zh")
        async with reading(small("zh"), tmp_path) as reader:
            tabs = await files_of(reader)
            assert "config.json" in tabs.texts
            assert any("\u4e00" <= letter <= "\u9fff" for letter in tabs.texts[COMMAND])
    finally:
        use_everywhere("en")
