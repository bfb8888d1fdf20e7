"""Home: how to begin, runs by their state from disk, plans that were used, all read in the background."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import OptionList

from planner.language import use_everywhere
from planner.planfile import dumps
from runtime.recent_plans import recent, remember
from runtime.run import lock
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import change_plan, executions, new_run, start, supervise
from tests.tiny_model import write_tiny_llama
from tests.tui.app.pilot import screen_text, typed, until
from tests.tui.app.plan_pages import small
from tui.app.application import SteersmanApp
from tui.app.screens.conversation import ConversationScreen
from tui.app.screens.home import HomeScreen
from tui.app.screens.open_path import OpenPathScreen
from tui.app.screens.plan import PlanScreen
from tui.app.screens.run import RunScreen

pytestmark = pytest.mark.asyncio

SIZE = (100, 30)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "runs").mkdir(parents=True)
    return tmp_path / "home"


def ended(home: Path, name: str, **stages: dict[str, Any]) -> RunFolder:
    run = new_run(home / "runs" / name, **stages)
    supervise(run)
    return run


async def at_home(pilot: Pilot[Any]) -> HomeScreen:
    screen = cast(HomeScreen, pilot.app.screen)
    await until(pilot, lambda: screen.looked and screen.focused)
    return screen


async def test_a_first_time_user_is_told_how_to_begin() -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        text = screen_text(pilot)
        for words in ("Nothing here yet", "Make a plan", "See a demo", "Open a plan or a run"):
            assert words in text
        assert isinstance(screen.focused, OptionList)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: "A plan file, a run folder" in screen_text(pilot))


async def test_every_state_is_read_from_disk_and_told_by_sign_and_word(home: Path) -> None:
    ended(home, "good", train={})
    ended(home, "bad", train={"raise": "moon"})
    new_run(home / "runs" / "new", train={})
    lost = ended(home, "gone", train={"raise": "moon"})
    lines = lost.journal.read_bytes().splitlines(keepends=True)
    lost.journal.write_bytes(b"".join(lines[:3]))  # what a killed supervisor leaves
    alive = ended(home, "living", train={"raise": "moon"})
    alive.journal.write_bytes(b"".join(alive.journal.read_bytes().splitlines(keepends=True)[:3]))
    held = lock.acquire(alive.lock)
    try:
        async with SteersmanApp().run_test(size=SIZE) as pilot:
            screen = await at_home(pilot)
            found = {row.run.name: row.state for row in screen.runs}
            assert found == {
                "good": "finished",
                "bad": "failed",
                "new": "created",
                "gone": "lost",
                "living": "running",
            }
            assert screen.runs[0].run.name == "living", "what is under way comes first"
            text = screen_text(pilot)
            for words in ("✓ done", "✗ failed", "· waiting", "? lost", "▶ running"):
                assert words in text
    finally:
        os.close(held)


async def test_it_refreshes_itself(home: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        assert not screen.runs
        ended(home, "later", train={})
        await until(pilot, lambda: "later" in screen_text(pilot))


async def test_a_failed_run_is_continued_from_here(home: Path) -> None:
    run = ended(home, "bad", train={"raise": "moon"})
    change_plan(run, train={})
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        assert screen.check_action("resume", ()) is True
        await pilot.press("g")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await until(pilot, lambda: cast(RunScreen, pilot.app.screen).state == "finished", 60)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen and screen.runs[0].state == "finished")
        assert screen.check_action("resume", ()) is None, "dimmed: there is nothing left to do"
    assert executions(run) == ["train"]


async def test_enter_opens_the_run(home: Path) -> None:
    ended(home, "good", train={})
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        await at_home(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        assert cast(RunScreen, pilot.app.screen).folder.name == "good"


async def test_a_damaged_journal_is_said_and_harms_nothing_else(home: Path) -> None:
    ended(home, "good", train={})
    bad = ended(home, "bad", train={})
    bad.journal.write_text("not json\n" + bad.journal.read_text(), encoding="utf-8")
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        assert {row.run.name: row.state for row in screen.runs} == {"good": "finished", "bad": "damaged"}
        assert "line 1: not a valid event" in next(
            row.reason for row in screen.runs if row.state == "damaged"
        )


async def test_a_path_that_leads_nowhere_is_one_sentence(home: Path) -> None:
    async with SteersmanApp(folder=home).run_test(size=SIZE) as pilot:
        await at_home(pilot)
        await pilot.press("o")
        await until(pilot, lambda: pilot.app.screen.query("#path"))
        typed(pilot.app, "nowhere")
        await pilot.press("enter")
        await until(
            pilot, lambda: "no run of that name" in " ".join(screen_text(pilot).replace("▌", " ").split())
        )


async def test_a_run_is_opened_by_its_name(home: Path) -> None:
    ended(home, "good", train={})
    async with SteersmanApp(folder=home).run_test(size=SIZE) as pilot:
        await at_home(pilot)
        await pilot.press("o")
        await until(pilot, lambda: pilot.app.screen.query("#path"))
        typed(pilot.app, "good")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_a_path_that_is_typed_whole_is_opened_by_one_enter(home: Path) -> None:
    (home / "plan.yaml").write_text("nonsense: true", encoding="utf-8")
    (home / "plan.yaml.yml").write_text("", encoding="utf-8")
    async with SteersmanApp(folder=home).run_test(size=(80, 24)) as pilot:
        await at_home(pilot)
        await pilot.press("o")
        await until(pilot, lambda: pilot.app.screen.query("#path"))
        await pilot.press(*"plan.yaml")
        await until(pilot, lambda: "plan.yaml.yml" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, OpenPathScreen))


async def test_names_of_runs_complete_below_the_line(home: Path) -> None:
    ended(home, "good", train={})
    async with SteersmanApp(folder=home).run_test(size=(80, 24)) as pilot:
        await at_home(pilot)
        await pilot.press("o")
        await until(pilot, lambda: getattr(pilot.app.screen, "runs", ()))
        await pilot.press(*"go")
        line = pilot.app.screen.query_one("#path").region
        await until(pilot, lambda: "good" in screen_text(pilot).splitlines()[line.y + line.height - 1])
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


@pytest.mark.parametrize("width", [80, 120, 200])
async def test_columns_are_aligned_in_chinese_and_fit(home: Path, width: int) -> None:
    ended(home, "a-run-with-a-name-that-is-much-longer-than-any-terminal-has-room-for-really", train={})
    ended(home, "中文名字", train={"raise": "moon"})
    use_everywhere("zh")
    try:
        async with SteersmanApp().run_test(size=(width, 24)) as pilot:
            screen = await at_home(pilot)
            table = screen.query_one("#runs")
            assert table.virtual_size.width <= table.size.width, "nothing has to be scrolled sideways"
            lines = [line for line in screen_text(pilot).splitlines() if "✓" in line or "✗" in line]
            assert len(lines) == 2
            starts = {
                cell_len(line[: line.index(name)])
                for line, name in zip(sorted(lines), ("a-run", "中文"), strict=True)
            }
            assert len(starts) == 1
    finally:
        use_everywhere("en")


async def test_plans_are_remembered_latest_first_and_forgotten_with_their_file(tmp_path: Path) -> None:
    plans = [tmp_path / f"{name}.yaml" for name in "abc"]
    for plan in (*plans, plans[0]):
        plan.write_text("name: x\n", encoding="utf-8")
        remember(plan)
    plans[1].unlink()
    assert [plan.path.name for plan in recent()] == ["a.yaml", "c.yaml"]


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """A plan that was used lately."""
    file = tmp_path / "mine.yaml"
    file.write_text(dumps(small()), encoding="utf-8")
    remember(file)
    return file


async def test_enter_opens_a_plan_and_remembers_where_it_is_saved(plan_file: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        assert [row.path for row in screen.plans] == [plan_file]
        assert (screen.plans[0].model, screen.plans[0].method) == ("smollm2-135m-instruct", "lora")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, PlanScreen))
        desk = cast(SteersmanApp, pilot.app).desk
        assert (desk.plan, desk.file) == (small(), plan_file)


async def test_a_goes_on_with_the_answers_behind_a_plan(plan_file: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        await at_home(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConversationScreen))
        known = cast(ConversationScreen, pilot.app.screen).dialogue.interview.known
        assert known.value("model") == "smollm2-135m-instruct"
        assert known.data == small().facts.data


async def test_a_plan_that_is_damaged_since_is_said(plan_file: Path) -> None:
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        plan_file.write_text("name: [", encoding="utf-8")
        await pilot.press("enter")
        await until(pilot, lambda: "✗" in screen.doing)
        assert "mine.yaml" in screen.doing


async def test_d_plans_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_llama(tmp_path / "tiny")  # the demo's own model would have to be fetched
    monkeypatch.setattr("tui.app.demo_plan.MODEL", str(tmp_path / "tiny"))
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        await at_home(pilot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, PlanScreen), 60)
        plan = cast(SteersmanApp, pilot.app).desk.plan
        assert plan is not None
        assert plan.facts.data.path == "steersman-demo"


async def test_open_by_command_begins_no_conversation(plan_file: Path) -> None:
    app = SteersmanApp(folder=plan_file.parent)
    async with app.run_test(size=SIZE) as pilot:
        await at_home(pilot)
        app.begin_slash("/open")
        await until(pilot, lambda: app.screen.query("#path"))
        await pilot.press("escape")
        app.slash("/open mine.yaml")
        await until(pilot, lambda: isinstance(app.screen, PlanScreen))
        assert not any(isinstance(screen, ConversationScreen) for screen in app.screen_stack)


async def test_reading_changes_nothing(home: Path) -> None:
    run = new_run(home / "runs" / "slow", train={"wait_for": str(home / "go")})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await at_home(pilot)
        await until(pilot, lambda: screen.runs and screen.runs[0].state == "running")
    assert read_status(run).state == "running"
    (home / "go").touch()
    assert supervisor.wait(60) == 0
