"""Recorded runs of the real engine, played through the real app: success, failure, loss, stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from tests.tui.app.pilot import screen_text, text_of, until
from tests.tui.app.replay import NAMES, Replay
from tui.app.application import SteersmanApp
from tui.app.run_figures import training_rows
from tui.app.screens.conversation import ConversationScreen
from tui.app.screens.plan import PlanScreen
from tui.app.screens.run import RunScreen
from tui.app.widgets.events_pane import EventsPane
from tui.app.widgets.loss_curve import LossCurve
from tui.app.widgets.run_head import RunHead
from tui.app.widgets.stage_list import StageList
from tui.app.widgets.trouble import Trouble
from tui.progress_stages import result

pytestmark = pytest.mark.asyncio

SIZE = (120, 40)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STEERSMAN_STAGE_TABLE", raising=False)


async def opened(pilot: Pilot[Any], replay: Replay) -> RunScreen:
    cast(SteersmanApp, pilot.app).open_run(replay.run)
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.events)
    return cast(RunScreen, pilot.app.screen)


async def test_a_run_is_seen_from_its_training_to_its_end(tmp_path: Path) -> None:
    replay = Replay("success", tmp_path / "run")
    replay.play_until(kind="metric", stage="train")
    replay.live()
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, replay)
        await until(pilot, lambda: "▶ train" in text_of(screen.query_one(StageList)))
        assert "✓ convert" in text_of(screen.query_one(StageList))
        assert "about" in text_of(screen.query_one(RunHead)), "the forecast tells how long it still takes"
        labels = {row.label for row in training_rows(screen.view, screen.forecast)}
        assert labels >= {"Loss", "Learning rate", "Speed", "Peak memory"}
        memory = next(
            row for row in training_rows(screen.view, screen.forecast) if row.label == "Peak memory"
        )
        assert memory.share is not None, "measured beside the forecast"
        assert 0.3 < memory.share < 3
        while not replay.at_end:
            replay.play(40)
            await pilot.pause()
        replay.die()
        await until(pilot, lambda: screen.state == "finished")
        assert all(stage.proven for stage in screen.view.stages.values())
        losses = [m.values["loss"] for m in screen.view.stages["train"].metrics if "loss" in m.values]
        assert losses[-1] < losses[0]
        assert any("eval_loss" in m.values for m in screen.view.stages["train"].metrics)
        await pilot.press("3")
        await until(
            pilot,
            lambda: "proof merge.tokens holds" in " ".join(text_of(screen.query_one(EventsPane)).split()),
        )
        looks = sum("eval_loss" in m.values for m in screen.view.stages["train"].metrics)
        await pilot.press("1")
        curve = screen.query_one(LossCurve)
        await until(pilot, lambda: text_of(curve).count("●") == looks + 1)  # and one is the legend's
        last = f"loss {losses[-1]:.3f}"
        assert last in result(screen.view.stages["train"]), "the loss beside the stage is that of the curve"
        await pilot.press("2")
        state = screen.query_one("#log-state")
        await until(pilot, lambda: "train" in text_of(state))
        screen.query_one(StageList).highlighted = list(screen.view.stages).index("report")
        screen.query_one(StageList).action_select()
        await until(pilot, lambda: "report · nothing was written" in text_of(state))
        assert screen.check_action("copy_details", ()) is False, "there is no error to copy"


async def test_out_of_memory_is_explained_then_continued_to_the_end(tmp_path: Path) -> None:
    replay = Replay("failed", tmp_path / "run")
    replay.play_until(kind="state", stage="", state="failed")
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, replay)
        await until(pilot, lambda: screen.query_one(Trouble).display)
        assert screen.state == "failed"
        words = " ".join(text_of(screen.query_one(Trouble)).replace("▌", " ").split())
        assert "✗ train failed" in words
        assert "memory" in words
        assert "What to do" in words
        replay.live()
        while not replay.at_end:
            replay.play(40)
            await pilot.pause()
        replay.die()
        await until(pilot, lambda: screen.state == "finished")
        assert not screen.query_one(Trouble).display


async def test_from_a_failure_leads_a_key_to_its_plan_and_one_to_its_answers(tmp_path: Path) -> None:
    replay = Replay("failed", tmp_path / "run")
    replay.play_until(kind="state", stage="", state="failed")
    async with SteersmanApp().run_test(size=SIZE) as pilot:
        screen = await opened(pilot, replay)
        await until(pilot, lambda: screen.query_one(Trouble).display)
        assert "c changes an answer and plans again" in " ".join(
            text_of(screen.query_one(Trouble)).replace("▌", " ").split()
        )
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, PlanScreen) and pilot.app.screen.focused)
        assert cast(SteersmanApp, pilot.app).desk.file == replay.run.plan
        pilot.app.pop_screen()
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConversationScreen))
        known = cast(ConversationScreen, pilot.app.screen).dialogue.interview.known
        assert screen.plan is not None
        assert (known.model, known.data) == (screen.plan.facts.model, screen.plan.facts.data)


async def test_a_lost_run_is_lost_and_a_stopped_one_says_where_it_continues(tmp_path: Path) -> None:
    for name, state in (("lost", "lost"), ("stopped", "stopped")):
        replay = Replay(name, tmp_path / name)
        replay.play()
        async with SteersmanApp().run_test(size=SIZE) as pilot:
            screen = await opened(pilot, replay)
            await until(pilot, lambda: screen.state == state)  # noqa: B023
            assert screen.check_action("resume", ()) is True
            if name == "stopped":
                await until(pilot, lambda: "its checkpoint is saved" in screen_text(pilot))
            else:
                assert "? train" in text_of(screen.query_one(StageList))
                assert "g continues" in text_of(screen.query_one(Trouble))


@pytest.mark.parametrize("name", NAMES)
async def test_any_prefix_of_a_journal_can_be_shown(name: str, tmp_path: Path) -> None:
    replay = Replay(name, tmp_path / "run")
    replay.play(1)
    replay.live()
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, replay)
        while not replay.at_end:
            replay.play(7)
            await pilot.pause()
        replay.die()
        await until(pilot, lambda: screen.state != "running")
