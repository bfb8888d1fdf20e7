"""The run screen over real runs of stand-in stages: reattached, stopped, paused, failed and continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Button, Input

from planner.language import use_everywhere
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import (
    change_plan,
    events,
    executions,
    kill,
    new_run,
    nobody_left,
    start,
    states,
    wait_until,
    worker,
)
from tests.tui.app.pilot import screen_text, text_of, until
from tui.app.application import SteersmanApp
from tui.app.run_words import STAGE_WORDS
from tui.app.screens.confirm import ConfirmScreen
from tui.app.screens.run import RunScreen
from tui.app.widgets.events_pane import EventsPane
from tui.app.widgets.loss_curve import LossCurve
from tui.app.widgets.run_head import RunHead
from tui.app.widgets.stage_list import StageList
from tui.app.widgets.trouble import Trouble

pytestmark = pytest.mark.asyncio

SIZE = (80, 24)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def opened(pilot: Pilot[Any], run: RunFolder) -> RunScreen:
    """Open a run and wait until its journal has been read."""
    cast(SteersmanApp, pilot.app).open_run(run)
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.view.stages)
    return cast(RunScreen, pilot.app.screen)


def steps(screen: RunScreen) -> list[int]:
    """The steps whose loss the screen knows."""
    return [metric.step for stage in screen.view.stages.values() for metric in stage.metrics]


async def test_quitting_and_coming_back_loses_nothing(tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = new_run(tmp_path / "run", train={"steps": 30, "step_seconds": 0.05, "wait_for": str(go)}, merge={})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: steps(screen))
        assert screen.state == "running"
        await until(pilot, lambda: "▶ running" in text_of(screen.query_one(RunHead)))
    assert supervisor.poll() is None, "the run does not notice that nobody looks any more"
    wait_until(lambda: len([e for e in events(run) if e.kind == "metric"]) == 30, "trained unseen")
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        assert screen.state == "running"
        assert steps(screen) == list(range(1, 31)), "the whole curve, from its first step"
        assert list(screen.view.stages) == ["train", "merge"], "in the order of the plan"
        go.touch()
        await until(pilot, lambda: screen.state == "finished", 60)
        await until(pilot, lambda: "✓ done" in text_of(screen.query_one(RunHead)))
    supervisor.wait(60)


async def test_a_failure_is_explained_and_continued_once_it_is_mended(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 3, "raise": "moon"}, merge={})
    assert start(run).wait(60) == 4
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        trouble = screen.query_one(Trouble)
        await until(pilot, lambda: trouble.display)
        await until(pilot, lambda: "✗ train failed" in text_of(trouble))
        for words in ("✗ train failed", "The stage train failed", "RuntimeError: moon"):
            assert words in trouble.details
        assert str(run.stage("train").log) in trouble.details
        change_plan(run, train={"steps": 3}, merge={})
        await pilot.press("g")
        await until(pilot, lambda: screen.state == "finished", 60)
        assert not trouble.display, "the trouble is over"
        assert executions(run) == ["train", "merge"]


async def test_the_first_stop_is_graceful_and_the_second_asks_before_it_ends_at_once(tmp_path: Path) -> None:
    behaviour = {"wait_for": str(tmp_path / "never"), "stop_seconds": 60}
    run = new_run(tmp_path / "run", train=behaviour)
    supervisor = start(run)
    worker(run, "train")
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: screen.state == "running")
        await pilot.press("s")
        await until(pilot, lambda: "Stopping train gracefully" in text_of(screen.query_one(RunHead)))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert pilot.app.focused is pilot.app.screen.query_one("#no", Button), "enter changes nothing"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert states(run, "train").count("stopping") == 1
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: screen.state == "stopped", 60)
    assert supervisor.wait(60) == 130
    assert nobody_left(run)


async def test_a_pause_frees_the_machine_and_continues_from_the_screen(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 3000, "step_seconds": 0.1, "stop_seconds": 60})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: screen.state == "running" and steps(screen))
        await pilot.press("p")
        await until(pilot, lambda: screen.state == "paused", 60)
        assert supervisor.wait(60) == 130
        assert nobody_left(run)
        await until(pilot, lambda: "‖ paused" in text_of(screen.query_one(RunHead)))
        paused_at = steps(screen)[-1]
        await pilot.press("g")
        await until(pilot, lambda: steps(screen)[-1] > paused_at, 60)
        assert steps(screen) == list(range(1, steps(screen)[-1] + 1)), "no step twice, none left out"
        await pilot.press("s")
        await until(pilot, lambda: screen.state == "stopped", 60)


async def test_a_checkpoint_is_asked_for_and_said(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 3000, "step_seconds": 0.1, "stop_seconds": 60})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: steps(screen))
        await pilot.press("k")
        await until(pilot, lambda: "saved a checkpoint: step" in text_of(screen.query_one(RunHead)))
        assert screen.state == "running"
        await pilot.press("s")
        await until(pilot, lambda: screen.state == "stopped", 60)
    supervisor.wait(60)


async def test_a_run_without_its_supervisor_is_lost_and_never_done(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 3000, "step_seconds": 0.1})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: steps(screen))
        trainer = worker(run, "train")
        supervisor.kill()
        supervisor.wait()
        kill(trainer)
        await until(pilot, lambda: screen.state == "lost")
        assert "? lost" in text_of(screen.query_one(RunHead))
        assert "? train" in text_of(screen.query_one(StageList))
        assert "gone without a word" in text_of(screen.query_one(Trouble))
    assert read_status(run).state == "lost"


async def test_keys_follow_the_state(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", convert={"wait_for": str(tmp_path / "go")}, train={"steps": 2})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: screen.state == "running" and screen.view.current())
        assert screen.check_action("stop", ()) is True
        assert screen.check_action("checkpoint", ()) is None, "dimmed: convert has no checkpoints"
        assert screen.check_action("resume", ()) is False
        assert screen.check_action("chat", ()) is False
        (tmp_path / "go").touch()
        await until(pilot, lambda: screen.state == "finished", 60)
        assert screen.check_action("stop", ()) is False
        assert screen.check_action("resume", ()) is False
        assert screen.check_action("chat", ()) is None, "dimmed: nothing was merged"
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is not screen)
    supervisor.wait(60)


async def test_a_loss_that_is_no_number_is_said_and_does_not_break_the_curve(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 3, "step_seconds": 0, "losses": ["nan"] * 3})
    assert start(run).wait(60) == 0
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(
            pilot,
            lambda: "no number at step 3" in text_of(screen.query_one(LossCurve).query_one("#legend-line")),
        )


async def test_events_are_told_in_plain_words(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 2})
    assert start(run).wait(60) == 0
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await pilot.press("3")
        await until(pilot, lambda: "is finished" in text_of(screen.query_one(EventsPane)))
        text = " ".join(text_of(screen.query_one(EventsPane)).split())
        assert "✓ proof holds holds: it holds" in text
        assert "train done in" in text


async def test_nothing_is_hidden_every_file_of_a_stage_can_be_read(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 2, "value": 7})
    assert start(run).wait(60) == 0
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await pilot.press("4")
        from tui.app.widgets.files_pane import FilesPane

        pane = screen.query_one(FilesPane)
        await until(pilot, lambda: pane.files)
        names = {file.path.name for file in pane.files}
        assert names >= {
            "plan.yaml",
            "journal.jsonl",
            "command.json",
            "environment.json",
            "config.json",
            "log.txt",
        }
        pane.focus()
        pane.highlighted = next(i for i, file in enumerate(pane.files) if file.path.name == "config.json")
        await pilot.press("enter")
        await until(pilot, lambda: '"value": 7' in screen_text(pilot))


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (160, 50)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_stage_lines_are_aligned_and_fit(tmp_path: Path, size: tuple[int, int], language: str) -> None:
    run = new_run(tmp_path / "run", acquire={}, prepare={}, train={"steps": 2}, merge={"raise": "moon"})
    start(run).wait(60)
    use_everywhere(language)
    try:
        async with SteersmanApp().run_test(size=size) as pilot:
            screen = await opened(pilot, run)
            await until(pilot, lambda: screen.query_one(StageList).option_count == 4)
            stages = screen.query_one(StageList)
            lines = [line.plain for line in stages.stage_lines()]
            words = [STAGE_WORDS[state].say() for state in ("committed", "committed", "committed", "failed")]
            starts = {cell_len(line[: line.index(word)]) for line, word in zip(lines, words, strict=True)}
            assert len(starts) == 1, "the words of all states begin in the same cell"
            assert all(cell_len(line) <= stages.size.width for line in lines)
    finally:
        use_everywhere("en")


async def test_another_language_is_spoken_at_once_with_everything_still_there(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 5})
    assert start(run).wait(60) == 0
    try:
        async with SteersmanApp().run_test(size=SIZE) as pilot:
            screen = await opened(pilot, run)
            await until(pilot, lambda: screen.state == "finished")
            await pilot.press("3")
            before = screen.query_one(EventsPane)
            await until(pilot, lambda: before.lines)
            cast(SteersmanApp, pilot.app).speak("zh")
            await until(pilot, lambda: screen.built and screen.query_one(EventsPane) is not before)
            await until(pilot, lambda: screen.query_one(EventsPane).lines)
            assert screen.tab == "events-tab"
            await until(pilot, lambda: "run" in text_of(screen.query_one(RunHead)))
            assert steps(screen) == [1, 2, 3, 4, 5]
    finally:
        use_everywhere("en")


async def test_letters_typed_into_the_search_are_letters(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 3000, "step_seconds": 0.1, "stop_seconds": 60})
    supervisor = start(run)
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, run)
        await until(pilot, lambda: steps(screen))
        await pilot.press("slash")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press("s", "p", "s")
        assert cast(Input, pilot.app.focused).value == "sps"
        assert "stopping" not in states(run, "train")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.focused, Input))
        assert pilot.app.screen is screen, "escape ended the search and nothing else"
        await pilot.press("s")
        await until(pilot, lambda: screen.state == "stopped", 60)
    supervisor.wait(60)
