"""The report screen over a recorded run of the real engine: figures, answers, proofs, what can be copied."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console
from textual.pilot import Pilot

from planner.language import use_everywhere
from runtime.run.layout import RunFolder
from tests.tui.app.pilot import screen_text, until
from tests.tui.app.replay import Replay
from tui.app.application import SteersmanApp
from tui.app.report_tables import BAR_CELLS, bar
from tui.app.screens.chat import ChatScreen
from tui.app.screens.report import ReportScreen
from tui.app.widgets.copy_list import CopyList
from tui.app.widgets.loss_curve import LossCurve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STEERSMAN_STAGE_TABLE", raising=False)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    replay = Replay("success", tmp_path / "run")
    replay.play()
    return replay.run


async def opened(pilot: Pilot[Any], run: RunFolder) -> ReportScreen:
    cast(SteersmanApp, pilot.app).open_report(run)
    await until(pilot, lambda: isinstance(pilot.app.screen, ReportScreen))
    screen = cast(ReportScreen, pilot.app.screen)
    await until(pilot, lambda: screen.refused or (screen.query("#figures") and len(whole(part(screen))) > 9))
    return screen


def part(screen: ReportScreen, name: str = "figures") -> Any:
    return screen.query_one(f"#{name}")


def whole(widget: Any) -> str:
    """Return the text of a part, also of what is scrolled out of sight."""
    console = Console(width=200, file=io.StringIO())
    console.print(widget.content)
    return cast(io.StringIO, console.file).getvalue()


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_it_tells_what_was_planned_and_what_happened(run: RunFolder, size: tuple[int, int]) -> None:
    async with SteersmanApp().run_test(size=size) as pilot:
        screen = await opened(pilot, run)
        figures = whole(part(screen))
        memory = next(row for row in screen.report["comparisons"] if row["unit"] == "bytes")
        assert f"{memory['ratio']:.2f}" in figures and "planned" in figures
        assert screen.query_one(LossCurve)
        proofs = whole(part(screen, "proof-list"))
        assert proofs.count("✓") == len(screen.report["proofs"]) >= 3
        columns = [column.region for column in screen.query(".column")]
        assert (columns[0].y == columns[1].y) is (size[0] >= 150), "two columns where there is room"
        assert part(screen).region.right <= size[0]


@pytest.mark.asyncio
async def test_commands_and_paths_are_copied(run: RunFolder) -> None:
    app = SteersmanApp()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, run)
        next_steps, files = screen.query(CopyList)
        next_steps.focus()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.clipboard == screen.report["next"][1][1]
        files.focus()
        files.highlighted = len(files.entries) - 1
        await pilot.press("c")
        await pilot.pause()
        assert app.clipboard == str(run.journal)


@pytest.mark.asyncio
async def test_the_page_is_written_and_opened(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    app = SteersmanApp()
    monkeypatch.setattr(app, "open_url", lambda url, **_: asked.append(url))
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, run)
        await pilot.press("o")
        await until(pilot, lambda: asked)
    page = run.root / "report.html"
    assert asked == [page.as_uri()] and page.read_text().count("<svg") == 3


@pytest.mark.asyncio
async def test_escape_goes_back_and_t_talks(run: RunFolder) -> None:
    app = SteersmanApp()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, run)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, ChatScreen))
        app.pop_screen()
        await pilot.pause()
        assert app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)


@pytest.mark.asyncio
async def test_a_run_that_failed_has_a_report_too(tmp_path: Path) -> None:
    """As far as it came: nobody can be talked to, and nothing says that it finished."""
    replay = Replay("success", tmp_path / "run")
    replay.play_until(kind="metric", stage="train")
    async with SteersmanApp().run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, replay.run)
        assert "steersman resume" in screen_text(pilot) + str(screen.report["next"])
        assert screen.check_action("talk", ()) is None
        assert "No answers were generated." in whole(part(screen, "answers"))


@pytest.mark.asyncio
async def test_a_damaged_journal_is_refused_in_a_sentence(run: RunFolder) -> None:
    lines = run.journal.read_text().splitlines()
    run.journal.write_text("\n".join([*lines[:3], "nonsense", *lines[3:]]) + "\n")
    async with SteersmanApp().run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, run)
        assert screen.refused and "line 4" in screen_text(pilot)


@pytest.mark.asyncio
async def test_it_is_said_again_in_another_language(run: RunFolder) -> None:
    app = SteersmanApp()
    try:
        async with app.run_test(size=(200, 60)) as pilot:
            screen = await opened(pilot, run)
            app.speak("zh")
            await until(pilot, lambda: screen.report["language"] == "zh" and screen.query("#figures"))
            await until(pilot, lambda: re.search(r"[\u4e00-\u9fff]", whole(part(screen))))
            assert "planned" not in whole(part(screen))
    finally:
        use_everywhere("en")


@pytest.mark.parametrize(("percent", "filled"), [(0, 0), (40.0, 8), (100, BAR_CELLS)])
def test_a_bar_is_as_long_as_its_ratio(percent: float, filled: int) -> None:
    from rich.style import Style

    line = bar(percent, Style(), Style(dim=True))
    assert line.cell_len == BAR_CELLS
    assert sum(letter in "━┿" for letter in line.plain) == filled
