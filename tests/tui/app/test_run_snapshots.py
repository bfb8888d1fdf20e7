"""Home and the run screen as pictures, at two sizes, with recorded runs, a frozen clock and fixed folders."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from planner.language import use_everywhere
from runtime import recent_plans
from tests.tui.app.pilot import until
from tests.tui.app.replay import FOLDER, Replay
from tui.app.application import SteersmanApp
from tui.app.screens.home import HomeScreen
from tui.app.screens.run import RunScreen
from tui.app.themes import LOOKS

PLACE = Path("/tmp/steersman-pictures")
SIZES = [(80, 24), (160, 50)]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("STEERSMAN_HOME", str(PLACE / "home"))
    monkeypatch.delenv("STEERSMAN_STAGE_TABLE", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "home" / "runs").mkdir(parents=True)
    yield
    shutil.rmtree(PLACE, ignore_errors=True)
    monkeypatch.undo()
    time.tzset()
    use_everywhere("en")


def freeze(monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    monkeypatch.setattr(RunScreen, "now", lambda self: now)
    monkeypatch.setattr(HomeScreen, "now", lambda self: now)


def replayed(name: str, called: str) -> Replay:
    return Replay(name, PLACE / "home" / "runs" / called)


async def settled(pilot: Pilot[Any], replay: Replay, state: str, *keys: str) -> None:
    app = cast(SteersmanApp, pilot.app)
    app.open_run(replay.run)
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.state == state)
    screen = cast(RunScreen, app.screen)
    trained = any(stage.metrics for stage in screen.view.stages.values())
    await until(pilot, lambda: not trained or screen.query("StillPlot #legend"))
    await pilot.press(*keys)
    for _ in range(3):
        await pilot.pause()
        screen.show()


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("look", ["dark", "light"])
def test_training(
    snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], look: str
) -> None:
    replay = replayed("success", "tiny-llama-demo")
    replay.play_until(kind="state", stage="train", state="saved")
    replay.live()
    freeze(monkeypatch, replay.now)

    async def before(pilot: Pilot[Any]) -> None:
        pilot.app.theme = LOOKS[look].theme
        await settled(pilot, replay, "running")

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)
    replay.die()


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_failed(snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    replay = replayed("failed", "tiny-llama-demo")
    replay.play_until(kind="state", stage="", state="failed")
    freeze(monkeypatch, replay.now)

    async def before(pilot: Pilot[Any]) -> None:
        await settled(pilot, replay, "failed")

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_finished_in_chinese(
    snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    replay = replayed("success", "tiny-llama-demo")
    replay.play()
    freeze(monkeypatch, replay.now)
    use_everywhere("zh")

    async def before(pilot: Pilot[Any]) -> None:
        await settled(pilot, replay, "finished", "3")

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_home(snap_compare: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    replays = {name: replayed(name, f"tiny-llama-{name}") for name in ("success", "lost", "stopped")}
    for replay in replays.values():
        replay.play()
    under_way = replayed("success", "tiny-llama-again")
    under_way.play_until(kind="state", stage="train", state="saved")
    under_way.live()
    freeze(monkeypatch, under_way.now + 7200)
    monkeypatch.setattr("tui.app.home_rows.last_active", lambda run: under_way.now)
    monkeypatch.setattr("tui.app.home_rows.run_remaining", lambda *_: 95.0)
    shutil.copy(FOLDER / "plan.yaml", PLACE / "plan.yaml")
    monkeypatch.setattr(
        recent_plans, "recent", lambda: [recent_plans.RecentPlan(PLACE / "plan.yaml", under_way.now)]
    )
    monkeypatch.setattr(
        "tui.app.home_rows.list_runs",
        lambda: [replay.run for replay in (*replays.values(), under_way)],
    )

    async def before(pilot: Pilot[Any]) -> None:
        screen = cast(HomeScreen, pilot.app.screen)
        await until(pilot, lambda: screen.looked and screen.focused)

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)
    under_way.die()


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_first_time(snap_compare: Any, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        screen = cast(HomeScreen, pilot.app.screen)
        await until(pilot, lambda: screen.looked and screen.focused)

    assert snap_compare(SteersmanApp(), terminal_size=size, run_before=before)
