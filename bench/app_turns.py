"""How long the app holds its event loop: the longest turn of everything that a person does.

A key that is pressed during a turn waits for its end, so none may take more than 0.1 s. Measured is the
processor time of the loop's thread: on a busy machine the clock would measure the others. Frames are made as
for a terminal, and nobody reads them.

`python -m bench.app turns` prints a table for three sizes. `python -m bench.app_turns 160x50 plan` does one
part at one size, and `... plan --profile "plan: theme"` says where the longest turn of one action goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from tests.tui.app.pilot import until
from tui.app.application import SteersmanApp

SIZES = ("80x24", "160x50", "200x60")
ROUNDS = 3
"""How often everything is done: the first time is printed by itself, and the median of all."""

AIM_SECONDS = 0.100
SHOWN_SECONDS = 0.050
"""Actions whose turns are all shorter are counted, not listed."""

REST_SECONDS = 0.4
"""After an action: what follows from it, such as layouts, belongs to it."""

PROFILED_LINES = 45


def draw_frames() -> None:
    """Let tests' driver pass for a terminal: frames are made, and the planner is loaded ahead."""
    setattr(HeadlessDriver, "is_headless", False)  # noqa: B010 - mypy refuses a plain one


class Turns:
    """Listens to the event loop, and remembers the longest turn since it was asked last.

    `Handle._run` is where asyncio calls everything: its own warning about slow callbacks looks there as well,
    but at the clock, and in debug mode only.
    """

    def __init__(self, profiled: str = "") -> None:
        self.seen: dict[str, list[float]] = {}
        """Action -> seconds of its longest turn, for each time that it was done."""
        self.profile: cProfile.Profile | None = None
        self._profiled = profiled
        self._profiling = False
        self._longest = 0.0
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            profile = cProfile.Profile() if self._profiling else None
            began = time.thread_time()
            profile.runcall(run, handle) if profile else run(handle)
            took = time.thread_time() - began
            if took > self._longest:
                self._longest = took
                self.profile = profile or self.profile

        setattr(asyncio.Handle, "_run", timed)  # noqa: B010 - mypy refuses a plain one

    @contextmanager
    def of(self, action: str) -> Iterator[None]:
        """Add the longest turn inside this block to those of an action."""
        self._longest = 0.0
        self._profiling = action == self._profiled
        yield
        self._profiling = False
        self.seen.setdefault(action, []).append(self._longest)


class Visitor:
    """Does one thing after the other in the app, each timed."""

    def __init__(self, pilot: Pilot[Any], app: SteersmanApp, turns: Turns, home: Path) -> None:
        self.pilot = pilot
        self.app = app
        self.home = home
        """Folder of runs, models and data, for scratch."""
        self._turns = turns
        self.size = (app.size.width, app.size.height)

    @property
    def screen(self) -> Any:
        """The screen on top."""
        return self.app.screen

    async def does(
        self,
        action: str,
        act: Callable[[], Awaitable[Any] | object],
        then: Callable[[], Any] | None = None,
        rest: float = REST_SECONDS,
    ) -> None:
        """Do it, wait until `then()` is true and for a moment more."""
        await self.rest(0.2)
        with self._turns.of(action):
            doing = act()
            if isinstance(doing, Awaitable):
                await doing
            if then is not None:
                await until(self.pilot, then)
            await self.rest(rest)
        assert not self.app.failures, f"{action}: an error that the app survived"

    async def presses(self, action: str, *keys: str, **more: Any) -> None:
        """Press keys as an action."""
        await self.does(action, lambda: self.pilot.press(*keys), **more)

    async def rest(self, seconds: float = REST_SECONDS) -> None:
        """Let the app work."""
        await self.pilot.pause(seconds)

    async def everywhere(self, where: str, settled: Callable[[], Any] | None = None) -> None:
        """Do what can be done on any screen: language, theme, size of the terminal, help, commands."""
        small = (80, 24) if self.size != (80, 24) else (100, 30)
        for language in ("zh", "en"):
            await self.does(f"{where}: language", lambda to=language: self.app.speak(to), settled)  # type: ignore[misc]
        for look in ("light", "dark"):
            await self.does(f"{where}: theme", lambda to=look: self.app.look(to))  # type: ignore[misc]
        for size in (small, self.size):
            await self.does(f"{where}: resize", lambda to=size: self.pilot.resize_terminal(*to))  # type: ignore[misc]
        for name, key in (("help", "f1"), ("commands", "ctrl+p")):
            await self.presses(f"{where}: {name}", key)
            await self.presses(f"{where}: {name} closed", "escape")

    async def goes_home(self) -> None:
        """Leave all screens, and let what they leave behind be collected, as while a person rests."""
        await self.does("closing screens", self.app.go_home)


def turns() -> None:
    """Print the longest turn of each action, at three sizes, each in a process of its own."""
    found: dict[str, dict[str, list[float]]] = {}
    for size in SIZES:
        command = [sys.executable, "-m", "bench.app_turns", size, "--json"]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        for action, seconds in json.loads(said).items():
            found.setdefault(action, {})[size] = seconds
    show(found, SIZES)


def show(found: dict[str, dict[str, list[float]]], sizes: tuple[str, ...]) -> None:
    """Print a table: action -> size -> the first time, the median and the worst, in ms."""
    print(f"longest turn of the event loop in ms of processor time: first, median, worst of {ROUNDS} or more")
    print(f"{'':34}" + "".join(f"{size:>20}" for size in sizes))
    short = 0
    for action, by_size in found.items():
        if max(map(max, by_size.values())) < SHOWN_SECONDS:
            short += 1
            continue
        cells = ""
        for size in sizes:
            seen = by_size.get(size)
            cells += f"{'':20}" if seen is None else _cell(seen)
        print(f"{action:34}{cells}")
    print(f"{short} more actions below {SHOWN_SECONDS * 1e3:.0f} ms")
    medians = {
        f"{action} at {size}": statistics.median(seen)
        for action, by_size in found.items()
        for size, seen in by_size.items()
    }
    long = [name for name, seconds in medians.items() if seconds > AIM_SECONDS]
    worst = max(medians, key=lambda name: medians[name])
    print(f"longest median: {medians[worst] * 1e3:.0f} ms ({worst})")
    print(f"aim: at most {AIM_SECONDS * 1e3:.0f} ms: {'NOT met by ' + ', '.join(long) if long else 'met'}")


def _cell(seen: list[float]) -> str:
    figures = (seen[0], statistics.median(seen), max(seen))
    return "   " + " ".join(f"{seconds * 1e3:5.0f}" for seconds in figures)


def visit(size: tuple[int, int], parts: list[str], profiled: str) -> Turns:
    """Do everything, or some parts, at one size."""
    from bench.app_visits import VISITS

    draw_frames()
    measured = Turns(profiled)

    async def run() -> None:
        for name in parts or VISITS:
            with tempfile.TemporaryDirectory(prefix="steersman-bench-") as folder:
                home = Path(folder)
                os.environ["STEERSMAN_HOME"] = str(home)
                prepare, doing = VISITS[name]
                prepared = prepare(home)
                app = SteersmanApp(folder=home)
                async with app.run_test(size=size) as pilot:
                    visitor = Visitor(pilot, app, measured, home)
                    await visitor.rest(2)  # the planner is loaded
                    await doing(visitor, prepared)

    asyncio.run(run())
    return measured


def main() -> None:
    """Measure at one size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", help="COLUMNSxROWS")
    parser.add_argument("parts", nargs="*", help="only these")
    parser.add_argument("--json", action="store_true", help="print the seconds only")
    parser.add_argument("--profile", default="", metavar="ACTION", help="print where its longest turn goes")
    asked = parser.parse_args()
    columns, rows = map(int, asked.size.split("x"))
    measured = visit((columns, rows), asked.parts, asked.profile)
    if asked.json:
        print(json.dumps(measured.seen))
        return
    show({action: {asked.size: seconds} for action, seconds in measured.seen.items()}, (asked.size,))
    if measured.profile is not None:
        pstats.Stats(measured.profile).sort_stats("cumulative").print_stats(PROFILED_LINES)


if __name__ == "__main__":
    main()
