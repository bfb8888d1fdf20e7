"""The log: batched however fast it grows, searched through, followed and held, of one rank or of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from runtime.run.layout import StageFolder
from tests.tui.app.pilot import text_of, typed, until
from tui.app.application import SteersmanApp
from tui.app.log_feed import KEPT_LINES, LogFeed, collapse
from tui.app.widgets.log_pane import Lines, LogPane


class LogScreen(Screen[None]):
    """A log and nothing else."""

    def __init__(self, folder: StageFolder) -> None:
        super().__init__()
        self.folder = folder

    def compose(self) -> ComposeResult:
        yield LogPane()

    def on_mount(self) -> None:
        self.query_one(LogPane).follow(self.folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageFolder:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    stage = StageFolder(tmp_path / "train")
    stage.launch.mkdir(parents=True)
    return stage


def write(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


async def shown(pilot: Pilot[Any], folder: StageFolder) -> tuple[LogPane, Lines]:
    pilot.app.push_screen(LogScreen(folder))
    await until(pilot, lambda: isinstance(pilot.app.screen, LogScreen) and pilot.app.screen.query(Lines))
    return pilot.app.screen.query_one(LogPane), pilot.app.screen.query_one(Lines)


@pytest.mark.asyncio
async def test_twenty_thousand_lines_are_few_writes_and_bounded_memory(folder: StageFolder) -> None:
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        pane, lines = await shown(pilot, folder)
        for batch in range(20):
            write(folder.log, "".join(f"line {batch * 1000 + number}\n" for number in range(1000)))
        await until(pilot, lambda: lines.line_count and lines.lines[-1] == "line 19999")
        assert pane.writes <= 20, "one write for what has come together, never one for each line"
        assert lines.line_count <= KEPT_LINES


@pytest.mark.asyncio
async def test_it_follows_the_end_and_holds_still_while_somebody_reads(folder: StageFolder) -> None:
    write(folder.log, "".join(f"line {number}\n" for number in range(200)))
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        pane, lines = await shown(pilot, folder)
        await until(pilot, lambda: lines.line_count == 200 and lines.is_vertical_scroll_end)
        assert "↓ following" in text_of(pane)
        lines.focus()
        await pilot.press("home")
        await until(pilot, lambda: "held" in text_of(pane))
        writes = pane.writes
        write(folder.log, "one more\n")
        await pilot.pause(0.3)
        assert (lines.scroll_y, pane.writes) == (0, writes), "nothing moves under the eyes"
        await pilot.press("f")
        await until(pilot, lambda: lines.lines[-1] == "one more" and lines.is_vertical_scroll_end)


@pytest.mark.asyncio
async def test_a_search_reads_the_whole_file_and_escape_brings_everything_back(folder: StageFolder) -> None:
    write(folder.log, "a needle at the very beginning\n" + "hay\n" * 300_000 + "another Needle\n")
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        pane, lines = await shown(pilot, folder)
        await until(pilot, lambda: lines.line_count > 100)
        pane.action_search()
        await pilot.pause()
        typed(pilot.app, "needle")
        await pilot.press("enter")
        await until(pilot, lambda: list(lines.lines) == ["a needle at the very beginning", "another Needle"])
        assert "2 lines with “needle”" in text_of(pane)
        write(folder.log, "hay\nneedle three\n")
        await until(pilot, lambda: lines.line_count == 3)
        await pilot.press("escape")
        await until(pilot, lambda: lines.line_count > 100)


@pytest.mark.asyncio
async def test_ranks_are_chosen_one_by_one(folder: StageFolder) -> None:
    write(folder.log, "from the launcher\n")
    for rank in (0, 1):
        write(folder.launch / f"workerlog.{rank}", f"from rank {rank}\n")
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        pane, lines = await shown(pilot, folder)
        await until(pilot, lambda: "all of 2 ranks" in text_of(pane))
        lines.focus()
        for wanted in ("from rank 0", "from rank 1", "from the launcher"):
            await pilot.press("r")
            await until(pilot, lambda: list(lines.lines) == [wanted])  # noqa: B023


@pytest.mark.asyncio
async def test_a_progress_bar_is_one_line_however_often_it_is_drawn(folder: StageFolder) -> None:
    write(folder.log, "begin\n")
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        pane, lines = await shown(pilot, folder)
        for percent in range(0, 100, 10):
            write(folder.log, f"\r{percent}% |####|")
        await until(pilot, lambda: "90% |####|" in text_of(pane))
        assert list(lines.lines) == ["begin"]
        write(folder.log, "\r100% |####|\nend\n")
        await until(pilot, lambda: list(lines.lines) == ["begin", "100% |####|", "end"])


@pytest.mark.asyncio
async def test_a_new_attempt_begins_a_new_log(folder: StageFolder) -> None:
    write(folder.log, "first attempt, which wrote a good deal\n")
    async with SteersmanApp().run_test(size=(80, 24)) as pilot:
        _, lines = await shown(pilot, folder)
        await until(pilot, lambda: lines.line_count == 1)
        folder.log.write_text("second\n", encoding="utf-8")
        await until(pilot, lambda: list(lines.lines) == ["second"])


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("plain", "plain"),
        ("\r 10%\r 50%\r100%", "100%"),
        (" 50%\r", " 50%"),
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("a\tb", "a   b"),
        ("\x1b]0;title\x07text\x00", "text"),
        ("训练中", "训练中"),
    ],
)
def test_a_line_is_what_a_terminal_would_show(line: str, seen: str) -> None:
    assert collapse(line) == seen


def test_a_long_log_is_entered_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"{number:099d}\n" for number in range(100_000)), encoding="utf-8")
    feed = LogFeed(log)
    while feed.read_chunk():
        pass
    drained = feed.drain()
    assert len(drained.lines) == KEPT_LINES
    assert all(len(line) == 99 for line in drained.lines), "a line that was entered in its middle is left out"
    assert int(drained.lines[-1]) == 99_999


def test_what_nobody_drains_costs_no_memory(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("x\n" * 100_000, encoding="utf-8")
    feed = LogFeed(log, "x")
    while feed.read_chunk():
        pass
    drained = feed.drain()
    assert (len(drained.lines), drained.missed) == (KEPT_LINES, 100_000 - KEPT_LINES)
